"""The figure of lesson 10: what each step from the teacher to the last student is worth."""

import numpy as np
from matplotlib.figure import Figure
from tinykd.plots import COLOURS

#: what the record calls a variant, its label, its role, and its hatch: none in torch, one per precision in ONNX Runtime
VARIANTS = [
    ("teacher", "teacher, torch", "teacher", ""),
    ("teacher, ONNX", "teacher, ONNX", "teacher", "//"),
    ("student", "student, torch", "student", ""),
    ("table cut", "embedding matrix cut, torch", "student", ""),
    ("heads and neurons cut", "heads and neurons cut, torch", "student", ""),
    ("ONNX, float32", "the same, ONNX", "student", "//"),
    ("ONNX, int8", "the same, ONNX, int8", "student", "xx"),
]


def variants(results: dict) -> Figure:
    """Draw size, latency and F1 of each variant, means over the seeds with their spread."""
    runs = [
        {row["name"]: row for row in run["variants"]}
        for run in results.values()
    ]
    figure = Figure(figsize=(9.2, 3.4), layout="constrained")
    panels = [
        ("megabytes on disk", "size_bytes", 1e6),
        ("milliseconds per sentence", "latency_ms", 1),
    ]
    *bars, dots = figure.subplots(1, 3, sharey=True, width_ratios=[1, 1, 0.9])
    for axes, (title, key, unit) in zip(bars, panels, strict=True):
        for place, (name, _, role, hatch) in enumerate(VARIANTS):
            values = np.array([run[name][key] for run in runs]) / unit
            axes.barh(
                place,
                values.mean(),
                color=COLOURS[role],
                hatch=hatch,
                edgecolor="white",
            )
            spread = values.std(ddof=1) if key == "latency_ms" else 0
            if spread:
                axes.errorbar(
                    values.mean(), place, xerr=spread, color="black", capsize=3
                )
            axes.text(
                values.mean() + spread,
                place,
                f"  {values.mean():.1f}",
                va="center",
                fontsize=9,
            )
        axes.set_xlabel(title)
        axes.margins(x=0.2)
    for place, (name, _, role, _) in enumerate(VARIANTS):
        values = np.array([run[name]["entity_f1"] for run in runs])
        dots.errorbar(
            values.mean(),
            place,
            xerr=values.std(ddof=1),
            fmt="o",
            color=COLOURS[role],
            capsize=3,
        )
    dots.set_xlabel("entity F1 on test")
    dots.set_xlim(0.83, 0.87)
    bars[0].set_yticks(
        range(len(VARIANTS)), [label for _, label, *_ in VARIANTS]
    )
    bars[0].invert_yaxis()
    for axes in figure.axes:
        axes.spines[["top", "right"]].set_visible(False)
    return figure
