"""The figures of the lessons: one palette, readable in grey and by colour-blind eyes, no library beside matplotlib."""

from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from tinykd.fusion import Curve, Point

#: Okabe and Ito's palette: one colour per role throughout the book, three more for all that has no role
COLOURS = {
    **{"teacher": "#0072B2", "student": "#D55E00", "twin": "#999999", "fusion": "#009E73"},
    **{"other": "#CC79A7", "more": "#56B4E9", "O": "#F0E442"},
}
HATCHES = {"teacher": "", "student": "//", "twin": ".."}


def scoreboard(report: dict) -> Figure:
    """Draw a run's report: the scores of its models, their bytes on disk, their milliseconds per sentence."""
    main = "entity_f1" if "entity_f1" in report["teacher"] else "accuracy"
    panels = [
        (main.replace("_", " ").replace("f1", "F1"), lambda s: s[main], "{:.3f}"),
        ("megabytes on disk", lambda s: s["size_bytes"] / 1e6, "{:.1f}"),
        ("milliseconds per sentence", lambda s: s["latency_ms"], "{:.1f}"),
    ]
    figure = Figure(figsize=(8.4, 2.9), layout="constrained")
    for axes, (title, value, form) in zip(figure.subplots(1, 3), panels, strict=True):
        heights = {name: value(report[name]) for name in ("teacher", "student", "twin")}
        _bars(axes, title, heights, form)
        axes.set_ylim(0, 1.18 * max(heights.values()))
    return figure


def cost_curve(curves: dict[str, "Curve"], chosen: "Point | None" = None) -> Figure:
    """Draw what cascades score against what they cost, and the two members alone.

    A faint dot is one threshold; the line joins the Pareto front. The dotted line is about what deferring sentences at
    random gives: it runs from the student to the teacher's predictions at the cost of both.

    Args:
        curves: name → :class:`tinykd.fusion.Curve`, all of the same two members.
        chosen: a point to mark with a star, as from :func:`tinykd.fusion.choose`.
    """
    figure = Figure(figsize=(6.4, 4), layout="constrained")
    axes = figure.subplots()
    colours, lines = [COLOURS[name] for name in ("fusion", "other", "more")], ("-", "--", "-.")
    for i, (name, curve) in enumerate(curves.items()):
        colour, front = colours[i % 3], curve.front
        axes.plot(curve.costs, curve.scores, ".", color=colour, alpha=0.25, markersize=4)
        axes.step(curve.costs[front], curve.scores[front], lines[i % 3], where="post", color=colour, label=name)
    ends = next(iter(curves.values()))
    student, both = ends[0], ends[-1]
    axes.plot(*zip(student[1:3], both[1:3], strict=True), ":", color="black", linewidth=1.2, label="rows at random")
    marks = {"markersize": 9, "linestyle": "none", "markeredgecolor": "white"}
    axes.plot(student.cost, student.score, "o", color=COLOURS["student"], label="student alone", **marks)
    axes.plot(1, both.score, "s", color=COLOURS["teacher"], label="teacher alone", **marks)
    if chosen:
        axes.plot(chosen.cost, chosen.score, "*", color="black", label="chosen", **marks | {"markersize": 15})
    axes.set(xlabel="cost (1 = the teacher alone)", ylabel="score")
    axes.set_xlim(left=0)
    axes.legend(frameon=False, fontsize=9, loc="lower right")
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def save(figure: Figure, path: Path) -> None:
    """Write ``figure`` to ``path`` in the format of its ending; a PNG, SVG or PDF gets no date."""
    undated = {".png": {"Software": None}, ".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
    with matplotlib.rc_context({"savefig.dpi": 150, "svg.hashsalt": "tinykd"}):
        figure.savefig(path, metadata=undated.get(Path(path).suffix.lower()))


def _bars(axes: Axes, title: str, heights: dict[str, float], form: str) -> None:
    look = {"color": [COLOURS[name] for name in heights], "hatch": [HATCHES[name] for name in heights]}
    bars = axes.bar(list(heights), list(heights.values()), edgecolor="white", **look)
    axes.bar_label(bars, [form.format(height) for height in heights.values()], padding=3)
    axes.set_title(title, fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
