"""The figures of lesson 08: what the student would miss, and how it recovers."""

import numpy as np
from matplotlib.figure import Figure
from tinykd.plots import COLOURS

#: how each way of choosing is drawn: its name in the record, its label, colour, marker, and whether it is filled
WAYS = [
    ("distillation", "distillation", COLOURS["other"], "o", True),
    ("gradient", "gradient", COLOURS["more"], "s", True),
    ("magnitude", "magnitude", "black", "v", True),
    ("by lot", "at random", "black", "o", False),
]
SHARES = (0.25, 0.5, 0.75)


def heads(scores) -> Figure:
    """Draw the importance of each head, (layers, heads), as a square; × marks the less important half."""
    figure = Figure(figsize=(8.4, 2.6), layout="constrained")
    axes = figure.subplots()
    picture = axes.imshow(scores.log10(), cmap="cividis", aspect="auto")
    layers, count = scores.shape
    for place in scores.flatten().argsort()[: scores.numel() // 2].tolist():
        axes.text(
            place % count,
            place // count,
            "×",
            ha="center",
            va="center",
            color="white",
            fontsize=14,
        )
    axes.set_xticks(range(count), range(1, count + 1))
    axes.set_yticks(
        range(layers), [f"layer {n}" for n in range(1, layers + 1)]
    )
    axes.set_xlabel("head")
    bar = figure.colorbar(picture, ax=axes, ticks=[-4, -3, -2], shrink=0.9)
    bar.ax.set_yticklabels(["0.0001", "0.001", "0.01"])
    bar.set_label("nats per word")
    return figure


def orders(curves: dict[str, list[float]], shares: list[float]) -> Figure:
    """Draw entity F1 against the share of heads removed, a line per order of removal."""
    figure = Figure(figsize=(6.4, 3.2), layout="constrained")
    axes = figure.subplots()
    for (name, scores), (colour, line) in zip(
        curves.items(),
        [(COLOURS["other"], "o-"), ("black", "v:")],
        strict=True,
    ):
        axes.plot(shares, scores, line, color=colour, markersize=7, label=name)
    axes.set_xticks(shares, [f"{share:.0%}" for share in shares])
    axes.set(
        xlabel="heads removed, nothing trained again",
        ylabel="entity F1 on valid",
    )
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def measures(results: dict) -> Figure:
    """Draw what is left of F1 on CoNLL-2003 after each cut: a mark per measure with its spread, side by side."""
    runs = list(results.values())
    figure = Figure(figsize=(8.4, 3.3), layout="constrained")
    for axes, part in zip(
        figure.subplots(1, 2, sharey=True), ("heads", "neurons"), strict=True
    ):
        axes.axhline(
            np.mean([run["student"] for run in runs]),
            color=COLOURS["student"],
            linestyle="--",
            linewidth=1.2,
        )
        for place, (way, label, colour, marker, filled) in enumerate(WAYS):
            scores = np.array(
                [run["cut"][way][part] for run in runs]
            )  # (seeds, shares)
            across = np.arange(len(SHARES)) + 0.16 * (place - 1.5)
            look = {
                "color": colour,
                "markerfacecolor": colour if filled else "white",
                "markersize": 7,
                "capsize": 3,
            }
            axes.errorbar(
                across,
                scores.mean(0),
                scores.std(0, ddof=1),
                fmt=marker,
                label=label,
                **look,
            )
        axes.set_xticks(
            range(len(SHARES)), [f"{share:.0%}" for share in SHARES]
        )
        axes.set_xlabel(f"{part} removed, nothing trained again")
        axes.spines[["top", "right"]].set_visible(False)
    figure.axes[0].set_ylabel("entity F1 on test")
    figure.axes[0].text(
        1.5, 0.862, "the whole student", color=COLOURS["student"], fontsize=9
    )
    figure.axes[0].set_ylim(0.3, 0.92)
    figure.axes[1].legend(frameon=False, fontsize=9, loc="lower left")
    return figure


def recovery(results: dict) -> Figure:
    """Draw F1 on CoNLL-2003 after the cut and after one epoch of distillation, a row per measure, with spreads."""
    runs = list(results.values())
    figure = Figure(figsize=(8.4, 2.9), layout="constrained")
    axes = figure.subplots()
    rows = [
        ("nothing cut", "nothing removed"),
        *((way, label) for way, label, *_ in WAYS),
    ]
    colour = COLOURS["student"]
    for place, (way, _) in enumerate(rows):
        after = [run["again"][way] for run in runs]
        look = {"color": colour, "capsize": 3, "markersize": 8}
        if way != "nothing cut":
            before = [run["gap"][way] for run in runs]
            arrow = {
                "arrowstyle": "->",
                "shrinkA": 8,
                "shrinkB": 8,
                "linewidth": 1.2,
            }
            axes.annotate(
                "",
                (np.mean(after), place),
                (np.mean(before), place),
                arrowprops=arrow,
            )
            spread = np.std(before, ddof=1)
            axes.errorbar(
                np.mean(before),
                place,
                xerr=spread,
                fmt="o",
                markerfacecolor="white",
                **look,
            )
        axes.errorbar(
            np.mean(after), place, xerr=np.std(after, ddof=1), fmt="o", **look
        )
    axes.plot(
        [],
        [],
        "o",
        color=colour,
        markerfacecolor="white",
        label="after the cut",
    )
    axes.plot(
        [], [], "o", color=colour, label="after one epoch of distillation"
    )
    axes.set_yticks(range(len(rows)), [label for _, label in rows])
    axes.set_ylim(len(rows) - 0.6, -0.4)
    axes.set_xlabel("entity F1 on test")
    axes.legend(
        frameon=False, fontsize=9, loc="lower left", bbox_to_anchor=(0, 0.66)
    )
    axes.spines[["top", "right"]].set_visible(False)
    return figure
