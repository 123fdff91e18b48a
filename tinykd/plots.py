"""The figures of the lessons: one palette, readable in grey and by colour-blind eyes, no library beside matplotlib."""

from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from tinykd.fusion import Curve, Point

#: Okabe and Ito's palette, one colour a role throughout the book
COLOURS = {"teacher": "#0072B2", "student": "#D55E00", "baseline": "#999999", "O": "#F0E442", "other": "#009E73"}
HATCHES = {"teacher": "", "student": "//", "baseline": ".."}


def scoreboard(report: dict) -> Figure:
    """Draw a run's report: what the models score, what they weigh, how long a sentence takes."""
    main = "entity_f1" if "entity_f1" in report["teacher"] else "accuracy"
    panels = [
        (main.replace("_", " ").replace("f1", "F1"), lambda s: s[main], "{:.3f}"),
        ("megabytes on disk", lambda s: s["size_bytes"] / 1e6, "{:.1f}"),
        ("milliseconds a sentence", lambda s: s["latency_ms"], "{:.1f}"),
    ]
    names = ["teacher", "student", "baseline"]
    figure = Figure(figsize=(8.4, 2.9), layout="constrained")
    for axes, (title, value, digits) in zip(figure.subplots(1, 3), panels, strict=True):
        heights = [value(report[name]) for name in names]
        bars = axes.bar(
            names, heights, color=[COLOURS[n] for n in names], hatch=[HATCHES[n] for n in names], edgecolor="white"
        )
        axes.bar_label(bars, [digits.format(h) for h in heights], padding=2)
        axes.set_title(title, fontsize=10)
        axes.set_ylim(0, 1.18 * max(heights))
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def save(figure: Figure, path: Path) -> None:
    """Write ``figure`` to ``path``, as its ending says; no display needed, and no date in a PNG, SVG or PDF."""
    undated = {".png": {"Software": None}, ".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
    with matplotlib.rc_context({"savefig.dpi": 150, "svg.hashsalt": "tinykd"}):
        figure.savefig(path, metadata=undated.get(Path(path).suffix.lower()))


def comparison(scores: dict[str, dict[str, tuple[float, float]]], floors: dict[str, float] | None = None) -> Figure:
    """Draw one panel a score, all on one scale from 0 to 1: a bar a model, its spread, a dotted line for the floor.

    Args:
        scores: score name → model name → (mean, spread); a spread of 0 draws no whisker.
        floors: score name → what a model that has learnt nothing reaches.
    """
    figure = Figure(figsize=(8.4, 3.2), layout="constrained")
    panels = figure.subplots(1, len(scores), sharey=True, squeeze=False)[0]
    for axes, (title, rows) in zip(panels, scores.items(), strict=True):
        means, spreads = zip(*rows.values(), strict=True)
        colours = [COLOURS.get(name, COLOURS["other"]) for name in rows]
        hatches = [HATCHES.get(name, "xx") for name in rows]
        whiskers = [spread or float("nan") for spread in spreads] if any(spreads) else None
        bars = axes.bar(list(rows), means, yerr=whiskers, capsize=3, color=colours, hatch=hatches, edgecolor="white")
        axes.bar_label(bars, [f"{mean:.3f}" for mean in means], padding=3)
        if floors and title in floors:
            axes.axhline(floors[title], color="black", linestyle=":", linewidth=1.2)
        axes.set_title(title, fontsize=10)
        axes.set_ylim(0, 1.12)
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def cost_curve(curves: dict[str, "Curve"], chosen: "Point | None" = None) -> Figure:
    """Draw what cascades score against what they cost, with their Pareto fronts and the two members alone.

    A faint dot is one threshold; the line joins those that no other beats. The dotted line runs from the student to the
    teacher's answers at the cost of both: about what handing over sentences at random gives. The higher a curve rises
    above it, the better confidence tells which sentences need the teacher.

    Args:
        curves: name → :class:`tinykd.fusion.Curve`, all of the same two members.
        chosen: a point to mark with a star, as from :func:`tinykd.fusion.choose`.
    """
    figure = Figure(figsize=(6.4, 4), layout="constrained")
    axes = figure.subplots()
    colours, lines = (COLOURS["other"], "#CC79A7", "#56B4E9"), ("-", "--", "-.")
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
    axes.set_xlabel("cost (1 = the teacher alone)")
    axes.set_ylabel("score")
    axes.set_xlim(left=0)
    axes.legend(frameon=False, fontsize=9, loc="lower right")
    axes.spines[["top", "right"]].set_visible(False)
    return figure
