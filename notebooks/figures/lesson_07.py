"""The figures of lesson 07."""

import statistics
from collections.abc import Iterable

from matplotlib.figure import Figure
from tinykd.plots import COLOURS


def support(words: dict[str, int]) -> Figure:
    """Draw how many words of a split have each tag, as one divided bar."""
    figure = Figure(figsize=(7.2, 1.7), layout="constrained")
    axes, left, total = figure.subplots(), 0, sum(words.values())
    for place, (tag, count) in enumerate(
        sorted(words.items(), key=lambda item: item[0] != "O")
    ):
        colour = (
            COLOURS["O"]
            if tag == "O"
            else COLOURS["other" if place % 2 else "more"]
        )
        axes.barh(0, count, left=left, color=colour, edgecolor="white")
        if tag == "O":
            axes.text(
                count / 2,
                0,
                f"O: {100 * count / total:.1f} %",
                ha="center",
                va="center",
                fontsize=11,
            )
        left += count
    axes.text(
        (words["O"] + total) / 2,
        0.5,
        "tags of names",
        ha="center",
        fontsize=10,
    )
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.set(
        yticks=[],
        ylim=(-0.45, 0.75),
        xlabel="words of CoNLL-2003 test, by their tag",
    )
    axes.spines[["top", "right", "left"]].set_visible(False)
    return figure


def two_scores(runs: list[dict], nothing: float, article: float) -> Figure:
    """Draw two scores of each model, mean and spread over the runs, beside those of predicting ``O`` for every word."""
    figure = Figure(figsize=(7.2, 2.9), layout="constrained")
    axes = figure.subplots()
    models = ("teacher", "student", "twin", "baseline")
    for score, marker, filled in (
        ("entity_f1", "o", True),
        ("token_accuracy", "D", False),
    ):
        for place, model in enumerate(models):
            values, colour = (
                [run[model][score] for run in runs],
                COLOURS.get(model, "black"),
            )
            look = {
                "color": colour,
                "markerfacecolor": colour if filled else "white",
                "markersize": 9,
                "capsize": 4,
            }
            mean = statistics.mean(values)
            axes.errorbar(
                mean, place, xerr=statistics.stdev(values), fmt=marker, **look
            )
            box = {"facecolor": "white", "edgecolor": "none", "pad": 1}
            axes.annotate(
                f"{mean:.3f}",
                (mean, place - 0.3),
                ha="center",
                fontsize=10,
                bbox=box,
            )
    for x, text in (
        (nothing, "◇ O for every word"),
        (article, "◇ the article’s “F1”"),
    ):
        axes.axvline(x, color="black", linestyle=":", linewidth=1.2, zorder=0)
        axes.annotate(
            text,
            (x, -0.8),
            ha="center",
            va="bottom",
            fontsize=9,
            annotation_clip=False,
        )
    axes.set_yticks(range(len(models)), models)
    axes.set(
        xlim=(0.8, 1),
        ylim=(3.5, -0.7),
        xlabel="score on CoNLL-2003 test:  ● entity F1   ◇ token accuracy",
    )
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def fates(shares: dict[str, dict[str, float]], kinds: Iterable[str]) -> Figure:
    """Draw, for each model, the share of the gold names with each kind of error, as one divided bar."""
    figure = Figure(figsize=(7.2, 2.3), layout="constrained")
    axes = figure.subplots()
    looks = {
        "wrong type": ("other", ""),
        "wrong border": ("more", "//"),
        "missed": ("O", ".."),
    }
    lefts = dict.fromkeys(shares, 0.0)
    for kind in kinds:
        colour, hatch = looks[kind]
        widths = [100 * of_model[kind] for of_model in shares.values()]
        look = {
            "color": COLOURS[colour],
            "hatch": hatch,
            "edgecolor": "white",
            "label": kind,
        }
        bars = axes.barh(
            list(shares), widths, left=list(lefts.values()), **look
        )
        axes.bar_label(
            bars,
            [f"{width:.0f}" for width in widths],
            label_type="center",
            fontsize=10,
        )
        lefts = {
            name: left + width
            for (name, left), width in zip(lefts.items(), widths, strict=True)
        }
    axes.invert_yaxis()
    axes.set_xlabel("names of the test split, in %")
    figure.legend(
        loc="outside upper center", ncols=3, frameon=False, fontsize=10
    )
    axes.spines[["top", "right"]].set_visible(False)
    return figure
