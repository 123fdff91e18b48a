"""The figures of lesson 06."""

import statistics

from matplotlib.figure import Figure
from tinykd.plots import COLOURS


def methods(
    f1: dict[str, dict[str, list[float]]],
    teacher: float,
    titles: dict[str, str],
) -> Figure:
    """Draw a panel per student: the share of the teacher's F1 that each method keeps, mean and spread of the seeds."""
    figure = Figure(figsize=(8.4, 3.2), layout="constrained")
    panels = figure.subplots(1, len(f1), sharey=True)
    for axes, (student, rows) in zip(panels, f1.items(), strict=True):
        for place, (method, values) in enumerate(rows.items()):
            role = "twin" if method == "labels only" else "student"
            mean, spread = (
                100 * f(values) / teacher
                for f in (statistics.mean, statistics.stdev)
            )
            _ = axes.errorbar(
                mean,
                place,
                xerr=spread,
                fmt="o",
                color=COLOURS[role],
                capsize=4,
                markersize=7,
            )
        _ = axes.set_yticks(range(len(rows)), rows, fontsize=10)
        axes.set_title(f"{student}: {titles[student]}", fontsize=11)
        axes.set_xlabel("share of the teacher's F1, %")
        axes.set_xlim(75, 100)
        axes.grid(axis="x", color="lightgrey", linewidth=0.8)
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].invert_yaxis()
    return figure
