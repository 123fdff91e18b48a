"""What invites: the first page's result and cards, the running figures of lessons 02, 03 and 11, what to try live."""

import io
import json
import re
import statistics
from base64 import b64decode
from functools import cache
from pathlib import Path

from . import reference
from .pages import slug
from .recorded import FACTS, RESULTS, ROOT, cascades

WIDTH = 360  #: pixels of a card's picture
#: running figure → what to do with it, and what stands for it where no script runs
FIGURES = {
    "temperature": (
        "Turn the temperature. Try also a teacher that is confident and wrong: odds of 1, 999 and 1.",
        "At T = 1 the teacher predicts person 64/81, place 16/81, no name 1/81. At T = 2 the odds become their "
        "square roots, 8 to 4 to 1. The order never changes; as T grows, all three go to a third.",
    ),
    "layers": (
        "Click a student layer and then a teacher layer to draw your own map, or choose *explicit* and use the lists.",
        "For a teacher of six layers and a student of three, the uniform map is 1, 3, 5; the first layers are 0, 1, 2; "
        "the last are 3, 4, 5.",
    ),
    "cost": (
        "Choose a deferral rate; the ring shows its cost and F1 on `test`. Each curve is one measure of confidence. "
        "(Choose a threshold of your own on `valid`.)",
        "The first figure of this section shows the same pair.",
    ),
}
#: lesson → what of it can be tried on another page
LIVE = {
    "01": "[type a sentence of your own](../book/preface.md), and compare teacher and student",
    "02": "{ref}`the soft labels of your own sentence <soft-labels>`",
    "04": "{ref}`what the teacher predicts for your own sentence <soft-labels>`",
    "06": "[filter all recorded results](../book/results.md)",
    "07": "{ref}`sentences on which the student errs <break-it>`",
    "08": "{ref}`the same student, pruned, in your browser <variants>`",
    "09": "{ref}`8 bits against 32 in your browser <variants>`",
    "10": "[the exported model at work in your browser](../book/microscope.md)",
    "11": "{ref}`which of your sentences go to the teacher <cascade>`",
    "16": "{ref}`the time on your own device <variants>`",
}
_MARKUP = re.compile(r"<!--.*?-->|\*\*|^#+ ", re.MULTILINE)


def result(*_: str) -> str:
    """Return the course in one sentence, with what the recorded builds of the microscope's models gave."""
    teacher, *_, smallest = json.loads(FACTS.read_text(encoding="utf-8"))["variants"]
    builds = json.loads((RESULTS / "microscope_builds.json").read_text(encoding="utf-8")).values()
    scores = [[build["variants"][one["key"]]["entity_f1"] for one in (teacher, smallest)] for build in builds]
    kept = statistics.mean(after / before for before, after in scores)
    lessons, large, small = len(reference.lessons()), 4 * teacher["parameters"] / 1e6, smallest["bytes"] / 1e6
    return (
        f"**{lessons} runnable lessons and a small package turn a tagger of {large:.0f} MB into one of {small:.0f} MB "
        f"that keeps {100 * kept:.0f} % of its F1 on news.** No graphics card; no network, once installed."
    )


def cards(*numbers: str) -> str:
    """Return a card for each lesson: number, title, first picture, what it teaches, how long it takes."""
    text = ["::::{grid} 1 2 2 2", ":gutter: 3", ""]
    for number in numbers:
        page = reference.lessons()[number]
        title, taught, takes = opening(page)
        text += [f":::{{grid-item-card}} {number} {title}", f":link: ../{page}", ":link-type: doc", ""]
        image = f'<div class="card-picture"><img src="../_static/cards/{number}.png" alt="" loading="lazy"></div>'
        text += ["```{raw} html", image, "```", "", f"{_sentence(taught.rstrip('.'))} *{takes}.*", ":::", ""]
    return "\n".join([*text, "::::"])


@cache
def opening(page: str) -> tuple[str, str, str]:
    """Return a lesson's title, what it teaches, and how long it takes to read, as its first cell says."""
    source = "".join(_cells(page)[0]["source"])
    title, taught, takes = (
        re.search(pattern, source, re.DOTALL)[1]
        for pattern in (r"# (.*?)\n", r"\*\*You will learn\*\* (.*?)\n\n", r"\*\*It takes\*\* (.*?) to read")
    )
    return title, " ".join(_MARKUP.sub("", taught).split()), f"{takes[0].upper()}{takes[1:]}"


def figure(name: str) -> str:
    """Return a running figure: it needs a script and no kernel."""
    todo, without = FIGURES[name]
    place = f'<div class="explore" id="explore-{name}"><p>Without a script: {without}</p></div>'
    lines = [todo, "", "```{raw} html", place]
    if name == "cost":
        data = json.dumps(cascades(), separators=(",", ":"))
        lines.append(f'<script type="application/json" id="cost-data">{data}</script>')
    lines += [f'<script src="../_static/explore/{script}.js"></script>' for script in ("draw", name)]
    return "\n".join([*lines, "```"])


def try_live(page: str) -> str:
    """Return the card of what a reader can try without a kernel: figures in the lesson, and another page."""
    number, heading, places = page.removeprefix("notebooks/")[:2], "", []
    for cell in _cells(page):
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            for line in source.splitlines():
                heading = line.lstrip("# ") if line.startswith("#") else heading
                if line.startswith("<!-- tinykd: figure"):
                    places.append(heading)
        elif "Dial(" in source:
            places.append(heading)
    told = [f"[{heading}](#{slug(heading)})" for heading in dict.fromkeys(places)]
    told = [f"a figure that runs in this page, under {' and '.join(told)}"] if told else []
    told += [LIVE[number]] if number in LIVE else []
    return "\n".join(["```{admonition} Try it live", ":class: tip", _sentence("; ".join(told)), "```"])


def _sentence(text: str) -> str:
    start = re.search(r"\w", text).start()
    return f"{text[:start]}{text[start].upper()}{text[start + 1 :]}."


def _cells(page: str) -> list[dict]:
    return json.loads((ROOT / f"{page}.ipynb").read_text(encoding="utf-8"))["cells"]


def pictures(app, error: Exception | None) -> None:
    """Write each lesson's first figure, small, beside the built pages."""
    from PIL import Image

    if error or app.builder.format != "html":
        return
    folder = Path(app.outdir) / "_static" / "cards"
    folder.mkdir(parents=True, exist_ok=True)
    for number, page in reference.lessons().items():
        outputs = (output.get("data", {}) for cell in _cells(page) for output in cell.get("outputs", ()))
        png = next(data["image/png"] for data in outputs if "image/png" in data)
        picture = Image.open(io.BytesIO(b64decode(png)))
        picture.thumbnail((WIDTH, WIDTH))
        picture.convert("P", palette=Image.Palette.ADAPTIVE).save(folder / f"{number}.png", optimize=True)
