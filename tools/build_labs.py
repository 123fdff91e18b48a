"""Make the labs from their solutions, the only version that is written by hand.

python tools/build_labs.py [--out FOLDER]

``student.zip``: a notebook and a grader for each lab. ``teacher/``: the answers with what goes wrong, and a timed plan.
It also renews the table in ``book/labs.md``. A solution is a notebook in percent format; what a student writes stands
between ``### BEGIN SOLUTION 1`` and ``### END SOLUTION``, and each exercise has a heading that states its minutes. A
cell with the tag *teacher* goes to the teacher alone.
"""

import argparse
import json
import math
import re
import shutil
import textwrap
import zipfile
from pathlib import Path
from typing import NamedTuple

import jupytext
import nbformat
from markdown_it import MarkdownIt
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

ROOT = Path(__file__).resolve().parent.parent
LABS = ROOT / "labs"
PAGE = ROOT / "book" / "labs.md"
MINUTES = ROOT / "notebooks" / "minutes.json"
SHARED = ("README.md", "pytest.ini", "conftest.py", "grading.py")

ANSWER = re.compile(r"^( *)### BEGIN SOLUTION (\d+)\n(.*?)^ *### END SOLUTION\n", re.MULTILINE | re.DOTALL)
MARK = re.compile(r"^ *### (BEGIN|END) SOLUTION.*\n", re.MULTILINE)
HEADING = re.compile(r"^## Exercise (\d+)\. (.+) \((\d+) minutes\)$", re.MULTILINE)
WRONG = re.compile(r"^# %% exercise (\d+): (.+)\n", re.MULTILINE)
TABLE = re.compile(r"(<!-- labs -->\n).*?(<!-- /labs -->)", re.DOTALL)
WORDS, LINES = 200, 10  #: of text and of code that a reader takes per minute, an estimate
HIDDEN = {"remove-input", "remove-cell", "hide-cell"}


class Exercise(NamedTuple):
    """What a heading says: number, title, minutes."""

    number: int
    title: str
    minutes: int


class Wrong(NamedTuple):
    """A seeded wrong answer: of which exercise, the misconception's name, and the code."""

    exercise: int
    misconception: str
    code: str


class Lab(NamedTuple):
    """One lab: the name of its lesson, its title, its exercises, and the text of its solution."""

    name: str
    title: str
    exercises: list[Exercise]
    text: str

    @property
    def number(self) -> str:
        """Two digits, as in the lesson's file name."""
        return self.name[:2]

    @property
    def minutes(self) -> int:
        """How long all its exercises take."""
        return sum(exercise.minutes for exercise in self.exercises)


def read(path: Path) -> Lab:
    """Read a solution.

    Raises:
        ValueError: an exercise without an answer, or an answer without an exercise.
    """
    text = path.read_text(encoding="utf-8")
    prose = re.sub(r"^# ?", "", text, flags=re.MULTILINE)
    exercises = [Exercise(int(number), title, int(minutes)) for number, title, minutes in HEADING.findall(prose)]
    answered = sorted({int(number) for _, number, _ in ANSWER.findall(text)})
    if answered != [exercise.number for exercise in exercises] or not answered:
        raise ValueError(f"{path}: exercises {[e.number for e in exercises]} in headings, {answered} with a solution")
    title = re.search(r"^# Lab \d+\. (.+)$", prose, re.MULTILINE)
    if not title:
        raise ValueError(f"{path}: no heading '# Lab 1. Title'")
    return Lab(path.stem, title[1], exercises, text)


def wrong_answers(name: str) -> list[Wrong]:
    """Read the wrong answers of a lab; what stands above the first is put before each."""
    head, *rest = WRONG.split((LABS / "wrong" / f"{name}.py").read_text(encoding="utf-8"))
    return [Wrong(int(n), title, head + code) for n, title, code in zip(*[iter(rest)] * 3, strict=True)]


def stub(text: str) -> str:
    """Take the answers out of a solution."""
    return ANSWER.sub(r'\1# your answer here\n\1raise NotImplementedError("exercise \2 is not done yet")\n', text)


def notebook_of(text: str, who: str = "teacher") -> NotebookNode:
    """Turn percent format into a notebook that is the same at every run, with the cells that ``who`` may see."""
    cells = jupytext.reads(text, fmt="py:percent").cells
    cells = [cell for cell in cells if who == "teacher" or "teacher" not in cell.metadata.get("tags", [])]
    make = {"markdown": new_markdown_cell, "code": new_code_cell}
    return finished([make[cell.cell_type](cell.source) for cell in cells])


def finished(cells: list[NotebookNode]) -> NotebookNode:
    """Put cells into a notebook; their ids are their places."""
    for place, cell in enumerate(cells):
        cell["id"] = f"cell-{place}"
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return new_notebook(cells=cells, metadata={"kernelspec": kernel, "language_info": {"name": "python"}})


def for_student(lab: Lab) -> NotebookNode:
    """Return the notebook without answers, with a last cell that grades it."""
    how = (
        "Save the notebook first: the grader reads the file. It takes the imports, functions and classes out of it and "
        "nothing else, so a constant that an answer needs belongs inside the function."
    )
    grade = [
        new_markdown_cell(f"## Grade it\n\n{how}"),
        new_code_cell('import sys\n\n!"{sys.executable}" -m pytest'),
    ]
    return finished([*notebook_of(stub(lab.text), "student").cells, *grade])


def for_teacher(lab: Lab) -> NotebookNode:
    """Return the notebook with answers, and after each what goes wrong and is named by the grader."""
    cells, wrong = [], wrong_answers(lab.name)
    for cell in notebook_of(lab.text).cells:
        answers = {int(number) for _, number, _ in ANSWER.findall(cell.source + "\n")}
        cells.append(cell)
        cell.source = re.sub(r"^ *### (BEGIN|END) SOLUTION.*\n", "", cell.source + "\n", flags=re.MULTILINE).rstrip(
            "\n"
        )
        for one in wrong:
            if one.exercise in answers:
                code = one.code.strip("\n")
                cells.append(new_markdown_cell(f"**Wrong: {one.misconception}.**\n\n```python\n{code}\n```"))
    return finished(cells)


def plan(labs: list[Lab]) -> str:
    """Return the timed plan, in Markdown: reading, with the lesson's cells running meanwhile, then the exercises."""
    measured = json.loads(MINUTES.read_text(encoding="utf-8")) if MINUTES.exists() else {}
    parts = [
        "# Timed plan",
        f"Made by `make labs`. The reading time counts {WORDS} words of the lesson, exercises and solutions included, "
        f"and {LINES} lines of code per minute. How long a lesson's cells run, without trained models, was measured on "
        "the machine that is named, in minutes of its processor. An exercise has the minutes of its heading.",
    ]
    for lab in labs:
        took = measured.get(lab.name)
        reading = math.ceil(reading_minutes(lab.name))
        running = math.ceil(took["seconds"] / 60) if took else 0
        said = f"its cells take {running} min of {took['processor']}, cores: {took['cores']}" if took else ""
        steps = [(max(reading, running), f"read lesson {lab.number}; {said or 'its running time was not measured'}")]
        steps += [(e.minutes, f"exercise {e.number}: {e.title}") for e in lab.exercises]
        rows, now = [], 0
        for minutes, what in steps:
            rows.append(f"| {clock(now)} | {clock(now + minutes)} | {what} |")
            now += minutes
        heading = f"## Lab {int(lab.number)}. {lab.title} ({now} minutes)"
        parts.append("\n".join([heading, "", "| from | to | |", "|---|---|---|", *rows]))
    return "\n\n".join(parts) + "\n"


def reading_minutes(name: str) -> float:
    """Return how long a lesson takes to read: its text, and the code that it shows."""
    path = ROOT / "notebooks" / f"{name}.ipynb"
    cells = nbformat.read(path, as_version=4).cells if path.exists() else []
    count = sum(words_of(cell.source) for cell in cells if cell.cell_type == "markdown")
    shown = [cell for cell in cells if cell.cell_type == "code" and not HIDDEN & set(cell.metadata.get("tags", []))]
    return count / WORDS + sum(len(cell.source.split("\n")) for cell in shown) / LINES


def words_of(markdown: str) -> int:
    """Return how many words of text there are; a block of code has none, a directive those of its text."""
    count = 0
    for token in MarkdownIt().parse(markdown):
        if token.type == "fence" and token.info.startswith("{"):
            count += words_of(token.content)
        elif token.type == "inline":
            count += len(token.content.split())
    return count


def clock(minutes: int) -> str:
    """Return minutes as hours and minutes: 75 as 1:15."""
    return f"{minutes // 60}:{minutes % 60:02d}"


def table(labs: list[Lab]) -> str:
    """Return the table of ``book/labs.md``."""
    rows = [
        "```{table} The labs, their exercises, and the minutes that these take",
        "| lab | exercises | min |",
        "|---|---|---|",
    ]
    for lab in labs:
        titles = "; ".join(exercise.title.rstrip("?") for exercise in lab.exercises)
        rows.append(f"| [{int(lab.number)}. {lab.title}](labs/{lab.number}.md) | {titles} | {lab.minutes} |")
    return "\n".join([*rows, "```"]) + "\n"


def page(labs: list[Lab]) -> str:
    """Return ``book/labs.md`` with its table made anew."""
    return TABLE.sub(lambda found: found[1] + table(labs) + found[2], PAGE.read_text(encoding="utf-8"))


def all_labs() -> list[Lab]:
    """Read all solutions, in order."""
    return [read(path) for path in sorted((LABS / "solutions").glob("*.py"))]


def write_student_zip(labs: list[Lab], path: Path) -> None:
    """Write the students' archive, the same bytes at every run."""
    files = {name: (LABS / name).read_text(encoding="utf-8") for name in SHARED}
    for lab in labs:
        grader = f"{lab.name}/test_{lab.number}.py"
        files[f"{lab.name}/{lab.name}.ipynb"] = nbformat.writes(for_student(lab))
        files[grader] = (LABS / grader).read_text(encoding="utf-8")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in sorted(files.items()):
            archive.writestr(zipfile.ZipInfo(f"tinykd-labs/{name}", (2026, 1, 1, 0, 0, 0)), text)


def main() -> None:
    """Make everything anew."""
    parser = argparse.ArgumentParser(description=textwrap.dedent(__doc__))
    parser.add_argument("--out", type=Path, default=ROOT / "_build" / "labs")
    out = parser.parse_args().out
    labs = all_labs()
    shutil.rmtree(out / "teacher", ignore_errors=True)
    (out / "teacher" / "answers").mkdir(parents=True)
    write_student_zip(labs, out / "student.zip")
    for lab in labs:
        nbformat.write(for_teacher(lab), out / "teacher" / "answers" / f"{lab.name}.ipynb")
    (out / "teacher" / "plan.md").write_text(plan(labs), encoding="utf-8")
    PAGE.write_text(page(labs), encoding="utf-8")
    exercises = sum(len(lab.exercises) for lab in labs)
    print(f"{len(labs)} labs, {exercises} exercises: {out / 'student.zip'} and {out / 'teacher'}")


if __name__ == "__main__":
    main()
