"""The figures of lesson 11: what a cascade gains, and whether a confidence can be trusted."""

import numpy as np
from matplotlib.figure import Figure
from tinykd.fusion import Curve, Point
from tinykd.plots import COLOURS

GOAL = "budget 0.325"  #: the threshold that the star marks, chosen on valid
FEW = 20  #: a bin with fewer words is not drawn
WORDS = 46_435  #: of the test split


def gain(runs: list[dict]) -> Figure:
    """Draw the share of the teacher's F1 that a cascade keeps against its cost: the seeds' mean and range."""
    figure = Figure(figsize=(7.2, 3.7), layout="constrained")
    axes = figure.subplots()
    student, teacher = (
        [run["members"][who] for run in runs] for who in ("student", "teacher")
    )
    whole = np.array([one["test"] for one in teacher])
    share = np.mean([one["cost"] for one in student])
    alone = 100 * np.array([one["test"] for one in student]) / whole
    costs = np.linspace(share, 1 + share, 200)
    found = [run["cascade"]["product"]["curve"] for run in runs]
    kept = (
        np.array(
            [
                100 * np.interp(costs, one["costs"], one["scores"])
                for one in found
            ]
        )
        / whole[:, None]
    )
    axes.fill_between(
        costs,
        kept.min(0),
        kept.max(0),
        color=COLOURS["fusion"],
        alpha=0.2,
        linewidth=0,
    )
    axes.plot(
        costs,
        kept.mean(0),
        color=COLOURS["fusion"],
        label="cascade: the least sure first",
    )
    ends = [share, 1 + share], [alone.mean(), 100]
    axes.plot(
        *ends,
        ":",
        color="black",
        linewidth=1.4,
        label="sentences drawn at random",
    )
    look = {
        "markersize": 10,
        "linestyle": "none",
        "markeredgecolor": "white",
        "capsize": 3,
    }
    spread = alone.std(ddof=1)
    axes.errorbar(
        share,
        alone.mean(),
        spread,
        fmt="o",
        color=COLOURS["student"],
        label="student alone",
        **look,
    )
    axes.plot(
        1,
        100,
        "s",
        color=COLOURS["teacher"],
        label="teacher alone",
        markersize=9,
    )
    ends = [run["cascade"]["product"][GOAL]["test"] for run in runs]
    x = np.mean([end["cost"] for end in ends])
    y = np.mean(
        [100 * end["score"] / f1 for end, f1 in zip(ends, whole, strict=True)]
    )
    at_random = share + (y - alone.mean()) / (100 - alone.mean())
    arrow = {"arrowstyle": "->", "shrinkA": 8, "shrinkB": 1, "linewidth": 1.2}
    axes.annotate("", (at_random, y), (x, y), arrowprops=arrow)
    axes.text(
        (x + at_random) / 2 + 0.04,
        y - 0.08,
        "the same F1, at random",
        fontsize=9,
        ha="center",
        va="top",
    )
    axes.plot(
        x,
        y,
        "*",
        color="black",
        label="chosen on valid",
        markersize=14,
        markeredgecolor="white",
    )
    axes.set(
        xlabel="cost (1 = the teacher alone)",
        ylabel="kept of the teacher's F1, %",
    )
    axes.set_xlim(0, 1.15)
    axes.legend(frameon=False, fontsize=9, loc="lower right")
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def reliability(runs: list[dict]) -> Figure:
    """Draw how often words are right against how sure the model is, as trained and divided by T: the seeds' mean."""
    figure = Figure(figsize=(8.4, 3.4), layout="constrained")
    for axes, who in zip(
        figure.subplots(1, 2, sharey=True), ("student", "teacher"), strict=True
    ):
        axes.plot([0, 1], [0, 1], ":", color="black", linewidth=1.2)
        for when, label, face in (
            ("before", "as trained", "white"),
            ("after", "divided by T", COLOURS[who]),
        ):
            found = [run["members"][who][when]["bins"] for run in runs]
            share, sure, right = (
                np.array([one[key] for one in found], float)
                for key in ("share", "confidence", "accuracy")
            )
            full = (share * WORDS >= FEW).all(0)
            look = {
                "color": COLOURS[who],
                "markerfacecolor": face,
                "label": label,
            }
            line = "--o" if when == "before" else "-o"
            axes.plot(
                sure[:, full].mean(0), right[:, full].mean(0), line, **look
            )
        axes.set_xlabel(f"confidence of the {who}")
        axes.set(xlim=(0.25, 1.02), ylim=(0.25, 1.05))
        axes.legend(frameon=False, fontsize=9, loc="upper left")
        axes.spines[["top", "right"]].set_visible(False)
    figure.axes[0].set_ylabel("share of the words that are right")
    return figure


def cost_curve(curve: Curve, chosen: Point) -> Figure:
    """Draw a cascade's score against its cost, the point chosen, the two members alone.

    A faint dot is one threshold; the line joins the Pareto front. The dotted
    line is about what deferring sentences at random gives: it runs from the
    student to the teacher's predictions at the cost of both.
    """
    figure = Figure(figsize=(6.4, 4), layout="constrained")
    axes, colour, front = figure.subplots(), COLOURS["fusion"], curve.front
    axes.plot(
        curve.costs,
        curve.scores,
        ".",
        color=colour,
        alpha=0.25,
        markersize=4,
    )
    axes.step(
        curve.costs[front],
        curve.scores[front],
        where="post",
        color=colour,
        label="cascade",
    )
    student, both = curve[0], curve[-1]
    axes.plot(
        (student.cost, both.cost),
        (student.score, both.score),
        ":",
        color="black",
        linewidth=1.2,
        label="rows at random",
    )
    for point, mark, name, size in (
        (student, "o", "student", 9),
        (both._replace(cost=1), "s", "teacher", 9),
        (chosen, "*", "chosen", 15),
    ):
        axes.plot(
            point.cost,
            point.score,
            mark,
            color=COLOURS.get(name, "black"),
            label=name if name == "chosen" else f"{name} alone",
            markersize=size,
            linestyle="none",
            markeredgecolor="white",
        )
    axes.set(xlabel="cost (1 = the teacher alone)", ylabel="score")
    axes.set_xlim(left=0)
    axes.legend(frameon=False, fontsize=9, loc="lower right")
    axes.spines[["top", "right"]].set_visible(False)
    return figure
