"""The figures of lesson 13: how sure the student is, and what became of each message."""

import numpy as np
from matplotlib.figure import Figure
from tinykd.plots import COLOURS

#: what becomes of a message: its name in the record, and how it is drawn: light blue helped, yellow waits, pink is wrong
OUTCOMES = {
    "right intent": (COLOURS["more"], ""),
    "right article": (COLOURS["more"], "//"),
    "person": (COLOURS["O"], ""),
    "asked for words": (COLOURS["O"], "xx"),
    "other article": (COLOURS["other"], "//"),
    "wrong intent": (COLOURS["other"], ""),
}


def confidences(known, unknown, threshold: float) -> Figure:
    """Draw how sure the student is of messages in scope and out of scope, and the threshold between them."""
    figure = Figure(figsize=(7.2, 2.8), layout="constrained")
    axes = figure.subplots()
    edges = np.linspace(0, 1, 21)
    kinds = (
        (known, "in scope", COLOURS["more"], ""),
        (unknown, "out of scope", COLOURS["other"], "//"),
    )
    for values, label, colour, hatch in kinds:
        weights = np.full(len(values), 1 / len(values))
        look = {
            "color": colour,
            "hatch": hatch,
            "edgecolor": "white",
            "alpha": 0.65,
            "label": label,
        }
        axes.hist(values, edges, weights=weights, **look)
    axes.axvline(
        threshold,
        color="black",
        linestyle="--",
        linewidth=1.2,
        label="threshold",
    )
    axes.set(
        xlabel="the student's probability of its best intent",
        ylabel="share of the messages",
    )
    axes.legend(frameon=False, fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def outcomes(shares: dict[str, dict[str, float]]) -> Figure:
    """Draw a bar per kind of message, divided by what became of it."""
    figure = Figure(figsize=(8.4, 2.9), layout="constrained")
    axes = figure.subplots()
    kinds, left = list(shares), np.zeros(len(shares))
    for outcome, (colour, hatch) in OUTCOMES.items():
        widths = np.array([shares[kind][outcome] for kind in kinds])
        axes.barh(
            kinds,
            widths,
            left=left,
            color=colour,
            hatch=hatch,
            edgecolor="white",
            label=outcome,
        )
        left += widths
    axes.set_xlim(0, 1)
    axes.invert_yaxis()
    axes.set_xlabel("share of the test messages of each kind")
    axes.legend(
        frameon=False,
        fontsize=9,
        ncols=3,
        loc="lower center",
        bbox_to_anchor=(0.5, 1.0),
    )
    axes.spines[["top", "right"]].set_visible(False)
    return figure
