"""The figures of the lessons: one palette, readable in grey and by colour-blind eyes, no library beside matplotlib."""

from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

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
    """Write ``figure`` to ``path``, with no display needed and no date inside."""
    with matplotlib.rc_context({"savefig.dpi": 150}):
        figure.savefig(path, metadata={"Software": None})


def comparison(scores: dict[str, dict[str, tuple[float, float]]], floors: dict[str, float] | None = None) -> Figure:
    """Draw one panel a score, all on one scale from 0 to 1: a bar a model, its spread, a dotted line for the floor.

    Args:
        scores: score name → model name → (mean, spread); a spread of 0 draws no whisker.
        floors: score name → what a model that has learnt nothing reaches.
    """
    figure = Figure(figsize=(8.4, 3.2), layout="constrained")
    for axes, (title, rows) in zip(figure.subplots(1, len(scores), sharey=True), scores.items(), strict=True):
        means, spreads = zip(*rows.values(), strict=True)
        colours = [COLOURS.get(name, COLOURS["other"]) for name in rows]
        hatches = [HATCHES.get(name, "xx") for name in rows]
        whiskers = spreads if any(spreads) else None
        bars = axes.bar(list(rows), means, yerr=whiskers, capsize=3, color=colours, hatch=hatches, edgecolor="white")
        axes.bar_label(bars, [f"{mean:.3f}" for mean in means], padding=3)
        if floors and title in floors:
            axes.axhline(floors[title], color="black", linestyle=":", linewidth=1.2)
        axes.set_title(title, fontsize=10)
        axes.set_ylim(0, 1.12)
        axes.spines[["top", "right"]].set_visible(False)
    return figure
