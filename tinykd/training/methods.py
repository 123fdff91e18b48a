"""The methods of the papers by name: which losses, in how many stages. Taught in lesson 06."""

from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from pathlib import Path

from datasets import Dataset
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tinykd.adapters import adapt
from tinykd.errors import SettingError
from tinykd.models import FeatureHooks, Layers, adapted_by
from tinykd.training.objective import Weights
from tinykd.training.runs import distill
from tinykd.training.settings import Settings


@dataclass(frozen=True)
class Stage:
    """Losses, and the share of a run's epochs that they are given."""

    weights: Weights
    share: float = 1.0


#: By name, what the command line calls ``--method``
METHODS: dict[str, tuple[Stage, ...]] = {
    # Hinton et al. 2015: the teacher's predictions.
    "logits": (Stage(Weights()),),
    # … and what its layers hold (PKD, Sun et al. 2019, of every word, and of [CLS] where a text has one label).
    "hidden": (Stage(Weights(hidden=1.0)),),
    # … and where its heads look.
    "attention": (Stage(Weights(hidden=1.0, attention=1.0)),),
    # MiniLMv2, Wang et al. 2021: the last layer's Q-Q, K-K and V-V relations, here beside the predictions.
    "relations": (Stage(Weights(relations=1.0)),),
    # TinyBERT, Jiao et al. 2020, section 3.2: first all layers, then the predictions.
    "two-stage": (Stage(Weights(prediction=0.0, embedding=1.0, hidden=1.0, attention=1.0), 0.6), Stage(Weights(), 0.4)),
}


def stages(method: str, epochs: int) -> list[tuple[Weights, int]]:
    """Return the losses of each stage of a method, and its epochs; a SettingError if it has more stages than epochs.

    >>> [part for _, part in stages("two-stage", 5)]
    [3, 2]
    """
    if method not in METHODS:
        raise SettingError(f"unknown method {method!r}; expected one of {', '.join(METHODS)}")
    plan = METHODS[method]
    if epochs < len(plan):
        raise SettingError(f"epochs is {epochs}; {method} has {len(plan)} stages, and each needs at least one")
    ends = [0, *(round(epochs * share) for share in accumulate(stage.share for stage in plan))]
    return [(stage.weights, end - start) for stage, (start, end) in zip(plan, pairwise(ends), strict=True)]


def teacher_layers(
    method: str, teacher: PreTrainedModel, student: PreTrainedModel, kind: str | tuple[int, ...] = "uniform"
) -> Layers:
    """Return the layers of the teacher that a method looks at; only one of its stages looks at any.

    Raises:
        ModelError: the map does not fit, or one of the models cannot be looked into; better now than after a training.
    """
    needed = Layers()
    for weights, _ in stages(method, len(METHODS.get(method, ()))):
        theirs = weights.teacher_layers(teacher.config, student.config, kind)
        FeatureHooks(student, weights.layers(student.config.num_hidden_layers))
        FeatureHooks(teacher, theirs)
        needed = theirs if theirs != Layers() else needed
    return needed


def distill_by(
    method: str,
    student: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    transfer: Dataset,
    out: Path,
    settings: Settings,
) -> PreTrainedModel:
    """Distil a student, one stage after the other; every stage but the last leaves its model in ``OUT-stage-N``.

    Args:
        transfer: made by ``samples.with_teacher(…, layers=teacher_layers(method, teacher, student))``.
        settings: ``epochs`` is divided among the stages, at least one each; ``weights`` are the method's.

    Raises:
        SettingError: an unknown method, or fewer epochs than stages.
        RunError: as in :func:`tinykd.training.distill`.
    """
    plan, how, out = stages(method, settings.epochs), adapted_by(student), Path(out)
    for number, (weights, epochs) in enumerate(plan, 1):
        if how and not adapted_by(student):
            student = adapt(student, **how)  # the stage before gave back a plain model
        kept = transfer.column_names
        if weights.layers(1) == Layers():  # a batch would carry what nobody looks at
            kept = [name for name in kept if not name.startswith("teacher_") or name == "teacher_logits"]
        place = out if number == len(plan) else out.with_name(f"{out.name}-stage-{number}")
        part = replace(settings, weights=weights, epochs=epochs)
        student = distill(student, tokenizer, transfer.select_columns(kept), place, part)
    return student
