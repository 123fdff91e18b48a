"""The text of the course: numbers come from code, pictures have a text, lessons have all their parts.

A decimal typed into prose must stand in ``prose_allowed.toml``, under its file, with the reason why no cell prints it.
"""

import itertools
import json
import re
import tomllib
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LESSONS = sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))
#: pages that a program writes from recorded results; they have tests of their own
WRITTEN = {
    "benchmarks.md": "benchmarks/page.py",
    "licences.md": "tools/licences.py",
    "results.md": "experiments/results_page.py",
}
PAGES = [path for path in sorted((ROOT / "book").rglob("*.md")) if path.name not in WRITTEN]
ALLOWED = tomllib.loads((Path(__file__).parent / "prose_allowed.toml").read_text(encoding="utf-8"))
#: what else is no prose: tables that a program writes between two marks, formulas, roles, addresses, names of versions
NOT_PROSE = [
    re.compile(r"<!-- (\w+) -->.*?<!-- /\1 -->", re.DOTALL),
    re.compile(r"\$\$.*?\$\$", re.DOTALL),
    re.compile(r"\$[^$]{1,200}\$"),
    re.compile(r"(\{[\w:]+\})?(?<!`)(`{1,2})(?!`)[^`]+\2(?!`)"),
    re.compile(r"\]\([^)]*\)"),
    re.compile(r"https?://\S+"),
    re.compile(r"<[^>]+>"),
    re.compile(r"\b(Python|CC BY|[Vv]ersion|Apache|MPL|PSF|ODbL)[- ]\d+(\.\d+)+((, | or | and )\d+\.\d+)*"),
    # the sections of the article have numbers with a point, too: sections 4.1 to 4.3, | 4.1 The mixture |, *(2.2)*
    re.compile(
        r"(\b[Ss]ections?|^\| ?|\(|[Tt]ables?|[Ee]quations?) ?\d\.\d+(\.\d+)?((,| and| to| or) \d\.\d+(\.\d+)?)*",
        re.MULTILINE,
    ),
]
DECIMAL = re.compile(r"(?<![\w.])\d+\.\d+(?![\w.]*\w)")


@cache
def text(path: Path) -> str:
    """The Markdown of a page, or of all text cells of a lesson."""
    if path.suffix == ".md":
        return path.read_text(encoding="utf-8")
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")


def without_code(markdown: str) -> str:
    """The text without fenced code; what stands in an admonition or under a table's caption is text."""
    kept, open_fences = [], []
    for line in markdown.splitlines():
        fence = re.match(r"\s*(`{3,}|~{3,})(.*)", line)
        if fence and not fence[2].strip() and open_fences and fence[1] == open_fences[-1][0]:
            open_fences.pop()
        elif fence:
            open_fences.append((fence[1], bool(re.match(r"\{(admonition|note|tip|warning|table)\}", fence[2]))))
        elif all(prose for _, prose in open_fences):
            kept.append(line)
    assert not open_fences, f"a fence stays open: {open_fences}"
    return "\n".join(kept)


def decimals(markdown: str) -> list[str]:
    """The decimals that somebody typed into prose."""
    markdown = without_code(markdown)
    for pattern in NOT_PROSE:
        markdown = pattern.sub(" ", markdown)
    return DECIMAL.findall(markdown)


@pytest.mark.parametrize(
    ("markdown", "found"),
    [
        ("It reached 0.861.", ["0.861"]),
        ("It reached {glue:text}`ner_f1`, see `0.861` and $T = 0.5$.", []),
        ("```python\nx = 0.5\n```\nand 1.5", ["1.5"]),
        ("````{admonition} Solution\n:class: dropdown\n\nIt is 0.25.\n````", ["0.25"]),
        ("```{table} Two\n| a | 0.5 |\n```\nand 0.75\n\n```python\n0.1\n```", ["0.5", "0.75"]),
        ("Sections 4.1 to 4.3, Python 3.11, 3.12 or 3.13, CC BY 4.0, [here](a1.5.md).", []),
        ("<!-- results -->\n| 0.9 |\n<!-- /results -->\n0.8", ["0.8"]),
    ],
)
def test_what_counts_as_a_typed_decimal(markdown, found):
    assert decimals(markdown) == found


@pytest.mark.parametrize("path", [*LESSONS, *PAGES], ids=lambda path: str(path.relative_to(ROOT)))
def test_typed_decimals_are_on_the_list(path):
    typed, allowed = set(decimals(text(path))), set(ALLOWED.get(str(path.relative_to(ROOT)), {}))
    assert typed <= allowed, f"typed, not from a cell: {sorted(typed - allowed)}; use {{glue:text}}, or give a reason"
    assert allowed <= typed, f"no longer in the text: {sorted(allowed - typed)}"


def test_the_list_names_files_that_exist_and_reasons():
    assert all((ROOT / name).exists() for name in [*ALLOWED, *WRITTEN.values()])
    assert all(len(reason) > 10 for reasons in ALLOWED.values() for reason in reasons.values())


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_figures_have_a_text_and_a_caption(path):
    for place, cell in enumerate(json.loads(path.read_text(encoding="utf-8"))["cells"]):
        drawn = any("image/png" in output.get("data", {}) for output in cell.get("outputs", []))
        if drawn and "remove-output" not in cell["metadata"].get("tags", []):
            shown = cell["metadata"].get("mystnb", {})
            assert len(shown.get("image", {}).get("alt", "")) > 30, f"cell {place} draws without an alt text"
            assert shown.get("figure", {}).get("caption"), f"cell {place} draws without a caption"


@pytest.mark.parametrize("path", [*LESSONS, *PAGES], ids=lambda path: str(path.relative_to(ROOT)))
def test_images_have_a_text(path):
    assert not re.findall(r"!\[\s*\]\([^)]*\)", text(path))
    assert not [image for image in re.findall(r"<img [^>]*>", text(path)) if not re.search(r'alt="[^"]{10,}', image)]


@pytest.mark.parametrize("path", [*LESSONS, *PAGES], ids=lambda path: str(path.relative_to(ROOT)))
def test_headings_go_down_one_step_at_a_time(path):
    levels = [len(marks) for marks in re.findall(r"^(#+) ", without_code(text(path)), re.MULTILINE)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(below - above <= 1 for above, below in itertools.pairwise(levels))


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_a_picture_comes_before_the_first_equation(path):
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        outputs = [output.get("data", {}) for output in cell.get("outputs", [])]
        if any("image/png" in data or "<img " in "".join(data.get("text/html", "")) for data in outputs):
            break
        assert cell["cell_type"] == "code" or "$$" not in "".join(cell["source"])


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_what_is_not_compared_asserts_something_and_is_not_quoted(path):
    for place, cell in enumerate(json.loads(path.read_text(encoding="utf-8"))["cells"]):
        if "nbval-ignore-output" in cell["metadata"].get("tags", []):
            source = "".join(cell["source"])
            only_draws = [set(output.get("data", {})) for output in cell["outputs"]] == [{"image/png", "text/plain"}]
            assert "glue(" not in source, f"cell {place}: the text quotes a figure that nothing compares"
            assert "assert" in source or only_draws, f"cell {place}: nothing is compared and nothing asserted"


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_a_lesson_has_all_its_parts(path):
    lesson = text(path)
    opening = lesson.split("\n## ")[0]
    for part in ("**You will learn**", "**You need**", "**It takes**"):
        assert part in opening, part
    assert re.search(r"\b[Gg]uess", lesson), "nothing is guessed before it is shown"
    assert "inspect.getsource(" in path.read_text(encoding="utf-8"), "no source of the package is shown"
    parts = {name: body for name, _, body in (part.partition("\n") for part in lesson.split("\n## ")[1:])}
    exercises, questions = parts["Exercises"], parts["Check yourself"]
    assert 2 <= exercises.count("{admonition} Solution") == len(re.findall(r"^\*\*\d\.\*\*", exercises, re.MULTILINE))
    assert 3 <= questions.count("{admonition} Answer") <= 5
    assert len(re.findall(r"\S+", parts["Take away"])) > 30
    assert re.search(r"\*\*(Next|Read next|To read)", lesson) or path == LESSONS[-1], "what to read next"


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_a_lesson_is_short_enough_to_read(path):
    words = lines = 0
    for place, cell in enumerate(json.loads(path.read_text(encoding="utf-8"))["cells"]):
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown" and re.search(r"^## Exercises$", source, re.MULTILINE):
            break
        if cell["cell_type"] == "markdown":
            words += len(source.split())
        elif not {"remove-cell", "remove-input", "hide-input"} & set(cell["metadata"].get("tags", [])):
            shown = [line for line in source.splitlines() if line.strip()]
            lines += len(shown)
            assert len(shown) <= 20, f"cell {place} shows {len(shown)} lines"
            assert max(map(len, shown)) <= 79, f"cell {place} is wider than 79 columns"
            assert "glue(" not in source, f"cell {place}: glue belongs into the hidden cell at the end"
    assert words <= 2000 and lines <= 120, f"{words} words and {lines} lines of code before the exercises"


def test_a_colour_has_one_meaning():
    """Figures take their colours by role from ``tinykd.plots``; black, white and shades of grey carry no meaning."""
    drawn = [*(ROOT / "notebooks" / "figures").glob("*.py"), *LESSONS]
    odd = re.compile(r"""\"#(?!(\w\w)\1\1\\?")[0-9a-fA-F]{6}\\?"|["']C\d["']|["']tab:""")
    assert not [path.name for path in drawn if odd.search(path.read_text(encoding="utf-8"))]
