"""The figures of lesson 15."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from tinykd.plots import COLOURS

HIGH = 0.42  #: of a box


def towers() -> Figure:
    """Draw what a cross-encoder reads, and what two towers read."""
    figure = Figure(figsize=(8.4, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    _box(left, 0.27, 0, 0.46, "candidate:\nits first 40 words")
    _box(left, 0.77, 0, 0.46, "up to six liked items:\n12 words each")
    _box(left, 0.5, 1, 0.62, "cross-encoder, six layers", "teacher")
    _box(left, 0.5, 2, 0.3, "score")
    _arrow(left, (0.27, 0), (0.4, 1))
    _arrow(left, (0.77, 0), (0.6, 1))
    _arrow(left, (0.5, 1), (0.5, 2))
    for x, text in ((0.14, "liked"), (0.46, "liked"), (0.86, "candidate")):
        _box(right, x, 0, 0.26, f"{text}:\nwhole text")
        _box(right, x, 1, 0.26, "three layers", "student")
        _arrow(right, (x, 0), (x, 1))
    _box(right, 0.3, 2, 0.26, "mean")
    _box(right, 0.86, 2, 0.26, "cosine = score")
    _arrow(right, (0.14, 1), (0.25, 2))
    _arrow(right, (0.46, 1), (0.35, 2))
    _arrow(right, (0.86, 1), (0.86, 2))
    right.annotate(
        "",
        (0.73, 2),
        (0.43, 2),
        arrowprops={"arrowstyle": "->", "shrinkA": 0, "shrinkB": 0},
    )
    for axes, title in (
        (left, "teacher: reads every pair"),
        (right, "student: reads every text once"),
    ):
        axes.set_title(title, fontsize=10)
        axes.set(xlim=(0, 1.02), ylim=(-0.3, 2.3))
        axes.axis("off")
    return figure


def shelves(joined: dict[str, dict]) -> Figure:
    """Draw NDCG@10 with its interval per method, on warm and cold items; a dotted line is chance."""
    methods = {
        **dict.fromkeys(
            ("popularity", "item-kNN", "BPR"), ("black", "s", "counts likes")
        ),
        **dict.fromkeys(
            ("categories + ranker", "MiniLM, cosine"),
            (COLOURS["other"], "D", "reads, no student"),
        ),
        **dict.fromkeys(
            ("student, cosine", "student + ranker"),
            (COLOURS["student"], "o", "the student reads"),
        ),
    }
    figure = Figure(figsize=(8.4, 5.2), layout="constrained")
    panels = figure.subplots(2, 2, sharey=True)
    for row, (corpus, found) in zip(panels, joined.items(), strict=True):
        for axes, shelf in zip(row, ("warm", "cold"), strict=True):
            scores = {
                name: found[shelf]["methods"][name]["ndcg"]
                for name in ("chance", *methods)
            }
            axes.axvline(
                scores["chance"][0],
                color="black",
                linestyle=":",
                linewidth=1,
                label="chance",
            )
            for place, (name, (colour, marker, label)) in enumerate(
                methods.items()
            ):
                mean, low, high = scores[name]
                look = {
                    "fmt": marker,
                    "color": colour,
                    "capsize": 3,
                    "label": label,
                }
                axes.errorbar(
                    mean, place, xerr=[[mean - low], [high - mean]], **look
                )
            axes.set_yticks(range(len(methods)), list(methods), fontsize=9)
            axes.set_title(f"{corpus}: {shelf} items", fontsize=10)
            axes.locator_params(axis="x", nbins=5)
            axes.spines[["top", "right"]].set_visible(False)
    for axes in panels[1]:
        axes.set_xlabel("NDCG@10")
    panels[0][0].invert_yaxis()  # of all four, which share it
    handles, labels = panels[0][0].get_legend_handles_labels()
    once = dict(zip(labels, handles, strict=True))
    figure.legend(
        once.values(),
        once,
        loc="outside upper center",
        ncols=4,
        frameon=False,
        fontsize=9,
    )
    return figure


def _box(
    axes: Axes,
    x: float,
    row: float,
    width: float,
    text: str,
    role: str | None = None,
) -> None:
    place = (x - width / 2, row - HIGH / 2)
    look = {
        "boxstyle": "round,pad=0,rounding_size=0.03",
        "edgecolor": "black",
        "linewidth": 0.8,
    }
    fill = {"facecolor": f"{COLOURS[role]}55" if role else "white"}
    axes.add_patch(FancyBboxPatch(place, width, HIGH, **look, **fill))
    axes.text(x, row, text, ha="center", va="center", fontsize=9)


def _arrow(
    axes: Axes, start: tuple[float, float], end: tuple[float, float]
) -> None:
    """From the upper edge of the box in one row to the lower edge of the box in the next."""
    tip, foot = (end[0], end[1] - HIGH / 2), (start[0], start[1] + HIGH / 2)
    axes.annotate(
        "",
        tip,
        foot,
        arrowprops={"arrowstyle": "->", "shrinkA": 0, "shrinkB": 0},
    )
