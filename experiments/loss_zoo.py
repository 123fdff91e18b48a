"""The loss zoo: "alpha 0.5, temperature 8" as written in six libraries and a tutorial, gradients side by side.

Each formula is written anew from a source that was read at the commit named beside it, not copied and not imported. All
get the same logits, once for classification (one label per text) and once for tagging (one label per word, the rest
padding), and what is compared is the gradient that reaches the student's logits. Runs in a second: ``python
experiments/loss_zoo.py``.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from tinykd import losses, recipes
from tinykd.artifacts import write_json
from tinykd.data import IGNORE

RESULTS = Path(__file__).resolve().parent / "results" / "loss_zoo.json"
SEED, ALPHA, CLASSES = 0, 0.5, 9
TEMPERATURES = (1, 2, 4, 8)
LENGTHS = (20, 17, 15, 12, 11, 9, 7, 5)  #: 96 words in 8 x 20 positions; 40 % are padding


class Batch(NamedTuple):
    """Logits (..., classes) of student and teacher, and labels (...), -100 at padding."""

    student: Tensor
    teacher: Tensor
    labels: Tensor


def classification(seed: int = SEED) -> Batch:
    """Eight texts with a label each: logits (8, 9)."""
    tagged = tagging(seed)
    return Batch(*(tensor[:, 0] for tensor in tagged))


def tagging(seed: int = SEED, lengths: tuple[int, ...] = LENGTHS, classes: int = CLASSES) -> Batch:
    """Eight sentences with one label per word, padded to the longest: logits (8, 20, 9)."""
    generator = torch.Generator().manual_seed(seed)
    shape = (len(lengths), max(lengths))
    student, teacher = (2 * torch.randn(*shape, classes, generator=generator, dtype=torch.float64) for _ in "st")
    labels = torch.randint(classes, shape, generator=generator)
    labels[torch.arange(max(lengths)) >= torch.tensor(lengths)[:, None]] = IGNORE
    return Batch(student, teacher, labels)


def textbrewer(student: Tensor, teacher: Tensor, labels: Tensor, temperature: float) -> Tensor:
    """Soft cross-entropy, a mean over the positions that the adaptor's mask keeps; no T².

    ``kd_ce_loss`` and ``select_logits_with_mask``, which leaves 2-D logits as they are. TextBrewer's own example for
    CoNLL-2003 masks by attention, so [CLS], [SEP] and later subword tokens count there, too; here every position that
    is no padding is a word.
    """
    if student.dim() == 3:
        student, teacher = student[labels != IGNORE], teacher[labels != IGNORE]
    return _soft_cross_entropy(student, teacher, temperature).mean()


def torchdistill(student: Tensor, teacher: Tensor, labels: Tensor, temperature: float) -> Tensor:
    """KL over *dimension 1*, its sum divided by the size of dimension 0, times T².

    ``KDLoss``, for 0 < alpha < 1. With ``alpha`` 0 or None, or without targets, the same class returns the divergence
    without T².
    """
    log_q, p = (student / temperature).log_softmax(1), (teacher / temperature).softmax(1)
    return F.kl_div(log_q, p, reduction="batchmean") * temperature**2


def torchdistill_flat(student: Tensor, teacher: Tensor, labels: Tensor, temperature: float) -> Tensor:
    """The same on rows of classes: its cross-entropy refuses (8, 20, 9), so they are flattened, padding and all."""
    return torchdistill(student.flatten(0, -2), teacher.flatten(0, -2), labels, temperature)


def tinybert(student: Tensor, teacher: Tensor, labels: Tensor, temperature: float) -> Tensor:
    """Soft cross-entropy *before* its sum over the classes, a mean over every number in the tensor; no T².

    ``soft_cross_entropy``, for sentence classification; the paper's temperature is 1.
    """
    return -((teacher / temperature).softmax(-1) * (student / temperature).log_softmax(-1)).mean()


def distilbert(student: Tensor, teacher: Tensor, labels: Tensor, temperature: float) -> Tensor:
    """KL of the positions that the mask keeps, "batchmean" over them, times T²: our convention.

    ``Distiller.step``; the mask is that of attention, or of the labels with ``restrict_ce_to_mask``.
    """
    student, teacher = student[labels != IGNORE], teacher[labels != IGNORE]
    log_q, p = (student / temperature).log_softmax(-1), (teacher / temperature).softmax(-1)
    return F.kl_div(log_q, p, reduction="batchmean") * temperature**2


def keras(student: Tensor, teacher: Tensor, labels: Tensor, temperature: float) -> Tensor:
    """KL, a mean over every position there is, times T².

    ``LogitsDistillation``; it sees no labels and no mask.
    """
    p, q = (teacher / temperature).softmax(-1), (student / temperature).softmax(-1)
    return (p * (p / q).log()).sum(-1).mean() * temperature**2


def trl(student: Tensor, teacher: Tensor, labels: Tensor, temperature: float) -> Tensor:
    """KL of the positions whose label is not -100, a mean over them; no T².

    ``generalized_jsd_loss`` with ``beta=0``. At this commit the trainer does not hand its temperature to it.
    """
    log_q, log_p = (student / temperature).log_softmax(-1), (teacher / temperature).log_softmax(-1)
    divergence = F.kl_div(log_q, log_p, log_target=True, reduction="none")[labels != IGNORE]
    return divergence.sum() / (labels != IGNORE).sum()


def pytorch_tutorial(student: Tensor, teacher: Tensor, labels: Tensor, temperature: float) -> Tensor:
    """Soft cross-entropy, summed over everything and divided by the size of dimension 0, times T².

    ``train_knowledge_distillation``, for pictures, (batch, classes). "batchmean" divides in the same way.
    """
    return _soft_cross_entropy(student, teacher, temperature).sum() / student.shape[0] * temperature**2


def labels_masked(student: Tensor, labels: Tensor) -> Tensor:
    """``nn.CrossEntropyLoss()`` on rows of classes: a mean over the labels that are not -100."""
    return F.cross_entropy(student.flatten(0, -2), labels.flatten(), ignore_index=IGNORE)


def labels_everywhere(student: Tensor, labels: Tensor) -> Tensor:
    """Keras' sparse categorical cross-entropy, a mean over every position; padding must then be a class, here 0."""
    return F.cross_entropy(student.flatten(0, -2), labels.clamp(min=0).flatten())


def _soft_cross_entropy(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    return -((teacher / temperature).softmax(-1) * (student / temperature).log_softmax(-1)).sum(-1)


@dataclass(frozen=True)
class Entry:
    """One way to write the loss: the term of the teacher, the term of the labels if there is one, and the source."""

    title: str
    soft: Callable[[Tensor, Tensor, Tensor, float], Tensor]
    hard: Callable[[Tensor, Tensor], Tensor] | None
    alpha: str  #: what the library's weight of that name weighs
    factor: str  #: gradient of ``soft`` over ours at a word that counts: n words in N positions, B rows, C classes
    repository: str = ""
    path: str = ""
    commit: str = ""
    symbol: str = ""

    def total(self, batch: Batch, alpha: float, temperature: float) -> Tensor:
        """The whole loss: ``alpha`` to the labels; where the source has no such term, the teacher's alone."""
        soft = self.soft(batch.student, batch.teacher, batch.labels, temperature)
        if self.hard is None:
            return soft
        return alpha * self.hard(batch.student, batch.labels) + (1 - alpha) * soft


ZOO = {
    "ours": Entry(
        title="Hinton et al. 2015; tinykd",
        soft=losses.soft_target_loss,
        hard=losses.cross_entropy,
        alpha="the labels",
        factor="1",
        path="tinykd/losses",
        symbol="soft_target_loss, kd_loss",
    ),
    "textbrewer": Entry(
        title="TextBrewer",
        soft=textbrewer,
        hard=labels_masked,
        alpha="two weights: kd_loss_weight 1, hard_label_weight 0",
        factor="1/T²",
        repository="airaria/TextBrewer",
        path="src/textbrewer/losses.py",
        commit="3496f3ec49e6eee6219f8a8d9db2b144fcedb361",
        symbol="kd_ce_loss",
    ),
    "torchdistill": Entry(
        title="torchdistill",
        soft=torchdistill_flat,
        hard=labels_masked,
        alpha="the labels",
        factor="n/N",
        repository="yoshitomo-matsubara/torchdistill",
        path="torchdistill/losses/mid_level.py",
        commit="01038e7a81b9920a861dd163114f9c70f43c20f5",
        symbol="KDLoss.forward",
    ),
    "tinybert": Entry(
        title="TinyBERT's scripts",
        soft=tinybert,
        hard=None,
        alpha="no labels in this stage",
        factor="n/(N·C·T²)",
        repository="huawei-noah/Pretrained-Language-Model",
        path="TinyBERT/task_distill.py",
        commit="008b180bfb25c73554ecd89563a8be829e5f4fa0",
        symbol="soft_cross_entropy",
    ),
    "distilbert": Entry(
        title="DistilBERT's scripts",
        soft=distilbert,
        hard=labels_masked,
        alpha="two weights: alpha_ce is the teacher's",
        factor="1",
        repository="huggingface/transformers",
        path="examples/research_projects/distillation/distiller.py",
        commit="1607444705841ea5084ea2c37b22950175c7c84a",
        symbol="Distiller.step",
    ),
    "keras": Entry(
        title="Keras",
        soft=keras,
        hard=labels_everywhere,
        alpha="student_loss_weight, the labels",
        factor="n/N",
        repository="keras-team/keras",
        path="keras/src/distillation/distillation_loss.py",
        commit="1298d1ff51f7cbf649733b0c225df99c5a73f469",
        symbol="LogitsDistillation.compute_loss",
    ),
    "trl": Entry(
        title="TRL, GKDTrainer",
        soft=trl,
        hard=None,
        alpha="no labels",
        factor="1/T²",
        repository="huggingface/trl",
        path="trl/trainer/gkd_trainer.py",
        commit="a9fa292c2d1df64c6f0189ebe32d37b46ce64438",
        symbol="GKDTrainer.generalized_jsd_loss",
    ),
    "pytorch_tutorial": Entry(
        title="PyTorch's tutorial",
        soft=pytorch_tutorial,
        hard=labels_masked,
        alpha="two weights: ce_loss_weight, soft_target_loss_weight",
        factor="n/B",
        repository="pytorch/tutorials",
        path="beginner_source/knowledge_distillation_tutorial.py",
        commit="035c541fa706ab2b1eca57e0625b5bbdca5e04cb",
        symbol="train_knowledge_distillation",
    ),
}


def gradient(loss: Callable[[Batch], Tensor], batch: Batch) -> Tensor:
    """The gradient of ``loss`` with respect to the student's logits."""
    student = batch.student.detach().clone().requires_grad_()
    return torch.autograd.grad(loss(batch._replace(student=student)), student)[0]


def compare(entry: Entry, batch: Batch, temperature: float, alpha: float = ALPHA) -> dict:
    """Measure one entry against ours.

    Returns:
        ``kd_norm`` and ``total_norm``, the norms of the gradient, and both ``_relative`` to ours; ``kd_factor``, the
        ratio at the words that count, and ``kd_cosine``, whether it points the same way there; ``kd_padding``, the
        norm's share that falls on padding; ``own_alpha``, the alpha that *our* loss needs for the same direction.
    """
    counted, ours = batch.labels != IGNORE, ZOO["ours"]
    soft = gradient(lambda b: entry.soft(b.student, b.teacher, b.labels, temperature), batch)
    soft_ours = gradient(lambda b: ours.soft(b.student, b.teacher, b.labels, temperature), batch)
    total, total_ours = (gradient(lambda b, e=e: e.total(b, alpha, temperature), batch) for e in (entry, ours))
    factor = soft[counted].norm() / soft_ours[counted].norm()
    cosine = F.cosine_similarity(soft[counted].flatten(), soft_ours[counted].flatten(), dim=0)
    weight = 0.0
    if entry.hard is not None:
        hard, hard_ours = (gradient(lambda b, e=e: e.hard(b.student, b.labels), batch) for e in (entry, ours))
        weight = alpha * hard[counted].norm() / hard_ours[counted].norm()
    values = {
        "kd_norm": soft.norm(),
        "kd_relative": soft.norm() / soft_ours.norm(),
        "kd_factor": factor,
        "kd_cosine": cosine,
        "kd_padding": soft[~counted].norm() / soft.norm(),
        "total_norm": total.norm(),
        "total_relative": total.norm() / total_ours.norm(),
        "own_alpha": weight / (weight + (1 - alpha) * factor),
    }
    return {name: float(f"{float(value):.10g}") for name, value in values.items()}


def wrong_axis(batch: Batch, temperature: float) -> dict:
    """What ``KDLoss`` computes on (batch, positions, classes) without targets: softmax over the *positions*, no T²."""
    entry = Entry("", lambda s, t, y, T: torchdistill(s, t, y, T) / T**2, None, "", "")
    return {key: compare(entry, batch, temperature)[key] for key in ("kd_relative", "kd_cosine")}


def run() -> dict:
    """Measure everything; the same numbers on every machine, to nine digits and more."""
    batches = {"classification": classification(), "tagging": tagging()}
    counted = {name: int((batch.labels != IGNORE).sum()) for name, batch in batches.items()}
    return {
        "seed": SEED,
        "alpha": ALPHA,
        "temperatures": list(TEMPERATURES),
        "batch": {
            name: {"shape": list(batch.student.shape), "positions": batch.labels.numel(), "counted": counted[name]}
            for name, batch in batches.items()
        },
        "sources": {
            name: {
                key: getattr(entry, key)
                for key in ("title", "repository", "path", "commit", "symbol", "alpha", "factor")
            }
            for name, entry in ZOO.items()
        },
        "results": {
            setting: {
                name: {str(temperature): compare(entry, batch, temperature) for temperature in TEMPERATURES}
                for name, entry in ZOO.items()
            }
            for setting, batch in batches.items()
        },
        "torchdistill_on_3d_logits_without_targets": {
            str(temperature): wrong_axis(batches["tagging"], temperature) for temperature in TEMPERATURES
        },
    }


def table(results: dict, setting: str, temperature: int = TEMPERATURES[-1]) -> str:
    """Return one setting as text: factor, the same as a power of ten, and the alpha that our loss would need."""
    lines = [f"{'':<28}{'factor':<12}{f'at T = {temperature}':>9}{'power of ten':>14}{'own alpha':>11}"]
    for name, source in results["sources"].items():
        row = results["results"][setting][name][str(temperature)]
        own = f"{row['own_alpha']:.3f}" if row["own_alpha"] else "-"
        power = math.log10(row["kd_factor"])
        lines.append(f"{source['title']:<28}{source['factor']:<12}{row['kd_factor']:>9.5f}{power:>+14.1f}{own:>11}")
    return "\n".join(lines)


def main() -> None:
    """Write the results file and show both tables."""
    results = run()
    write_json(RESULTS, results | {"provenance": recipes.provenance()})
    for setting in results["batch"]:
        print(f"{setting}\n{table(results, setting)}\n")


if __name__ == "__main__":
    main()
