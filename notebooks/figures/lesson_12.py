"""The figures of lesson 12."""

from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from tinykd.plots import COLOURS
from torch import Tensor

WIDTH = 384  #: of the teacher's vectors


def matrix(rank: int) -> Figure:
    """Draw one square matrix and what each method trains beside it, to scale; a vector is drawn as a thin line."""
    shapes = {
        "fine-tuning": {"W": (0, 0, WIDTH, WIDTH), "b": (400, 0, 1, WIDTH)},
        f"LoRA, rank {rank}": {
            "B": (400, 0, rank, WIDTH),
            "A": (0, -16 - rank, WIDTH, rank),
        },
        "IA³": {"l": (400, 0, 1, WIDTH)},
        "BitFit": {"b": (400, 0, 1, WIDTH)},
    }
    figure = Figure(figsize=(8.4, 2.8), layout="constrained")
    for axes, (name, trained) in zip(
        figure.subplots(1, 4), shapes.items(), strict=True
    ):
        axes.add_patch(
            Rectangle(
                (0, 0),
                WIDTH,
                WIDTH,
                facecolor="white",
                edgecolor="black",
                hatch="..",
                linewidth=0.8,
            )
        )
        for label, (x, y, w, h) in trained.items():
            axes.add_patch(
                Rectangle(
                    (x, y), max(w, 4), h, color=COLOURS["other"], linewidth=0
                )
            )
            corner = (
                (WIDTH / 2, WIDTH / 2)
                if label == "W"
                else (x + max(w, 4) + 6, y + h / 2)
            )
            axes.text(*corner, label, fontsize=10, va="center")
        size = sum(w * h for _, _, w, h in trained.values())
        axes.set_title(f"{name}\n{size:,} numbers", fontsize=10)
        axes.set(xlim=(-4, 440 + rank), ylim=(-22 - rank, 388), aspect="equal")
        axes.axis("off")
    return figure


def shares(runs: dict) -> Figure:
    """Draw entity F1 against the share of the model that was trained: mean and spread over the seeds."""
    figure = Figure(figsize=(7.2, 3.0), layout="constrained")
    axes = figure.subplots()
    looks = {
        "fine-tuning": ("s", COLOURS["teacher"]),
        "head only": ("v", "black"),
    }
    names = {"lora": "LoRA", "ia3": "IA³", "bitfit": "BitFit"}
    for way, (share, f1, spread) in runs.items():
        marker, colour = looks.get(way, ("o", COLOURS["other"]))
        axes.errorbar(
            100 * share,
            f1,
            spread,
            fmt=marker,
            markersize=8,
            color=colour,
            capsize=4,
        )
        place = {
            "xytext": (0, 12),
            "textcoords": "offset points",
            "ha": "center",
            "fontsize": 10,
        }
        axes.annotate(names.get(way, way), (100 * share, f1), **place)
    axes.set_xscale("log")
    axes.set_xticks(
        [0.01, 0.1, 1, 10, 100], ["0.01 %", "0.1 %", "1 %", "10 %", "100 %"]
    )
    axes.set(xlim=(0.006, 250), ylim=(0.45, 0.85))
    axes.set(
        xlabel="share of the model that is trained", ylabel="entity F1 on test"
    )
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def spectrum(tuning: Tensor, noise: Tensor) -> Figure:
    """Draw the share of a change that its best approximation of each rank keeps."""
    figure = Figure(figsize=(7.2, 3.0), layout="constrained")
    axes = figure.subplots()
    ranks = range(1, len(tuning) + 1)
    axes.plot(
        ranks,
        tuning,
        color=COLOURS["teacher"],
        linewidth=2,
        label="change by fine-tuning",
    )
    axes.plot(
        ranks, noise, ":", color="black", linewidth=2, label="random matrix"
    )
    axes.axvline(8, color="black", linewidth=0.8)
    axes.set_xscale("log")
    axes.set_xticks(
        [1, 2, 4, 8, 16, 32, 64, 128, 384],
        ["1", "2", "4", "8", "16", "32", "64", "128", "384"],
    )
    axes.set_xticks([], minor=True)
    axes.set(
        ylim=(0, 1.05), xlabel="rank r", ylabel="share of the change kept"
    )
    axes.legend(frameon=False, fontsize=10, loc="upper left")
    axes.spines[["top", "right"]].set_visible(False)
    return figure
