"""The figures of lesson 09: marks on a ruler, what each bit is worth, and what the student makes of it."""

from itertools import pairwise

import torch
from matplotlib.figure import Figure
from tinykd.plots import COLOURS
from tinykd.quantization import fake_quantize, scale_and_zero_point


def rulers(numbers: torch.Tensor, bits: int) -> Figure:
    """Draw the numbers above a symmetric and an asymmetric ruler, an arrow from each to its mark."""
    figure = Figure(figsize=(8.4, 2.4), layout="constrained")
    axes = figure.subplots()
    names = ("symmetric", "asymmetric")
    for height, (name, colour) in enumerate(
        zip(names, ("other", "more"), strict=True)
    ):
        symmetric = name == "symmetric"
        scale, zero = (
            float(x)
            for x in scale_and_zero_point(numbers, bits, symmetric=symmetric)
        )
        top = 2 ** (bits - 1) - 1
        integers = range(-top, top + 1) if symmetric else range(2**bits)
        marks = [scale * (q - zero) for q in integers]
        axes.plot(
            marks,
            [height] * len(marks),
            "|-",
            color=COLOURS[colour],
            markersize=18,
            markeredgewidth=2,
        )
        for mark, q in zip(marks, integers, strict=True):
            axes.text(
                mark, height - 0.22, q, ha="center", va="top", fontsize=9
            )
        axes.plot(
            numbers.tolist(),
            [height + 0.45] * len(numbers),
            "o",
            color="black",
            markersize=5,
        )
        rounded = fake_quantize(numbers, bits, symmetric=symmetric).tolist()
        for x, y in zip(numbers.tolist(), rounded, strict=True):
            arrow = {"arrowstyle": "->", "linewidth": 0.8}
            axes.annotate(
                "", (y, height + 0.06), (x, height + 0.41), arrowprops=arrow
            )
    axes.axvline(0, color="black", linestyle=":", linewidth=1)
    axes.set_yticks([0, 1], names)
    axes.set_ylim(-0.55, 1.65)
    axes.set_xlabel("value (the integers stand below the marks)")
    axes.spines[["top", "right", "left"]].set_visible(False)
    return figure


def errors(matrices: dict[str, torch.Tensor]) -> Figure:
    """Draw the root mean square error against the bits, one scale against a scale per row, a panel per matrix."""
    figure = Figure(figsize=(8.4, 3.1), layout="constrained")
    for axes, (title, matrix) in zip(
        figure.subplots(1, len(matrices), sharey=True),
        matrices.items(),
        strict=True,
    ):
        bits = range(2, 11)
        for label, dim, line, colour in (
            ("one scale", None, "s-", "black"),
            ("a scale per row", 0, "o--", "other"),
        ):
            off = [
                (fake_quantize(matrix, b, channel_dim=dim) - matrix)
                .square()
                .mean()
                .sqrt()
                .item()
                for b in bits
            ]
            assert all(a > b for a, b in pairwise(off[1:]))
            axes.semilogy(
                bits, off, line, color=COLOURS.get(colour, colour), label=label
            )
        axes.set_title(title, fontsize=10)
        axes.set_xlabel("bits")
        axes.spines[["top", "right"]].set_visible(False)
    figure.axes[0].set_ylabel("root mean square error")
    figure.axes[0].legend(frameon=False, fontsize=9, loc="lower left")
    return figure


def bits_against_f1(exact: float, rounded: dict[int, float]) -> Figure:
    """Draw the student's entity F1 against the bits of its weights; the dashed line is float32."""
    figure = Figure(figsize=(6.4, 3.0), layout="constrained")
    axes = figure.subplots()
    axes.axhline(
        exact,
        color=COLOURS["student"],
        linestyle="--",
        linewidth=1.2,
        label="32 bits",
    )
    axes.plot(
        list(rounded),
        list(rounded.values()),
        "o-",
        color=COLOURS["student"],
        label="rounded",
    )
    axes.set_xticks(list(rounded))
    axes.set(xlabel="bits per weight", ylabel="entity F1 on valid")
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, fontsize=9, loc="lower right")
    axes.spines[["top", "right"]].set_visible(False)
    return figure
