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
        bars = axes.bar(names, heights, color=[COLOURS[n] for n in names], hatch=[HATCHES[n] for n in names], edgecolor="white")
        axes.bar_label(bars, [digits.format(h) for h in heights], padding=2)
        axes.set_title(title, fontsize=10)
        axes.set_ylim(0, 1.18 * max(heights))
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def save(figure: Figure, path: Path) -> None:
    """Write ``figure`` to ``path``, with no display needed and no date inside."""
    with matplotlib.rc_context({"savefig.dpi": 150}):
        figure.savefig(path, metadata={"Software": None})
