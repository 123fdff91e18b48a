"""The figures of lesson 04."""

from statistics import mean, stdev

from matplotlib.figure import Figure
from tinykd.plots import COLOURS

#: of the recorded students with few labels: what they are trained on, their colour and their marker
FEW = {
    "labels only": ("twin: the labels alone", "twin", "s"),
    "teacher on the labelled": (
        "student: and the teacher, on the same sentences",
        "student",
        "v",
    ),
    "teacher on all": (
        "student: and the teacher, on all sentences",
        "student",
        "o",
    ),
    "teacher": ("the teacher", "teacher", "D"),
}
#: of the three rules: colour and hatch
RULES = {
    "random": ("more", ".."),
    "stratified": ("O", ""),
    "uncertain": ("other", "//"),
}
#: of the recorded students on other sentences: what the figure calls them
WAYS = {
    "logits": "all sentences",
    "a quarter, random": "a quarter, random",
    "a quarter, stratified": "a quarter, stratified",
    "a quarter, uncertain": "a quarter, uncertain",
    "dynamic": "chosen anew as the student learns",
    "augmented": "all, and a renamed copy of each",
}
SHAPES = {
    "cut:3": ("three inherited layers", "o"),
    "cut:2": ("two inherited layers", "s"),
    "tinybert-4": ("TinyBERT's shape", "^"),
}


def few_labels(results: dict) -> Figure:
    """Draw the F1 of teacher, twin and two students against the share of labels, with the spread of three seeds."""
    figure = Figure(figsize=(7.6, 3.5), layout="constrained")
    axes = figure.subplots()
    shares = sorted({run["share"] for run in results.values()})
    for k, (name, (label, role, marker)) in enumerate(FEW.items()):
        f1 = [
            [
                run["scores"][name]["test"]
                for run in results.values()
                if run["share"] == share
            ]
            for share in shares
        ]
        look = {
            "color": COLOURS[role],
            "fmt": marker,
            "capsize": 3,
            "markersize": 8,
            "label": label,
        }
        if marker == "v":
            look |= {"markerfacecolor": "white"}
        places = [place + 0.12 * (k - 1.5) for place in range(len(shares))]
        _ = axes.errorbar(
            places,
            [mean(runs) for runs in f1],
            [stdev(runs) for runs in f1],
            **look,
        )
    _ = axes.set_xticks(
        range(len(shares)),
        [f"{share:.0%} of the labels".replace("%", " %") for share in shares],
    )
    axes.set(ylabel="entity F1 on test", ylim=(0.65, 0.83))
    _ = axes.legend(frameon=False, fontsize=9, loc="upper left")
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def chosen(
    names: dict[str, dict[str, int]], entropy: dict[str, float]
) -> Figure:
    """Draw what three rules choose: how many names of each type, and how unsure the teacher is."""
    figure = Figure(figsize=(8.4, 2.9), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[2, 1])
    for k, (rule, (colour, hatch)) in enumerate(RULES.items()):
        look = {
            "color": COLOURS[colour],
            "hatch": hatch,
            "edgecolor": "black",
            "linewidth": 0.6,
        }
        _ = left.bar(
            [place + 0.27 * (k - 1) for place in range(4)],
            names[rule].values(),
            0.27,
            label=rule,
            **look,
        )
        _ = right.bar([rule], [entropy[rule]], **look)
    _ = left.set_xticks(range(4), names["random"])
    left.set_ylabel("names in 100 sentences")
    right.set_ylabel("entropy, nats per word")
    _ = left.legend(frameon=False, fontsize=9)
    _ = right.tick_params(axis="x", labelsize=9)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def sentences(shares: dict[tuple[str, str], list[float]]) -> Figure:
    """Draw what share of the teacher's F1 students of three shapes keep, by the sentences that they are trained on."""
    figure = Figure(figsize=(8.4, 3.4), layout="constrained")
    axes = figure.subplots()
    for k, (shape, (label, marker)) in enumerate(SHAPES.items()):
        runs = [shares[shape, way] for way in WAYS]
        places = [-place - 0.18 * (k - 1) for place in range(len(WAYS))]
        look = {
            "color": COLOURS["student"],
            "fmt": marker,
            "capsize": 3,
            "markersize": 7,
            "label": label,
        }
        look["markerfacecolor"] = (COLOURS["student"], "white", "white")[k]
        _ = axes.errorbar(
            [mean(of) for of in runs],
            places,
            xerr=[stdev(of) for of in runs],
            **look,
        )
    _ = axes.set_yticks(
        [-place for place in range(len(WAYS))], WAYS.values(), fontsize=10
    )
    axes.set_xlabel("share of the teacher's F1 on test, per cent")
    _ = axes.legend(
        frameon=False, fontsize=9, loc="lower left", bbox_to_anchor=(0, 0.02)
    )
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="x", linewidth=0.4)
    return figure
