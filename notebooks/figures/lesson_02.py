"""The figures of lesson 02."""

import math

import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from tinykd import losses
from tinykd.plots import COLOURS
from torch import Tensor


def temperatures(
    logits: Tensor, classes: list[str], at: tuple[float, ...]
) -> Figure:
    """Draw one prediction at several temperatures: the odds as title, the probabilities as bars."""
    figure = Figure(figsize=(8.4, 2.6), layout="constrained")
    for axes, T in zip(
        figure.subplots(1, len(at), sharey=True), at, strict=True
    ):
        p, odds = (logits / T).softmax(-1), (logits / T).exp()
        bars = axes.bar(classes, p, color=COLOURS["teacher"])
        _ = axes.bar_label(bars, [f"{x:.2f}" for x in p], fontsize=9)
        axes.set_title(
            f"T = {T}\n" + " : ".join(f"{x:.3g}" for x in odds), fontsize=10
        )
        axes.set_ylim(0, 0.95)
        axes.tick_params(axis="x", labelsize=9, rotation=25)
        axes.spines[["top", "right"]].set_visible(False)
    figure.axes[0].set_ylabel("probability")
    return figure


def t_squared(student: Tensor, teacher: Tensor) -> Figure:
    """Draw the norm of the gradient of KL, and of T² times KL, against the temperature."""
    scale = torch.logspace(0, 1.8, 60, dtype=torch.float64)
    norms = [
        _slope(
            lambda s, T=T: losses.kl_divergence(s, teacher, T), student
        ).norm()
        for T in scale.tolist()
    ]
    plain = torch.stack(norms)
    figure = Figure(figsize=(6.4, 3.2), layout="constrained")
    axes = figure.subplots()
    _ = axes.loglog(scale, scale**2 * plain, color="black", linewidth=2)
    _ = axes.loglog(
        scale, plain, color=COLOURS["other"], linewidth=2, linestyle="--"
    )
    _ = axes.loglog(
        scale,
        plain[-1] * (scale[-1] / scale) ** 2,
        color="black",
        linewidth=1.3,
        linestyle=":",
    )
    _ = axes.text(9, 0.9, r"$T^2\,$KL", fontsize=11)
    _ = axes.text(3.1, 0.018, "KL", color=COLOURS["other"], fontsize=11)
    _ = axes.text(11, 0.012, r"dotted: $\propto 1/T^2$", fontsize=10)
    _ = axes.set_xticks(
        [1, 2, 4, 8, 16, 32, 64], ["1", "2", "4", "8", "16", "32", "64"]
    )
    _ = axes.set_xticks([], minor=True)
    axes.set(
        ylim=(1e-4, 3), xlabel="temperature T", ylabel="norm of the gradient"
    )
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def pulls(
    student: Tensor,
    teacher: Tensor,
    label: int,
    classes: list[str],
    alphas: tuple[float, ...],
    T: float = 1.0,
) -> Figure:
    """Draw, a panel per alpha, how label and teacher pull on each logit of the student: minus the gradient."""
    hard = _slope(
        lambda s: F.cross_entropy(s[None], torch.tensor([label])), student
    )
    soft = _slope(
        lambda s: T**2 * losses.kl_divergence(s, teacher, T), student
    )
    places, several = torch.arange(len(classes)), len(alphas) > 1
    figure = Figure(
        figsize=(8.4 if several else 4.8, 3.0), layout="constrained"
    )
    panels = figure.subplots(1, len(alphas), sharey=True, squeeze=False)[0]
    for axes, alpha in zip(panels, alphas, strict=True):
        of_label, of_teacher = -alpha * hard, -(1 - alpha) * soft
        look = {"color": COLOURS["other"], "hatch": "//", "edgecolor": "white"}
        _ = axes.bar(places - 0.2, of_label, 0.4, label="label", **look)
        _ = axes.bar(
            places + 0.2,
            of_teacher,
            0.4,
            color=COLOURS["teacher"],
            label="teacher",
        )
        _ = axes.scatter(
            places,
            of_label + of_teacher,
            color="black",
            zorder=3,
            s=22,
            label="both together",
        )
        axes.axhline(0, color="black", linewidth=0.8)
        axes.set_title(
            rf"$\alpha$ = {alpha:g}" + ("" if several else f", T = {T:g}"),
            fontsize=10,
        )
        _ = axes.set_xticks(places, classes, fontsize=9, rotation=25)
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("pull on the logit")
    if not several:
        panels[0].set_ylim(-0.5, 0.5)  # stays, while a dial is turned
    handles = panels[0].get_legend_handles_labels()
    _ = figure.legend(
        *handles,
        loc="outside lower center",
        ncols=3,
        frameon=False,
        fontsize=9,
    )
    return figure


def zoo(record: dict) -> Figure:
    """Draw how strongly the teacher's term of each library pulls, relative to tinykd's, at four temperatures."""
    results, sizes = record["results"], {"1": 80, "2": 50, "4": 28, "8": 12}
    names = sorted(
        set(record["sources"]) - {"ours"},
        key=lambda name: results["tagging"][name]["8"]["kd_factor"],
    )
    figure = Figure(figsize=(8.4, 3.6), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True, sharex=True)
    for axes, setting in zip(
        panels, ("classification", "tagging"), strict=True
    ):
        for place, name in enumerate(names):
            factors = {
                T: results[setting][name][T]["kd_factor"] for T in sizes
            }
            agrees = all(
                math.isclose(x, 1, rel_tol=1e-6) for x in factors.values()
            )
            colour = "black" if agrees else COLOURS["other"]
            _ = axes.plot(
                list(factors.values()),
                [place] * 4,
                color=colour,
                linewidth=1,
                zorder=2,
            )
            for T, x in factors.items():
                if T == "1" or not math.isclose(
                    x, factors["1"], rel_tol=1e-6
                ):  # dots that coincide are drawn once
                    _ = axes.scatter(
                        x, place, s=sizes[T], color=colour, zorder=3
                    )
            text = "1" if agrees else f"{factors['8']:.3g}"
            _ = axes.text(
                factors["8"], place + 0.24, text, fontsize=9, ha="center"
            )
        axes.axvline(1, color="black", linewidth=0.8, linestyle=":")
        axes.set(xscale="log", xlim=(3e-4, 60), ylim=(-0.6, len(names) - 0.2))
        axes.set_title(
            f"{setting}, logits {tuple(record['batch'][setting]['shape'])}",
            fontsize=10,
        )
        axes.set_xlabel("gradient of the teacher's term, tinykd = 1")
        axes.spines[["top", "right"]].set_visible(False)
    _ = panels[0].set_yticks(
        range(len(names)),
        [record["sources"][name]["title"] for name in names],
        fontsize=9,
    )
    handles = [
        panels[0].scatter([], [], s=size, color="black", label=f"T = {T}")
        for T, size in sizes.items()
    ]
    _ = panels[0].legend(
        handles=handles, frameon=False, fontsize=9, loc="upper left"
    )
    return figure


def _slope(loss, student: Tensor) -> Tensor:
    leaf = student.clone().requires_grad_()
    return torch.autograd.grad(loss(leaf), leaf)[0]
