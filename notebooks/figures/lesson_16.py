"""The figures of lesson 16."""

from collections.abc import Callable, Sequence
from operator import truediv
from statistics import median

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from tinykd.plots import COLOURS


def stages(first: dict[str, list]) -> Figure:
    """Draw the four stages of fresh processes on one axis of seconds, and the most memory that each has held."""
    looks = {
        "Python": {"color": COLOURS["O"], "hatch": ".."},
        "libraries": {"color": COLOURS["other"]},
        "model": {"color": COLOURS["more"], "hatch": "//"},
        "first prediction": {"color": "black"},
    }
    figure = Figure(figsize=(8.4, 2.4), layout="constrained")
    axes = figure.subplots()
    for place, reached in enumerate(first.values()):
        left = 0.0
        for (stage, look), (until, _) in zip(
            looks.items(), reached, strict=True
        ):
            label = stage if place == 0 else None
            axes.barh(
                place,
                until - left,
                left=left,
                edgecolor="white",
                label=label,
                **look,
            )
            left = until
        share = (left - reached[-2][0]) / left
        axes.text(
            left,
            place,
            f"  {share:.1%} prediction\n  {reached[-1][1]:.0f} MB",
            va="center",
            fontsize=9,
        )
    axes.set_yticks(range(len(first)), list(first), fontsize=10)
    axes.set_xlim(0, 1.22 * max(reached[-1][0] for reached in first.values()))
    axes.set_xlabel("seconds since the process was started")
    axes.legend(
        frameon=False,
        fontsize=9,
        ncols=4,
        loc="lower center",
        bbox_to_anchor=(0.45, 1.0),
    )
    axes.invert_yaxis()
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def lengths(
    tokens: Sequence[int], timed: dict[str, list[float]], macs: Sequence[int]
) -> Figure:
    """Draw the milliseconds of one text against its length; dotted, in proportion to the multiplications."""
    figure = Figure(figsize=(6.4, 3.4), layout="constrained")
    axes = figure.subplots()
    for (name, times), line in zip(timed.items(), ("o-", "s--"), strict=True):
        axes.loglog(
            tokens,
            times,
            line,
            color=COLOURS["student"],
            label=f"student, {name}",
        )
        even = [median(map(truediv, times, macs)) * count for count in macs]
        label = (
            None if line == "o-" else "in proportion to the multiplications"
        )
        axes.loglog(tokens, even, ":", color="black", label=label)
    _of_lengths(axes, tokens, "milliseconds per text")
    return figure


def phones(
    tokens: Sequence[int],
    assumed: dict[str, tuple],
    estimate: Callable,
    timed: list[float],
) -> Figure:
    """Draw the estimates of a slow, a middle and a fast phone as a band, and what this machine took."""
    figure = Figure(figsize=(6.4, 3.4), layout="constrained")
    axes = figure.subplots()
    slow, middle, fast = (
        [estimate(n, *phone) for n in tokens] for phone in assumed.values()
    )
    axes.fill_between(
        tokens,
        fast,
        slow,
        color=COLOURS["more"],
        alpha=0.3,
        label="phones, estimated",
    )
    axes.loglog(
        tokens,
        middle,
        "--",
        color="black",
        linewidth=1.2,
        label="the middle one",
    )
    axes.loglog(
        tokens,
        timed,
        "s",
        color=COLOURS["student"],
        label="this machine, measured",
    )
    _of_lengths(axes, tokens, "milliseconds, one core, int8")
    return figure


def _of_lengths(axes: Axes, tokens: Sequence[int], label: str) -> None:
    axes.set_xticks(tokens, tokens)
    axes.minorticks_off()
    axes.set(xlabel="subword tokens", ylabel=label)
    axes.legend(frameon=False, fontsize=9, loc="upper left")
    axes.spines[["top", "right"]].set_visible(False)
