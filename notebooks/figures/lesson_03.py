"""The figures of lesson 03."""

from matplotlib.figure import Figure
from tinykd.plots import COLOURS


def maps(depth: int, choices: dict[str, list[int]]) -> Figure:
    """Draw layer maps, a panel each: the teacher's layers on the left, joined with the student's on the right."""
    figure = Figure(
        figsize=(2.1 * max(len(choices), 2), 2.9), layout="constrained"
    )
    for axes, (title, chosen) in zip(
        figure.subplots(1, len(choices), squeeze=False)[0],
        choices.items(),
        strict=True,
    ):
        heights = [
            (row + 0.5) * depth / len(chosen) - 0.5
            for row in range(len(chosen))
        ]
        for height, layer in zip(heights, chosen, strict=True):
            axes.plot(
                [0.1, 0.9], [layer, height], color="black", linewidth=1.3
            )
        for role, column, rows in (
            ("teacher", 0, range(depth)),
            ("student", 1, heights),
        ):
            marker = "o" if role == "teacher" else "s"
            axes.plot(
                [column] * len(rows),
                rows,
                marker,
                markersize=15,
                color=COLOURS[role],
            )
            for number, row in enumerate(rows):
                text = {
                    "color": "white",
                    "ha": "center",
                    "va": "center",
                    "fontsize": 9,
                }
                _ = axes.text(column, row, str(number), **text)
            _ = axes.text(column, -1.3, role, ha="center", fontsize=9.5)
        axes.set_title(title, fontsize=11)
        axes.set(xlim=(-0.45, 1.45), ylim=(-1.6, depth - 0.4))
        axes.set_axis_off()
    return figure


def costs(
    parameters: dict[str, tuple[int, int]], operations: dict[str, int]
) -> Figure:
    """Draw size and time of the models: parameters, (embeddings, the rest), and multiplications of a sentence."""
    figure = Figure(figsize=(8.4, 2.5), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    for place, (name, (embeddings, rest)) in enumerate(parameters.items()):
        colour = COLOURS["teacher" if name == "teacher" else "student"]
        look = {"color": "white", "edgecolor": colour, "hatch": "//"}
        _ = left.barh(
            place,
            embeddings / 1e6,
            label="embeddings" if not place else None,
            **look,
        )
        _ = left.barh(
            place,
            rest / 1e6,
            left=embeddings / 1e6,
            color=colour,
            label="layers" if not place else None,
        )
        _ = left.text(
            (embeddings + rest) / 1e6 + 0.3,
            place,
            f"{(embeddings + rest) / 1e6:.1f}",
            va="center",
            fontsize=9,
        )
        _ = right.barh(place, operations[name] / 1e6, color=colour)
        _ = right.text(
            operations[name] / 1e6 + 4,
            place,
            f"{operations[name] / 1e6:.0f}",
            va="center",
            fontsize=9,
        )
    _ = left.set_yticks(range(len(parameters)), parameters, fontsize=10)
    left.invert_yaxis()
    left.set(xlabel="million parameters (hatched: embeddings)", xlim=(0, 26))
    right.set(
        xlabel="million multiplications per sentence",
        xlim=(0, 1.15 * max(operations.values()) / 1e6),
    )
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def kept(points: dict[str, tuple[float, float, float]]) -> Figure:
    """Draw what students keep against what they cost: name → (multiplications, share of F1, its spread)."""
    figure = Figure(figsize=(6.4, 3.3), layout="constrained")
    axes = figure.subplots()
    _ = axes.plot(100, 100, "s", color=COLOURS["teacher"], markersize=8)
    _ = axes.text(98, 100, "teacher", ha="right", va="center", fontsize=10)
    for name, (cost, share, spread) in points.items():
        cut = name.startswith("cut")
        look = {"color": COLOURS["student"], "capsize": 4, "markersize": 8}
        place = 100 * cost, 100 * share
        _ = axes.errorbar(
            *place, 100 * spread, fmt="o" if cut else "^", **look
        )
        text = name if cut else f"{name}, random weights"
        _ = axes.text(place[0] + 2, place[1], text, va="center", fontsize=10)
    axes.set(
        xlim=(25, 105),
        ylim=(72, 102),
        xlabel="multiplications, % of the teacher's",
    )
    axes.set_ylabel("entity F1, % of the teacher's")
    axes.grid(color="#dddddd", linewidth=0.8)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def readers(words: list[str], tokens: dict[str, list[list[str]]]) -> Figure:
    """Draw a sentence as two tokenizers read it; the first token of each word is filled."""
    figure = Figure(figsize=(8.4, 2.2), layout="constrained")
    axes = figure.subplots()
    for height, role, rows in zip(
        (2, 0), ("teacher", "student"), tokens.values(), strict=True
    ):
        start = 0.0
        for word, parts in zip(words, rows, strict=True):
            width = (len(word) + 0.6) / len(parts)
            for place, part in enumerate(parts):
                fill, ink = (
                    (COLOURS[role], "white")
                    if place == 0
                    else ("white", "black")
                )
                look = {
                    "height": 0.7,
                    "color": fill,
                    "edgecolor": COLOURS[role],
                }
                _ = axes.barh(
                    height, 0.94 * width, left=start + place * width, **look
                )
                middle = start + (place + 0.47) * width
                _ = axes.text(
                    middle,
                    height,
                    part,
                    ha="center",
                    va="center",
                    fontsize=9,
                    color=ink,
                )
            _ = axes.text(
                start + (len(word) + 0.6) / 2,
                1,
                word,
                ha="center",
                va="center",
                fontsize=10,
            )
            start += len(word) + 1.1
    _ = axes.set_yticks(
        [0, 1, 2], [list(tokens)[1], "words", next(iter(tokens))], fontsize=10
    )
    axes.set_xticks([])
    axes.spines[:].set_visible(False)
    return figure
