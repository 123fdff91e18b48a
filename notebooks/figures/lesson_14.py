"""The figures of lesson 14."""

from collections.abc import Sequence
from datetime import timedelta
from statistics import mean

from matplotlib.figure import Figure
from tinykd.plots import COLOURS

from scenarios.finance import Crisis, Item, Opinion


def stream(
    items: Sequence[Item],
    opinions: Sequence[Opinion],
    crises: Sequence[Crisis],
) -> Figure:
    """Draw a mark for each negative text, a row per company and time from left to right; yellow are the crises."""
    names = sorted({item.entity for item in items})
    start = items[0].time.replace(hour=0, minute=0)
    figure = Figure(figsize=(8.4, 3.6), layout="constrained")
    axes = figure.subplots()
    for crisis in crises:
        first, last = (
            (time - start) / timedelta(days=1)
            for time in (crisis.first, crisis.last)
        )
        axes.barh(
            names.index(crisis.entity),
            last - first,
            left=first,
            height=0.9,
            color=COLOURS["O"],
        )
    for market, marker, colour in (
        (False, "o", COLOURS["other"]),
        (True, "x", "black"),
    ):
        shown = [
            ((item.time - start) / timedelta(days=1), names.index(item.entity))
            for item, opinion in zip(items, opinions, strict=True)
            if opinion.sentiment == "negative"
            and (opinion.topic == "markets") == market
        ]
        label = (
            "negative, on markets" if market else "negative, on another topic"
        )
        axes.scatter(
            *zip(*shown, strict=True),
            marker=marker,
            s=18,
            color=colour,
            label=label,
        )
    axes.set_yticks(range(len(names)), names, fontsize=9)
    axes.set_xlabel("day")
    axes.legend(
        frameon=False,
        fontsize=9,
        loc="lower left",
        ncols=2,
        bbox_to_anchor=(0, 1.0),
    )
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def level(
    days: Sequence[float],
    levels: Sequence[float],
    drift: float,
    limit: float,
    crisis: float,
) -> Figure:
    """Draw the level of one chart: up with each text, down with time; dotted the limit, dashed the crisis's start."""
    times, heights, before = [days[0]], [0.0], 0.0
    for i, (day, after) in enumerate(zip(days, levels, strict=True)):
        if i:
            gone = min(day, days[i - 1] + before / drift)
            left = max(0.0, before - drift * (day - days[i - 1]))
            times += [gone, day]
            heights += [max(0.0, before - drift * (gone - days[i - 1])), left]
        times.append(day)
        heights.append(after)
        before = after
    figure = Figure(figsize=(8.4, 2.8), layout="constrained")
    axes = figure.subplots()
    axes.plot(
        [*times, days[-1] + before / drift],
        [*heights, 0],
        color=COLOURS["other"],
        label="level",
    )
    axes.axhline(
        limit, color="black", linestyle=":", label=f"limit {limit:.2f}"
    )
    axes.axvline(
        crisis,
        color="black",
        linestyle="--",
        linewidth=1,
        label="the crisis begins",
    )
    if above := [
        (day, after)
        for day, after in zip(days, levels, strict=True)
        if after >= limit
    ]:
        axes.plot(
            *above[0],
            "v",
            color="black",
            markersize=9,
            label=f"alarm, day {above[0][0]:.0f}",
        )
    axes.set(xlabel="day", ylabel="sum of bad news")
    axes.set(xlim=(0, days[-1] + 7), ylim=(0, 1.1 * max(limit, *levels)))
    axes.legend(frameon=False, fontsize=9, loc="upper left")
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def limits(runs: Sequence[dict]) -> Figure:
    """Draw what both charts find, and how late, for six numbers of allowed false alarms: means of recorded runs."""
    figure = Figure(figsize=(8.4, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    for name, line, colour in (
        ("cusum", "o-", COLOURS["other"]),
        ("threshold", "s--", COLOURS["more"]),
    ):
        played = {
            float(key): [run["played"][name][key] for run in runs]
            for key in runs[0]["played"][name]
        }
        found = {
            allowed: mean(run["found"] for run in of)
            for allowed, of in sorted(played.items())
        }
        heard = {
            allowed: mean(
                run["median_delay_hours"] for run in of if run["found"]
            )
            for allowed, of in sorted(played.items())
            if any(run["found"] for run in of)
        }
        for axes, values in ((left, found), (right, heard)):
            axes.semilogx(
                list(values),
                list(values.values()),
                line,
                color=colour,
                label=name,
            )
    left.set(ylabel="share of the crises found", ylim=(-0.05, 1.08))
    right.set(ylabel="hours until the alert, median")
    right.set_ylim(bottom=0)
    left.legend(frameon=False, fontsize=9, loc="center right")
    for axes in (left, right):
        axes.set_xlabel("false alarms allowed per month")
        axes.set_xticks(list(found), [f"{allowed:g}" for allowed in found])
        axes.minorticks_off()
        axes.spines[["top", "right"]].set_visible(False)
    return figure
