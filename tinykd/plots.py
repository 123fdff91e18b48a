"""The figures of the lessons: one palette, readable in grey and by colour-blind eyes, no library beside matplotlib."""

from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

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
        look = {"color": [COLOURS[name] for name in heights], "hatch": [HATCHES[name] for name in heights]}
        bars = axes.bar(list(heights), list(heights.values()), edgecolor="white", **look)
        axes.bar_label(bars, [form.format(height) for height in heights.values()], padding=3)
        axes.set_title(title, fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_ylim(0, 1.18 * max(heights.values()))
    return figure


def save(figure: Figure, path: Path) -> None:
    """Write ``figure`` to ``path`` in the format of its ending; a PNG, SVG or PDF gets no date."""
    undated = {".png": {"Software": None}, ".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
    with matplotlib.rc_context({"savefig.dpi": 150, "svg.hashsalt": "tinykd"}):
        figure.savefig(path, metadata=undated.get(Path(path).suffix.lower()))
