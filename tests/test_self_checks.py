"""The self-check of each lesson: a wrong answer says what is wrong with it, and leads to the cell that shows it.

A link names the heading above that cell, as JupyterLab writes its address. On the site ``tinykd_site`` gives the
headings the same addresses, and the build stops at a link without a heading.
"""

import re
import sys

import nbformat
import pytest
from site_fixtures import ROOT

sys.path.insert(0, str(ROOT / "book" / "_ext"))
from tinykd_site.pages import slug

LESSONS = sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))
QUESTION = re.compile(r"^\*\*([A-E])\.\*\* ", re.MULTILINE)
ANSWER = re.compile(r"^```\{admonition\} Answer\n:class: dropdown\n\n(.*?)^```$", re.MULTILINE | re.DOTALL)
WRONG = re.compile(r'\*".+?"\*(.*)', re.DOTALL)
LINK = re.compile(r"\[([^\]]+)\]\(([^)\s]+)\)")


def sections(lesson) -> dict[str, bool]:
    """The address of each heading, and whether a cell with code stands between it and the next one."""
    found, here = {}, ""
    for cell in lesson.cells:
        if cell.cell_type == "code":
            shown = "remove-cell" not in cell.metadata.get("tags", [])
            found[here] = found.get(here, False) or shown
            continue
        fence = ""
        for line in cell.source.splitlines():
            mark = re.match(r"(`{3,})", line)
            if mark and fence in ("", mark[1]):
                fence = "" if fence else mark[1]
            heading = re.match(r"#+ (.+)", line)
            if heading and not fence:
                here = slug(heading[1].replace("`", ""))
                found[here] = False
    return found


def faults(lesson) -> list[str]:
    """What is wrong with the self-check of a lesson."""
    text = "\n\n".join(cell.source for cell in lesson.cells if cell.cell_type == "markdown")
    body = re.search(r"^## Check yourself\n(.*?)^## ", text, re.MULTILINE | re.DOTALL)[1]
    letters, parts, known = QUESTION.findall(body), QUESTION.split(body)[2::2], sections(lesson)
    found = [] if 3 <= len(parts) <= 5 else [f"{len(parts)} questions"]
    for letter, part in zip(letters, parts, strict=True):
        answer = ANSWER.search(part)
        lines = answer[1].strip().split("\\\n") if answer else []
        wrong = [WRONG.match(line) for line in lines if line.startswith('*"')]
        if len(wrong) < 2 or len(wrong) == len(lines):
            found.append(f"{letter}: {len(wrong)} wrong answers among {len(lines)}")
        for line in wrong:
            reason, targets = LINK.sub(r"\1", line[1]), [target for _, target in LINK.findall(line[1])]
            if len(re.findall(r"\w+", reason)) < 6:
                found.append(f"{letter}: no reason in {line[0]}")
            if not targets:
                found.append(f"{letter}: no link in {line[0]}")
            found += [
                f"{letter}: no cell at {target}" for target in targets if not known.get(target.removeprefix("#"), False)
            ]
    return found


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_every_wrong_answer_has_a_reason_and_leads_to_a_cell(path):
    assert faults(nbformat.read(path, as_version=4)) == []


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        (" [the cell](#The-sum:-by-hand)", "", "no link"),
        ("](#The-sum:-by-hand)", "](#the-sum-by-hand)", "no cell at"),
        ("](#The-sum:-by-hand)", "](#Words-only)", "no cell at"),
        ("](#The-sum:-by-hand)", "](08_pruning.ipynb)", "no cell at"),
        (": two is what one and one give, see", ":", "no reason"),
        ("\n**C.** Why?", "\n**See** Why?", "2 questions"),
        ('*"Four"*', "Four", "wrong answers"),
    ],
)
def test_what_is_missing_is_found(old, new, fault):
    questions = "\n".join(
        f"**{letter}.** Why?\n\n```{{admonition}} Answer\n:class: dropdown\n\n"
        '*"Three"*: two is what one and one give, see [the cell](#The-sum:-by-hand).\\\n'
        '*"Four"*: two is what one and one give, see [the cell](#The-sum:-by-hand).\\\nTwo.\n```\n'
        for letter in "ABC"
    )
    text = f"## Check yourself\n\n{questions}\n## Take away\n\nTwo."

    def lesson(text):
        prose, code = nbformat.v4.new_markdown_cell, nbformat.v4.new_code_cell
        sums = prose("# One and one\n\n## The sum: by hand\n\n```python\n# no heading\n```")
        return nbformat.v4.new_notebook(cells=[sums, code("1 + 1"), prose("## Words only"), prose(text)])

    assert faults(lesson(text)) == []
    assert old in text and any(fault in line for line in faults(lesson(text.replace(old, new))))
