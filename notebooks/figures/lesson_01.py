"""The figures of lesson 01."""

from matplotlib.figure import Figure
from tinykd.plots import COLOURS
from torch import Tensor


def word(sharp: Tensor, soft: Tensor, tags: list[str], label: str) -> Figure:
    """Draw the teacher's probability of every tag for one word, at two temperatures, and the label."""
    figure = Figure(figsize=(7.2, 2.8), layout="constrained")
    axes = figure.subplots()
    places = range(len(tags))
    _ = axes.bar(
        [k - 0.2 for k in places],
        sharp,
        0.4,
        color=COLOURS["teacher"],
        label="teacher, T = 1",
    )
    look = {"color": "white", "edgecolor": COLOURS["teacher"], "hatch": "//"}
    _ = axes.bar(
        [k + 0.2 for k in places], soft, 0.4, label="teacher, T = 2", **look
    )
    _ = axes.scatter(
        [tags.index(label)],
        [1.03],
        marker="v",
        color="black",
        label="the label",
        zorder=3,
    )
    _ = axes.set_xticks(places, tags, fontsize=9)
    axes.set(ylim=(0, 1.15), ylabel="probability")
    _ = axes.legend(frameon=False, fontsize=9, loc="upper left")
    axes.spines[["top", "right"]].set_visible(False)
    return figure
