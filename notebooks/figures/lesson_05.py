"""The figures of lesson 05."""

import math
from collections.abc import Callable

import torch
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from tinykd.plots import COLOURS
from torch import Tensor

#: a colour and a line for each way to compare attention
LOSSES = {
    "MSE of scores": ("black", "-"),
    "KL of probabilities": (COLOURS["more"], "-."),
    "MSE of probabilities": (COLOURS["other"], "--"),
}


def towers(layer_map: list[int], depth: int) -> Figure:
    """Draw teacher and student as towers of layers, and join what a loss can compare."""
    figure = Figure(figsize=(8.4, 4.0), layout="constrained")
    axes = figure.subplots()
    rows = {
        "teacher": list(range(depth + 2)),
        "student": [0, *(layer + 1 for layer in layer_map), depth + 1],
    }
    for left, (role, places) in zip((0.4, 6.4), rows.items(), strict=True):
        names = [
            "embeddings",
            *(f"layer {n}" for n in range(1, len(places) - 1)),
            "predictions",
        ]
        for row, name in zip(places, names, strict=True):
            look = {
                "boxstyle": "round,pad=0.04",
                "facecolor": COLOURS[role],
                "edgecolor": "none",
            }
            _ = axes.add_patch(FancyBboxPatch((left, row), 2.2, 0.62, **look))
            _ = axes.text(
                left + 1.1,
                row + 0.31,
                name,
                ha="center",
                va="center",
                color="white",
                fontsize=10,
            )
        _ = axes.text(left + 1.1, depth + 2.05, role, ha="center", fontsize=11)
    said = dict.fromkeys(rows["student"][1:-2], "hidden states, attention")
    said |= {
        0: "embeddings",
        rows["student"][-2]: "hidden states, attention, relations",
        depth + 1: "predictions",
    }
    for row, text in said.items():
        _ = axes.plot(
            [2.7, 6.3], [row + 0.31] * 2, ":", color="black", linewidth=1.4
        )
        _ = axes.text(4.5, row + 0.42, text, ha="center", fontsize=9.5)
    axes.set(xlim=(0, 9), ylim=(-0.3, depth + 2.6))
    axes.set_axis_off()
    return figure


def head(words: list[str], probabilities: Tensor) -> Figure:
    """Draw one attention head of the teacher: a row per word, which sums to 1."""
    figure = Figure(figsize=(5.2, 4.4), layout="constrained")
    axes = figure.subplots()
    picture = axes.imshow(probabilities, cmap="Greys", vmin=0, vmax=1)
    _ = axes.set_xticks(range(len(words)), words, rotation=90, fontsize=9)
    _ = axes.set_yticks(range(len(words)), words, fontsize=9)
    axes.set(xlabel="is attended to", ylabel="attends")
    _ = figure.colorbar(picture, ax=axes, shrink=0.8, label="probability")
    return figure


def gradients(of: Callable[[Tensor, Tensor], dict[str, Tensor]]) -> Figure:
    """Draw the gradients of three losses: for random scores by the sentence's length; by how right the student is."""
    generator = torch.Generator().manual_seed(0)
    lengths, norms = [2, 4, 8, 16, 32, 64, 128], []
    for n in lengths:
        pulls = of(
            *torch.randn(2, 400, n, generator=generator, dtype=torch.float64)
            / 2
        )
        norms.append(
            {
                name: pull.norm(dim=-1).mean().item()
                for name, pull in pulls.items()
            }
        )
    preference = torch.linspace(
        -8, 8, 161, dtype=torch.float64
    )  # of two words, for the right one
    student = torch.stack([preference / 2, -preference / 2], -1)
    towards = of(
        student,
        torch.tensor([3, 1 / 3], dtype=torch.float64).log().expand_as(student),
    )

    figure = Figure(figsize=(8.4, 3.3), layout="constrained")
    left, right = figure.subplots(1, 2)
    for name, (colour, line) in LOSSES.items():
        look = {
            "color": colour,
            "marker": "o",
            "markersize": 3.5,
            "label": name,
        }
        _ = left.loglog(
            lengths, [by_name[name] for by_name in norms], line, **look
        )
        _ = right.plot(preference, towards[name][:, 0], line, color=colour)
    _ = left.set_xticks(lengths, [str(n) for n in lengths])
    _ = left.set_xticks([], minor=True)
    left.set(
        xlabel="words in the sentence", ylabel="norm of the gradient, per row"
    )
    _ = left.legend(frameon=False, fontsize=9)
    _ = right.axhline(0, color="black", linewidth=0.8)
    _ = right.axvline(math.log(9), color="black", linewidth=0.8, linestyle=":")
    _ = right.text(2.5, 2.15, "the teacher's", fontsize=9)
    right.set(
        ylim=(-2.5, 2.5),
        xlabel="score of the right word − score of the wrong one",
    )
    right.set_ylabel("gradient towards the right word")
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    return figure
