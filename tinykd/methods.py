"""The methods of the papers by name: which losses, in how many stages. Taught in lesson 05.

A method is a list of stages, and a stage a set of losses that the student is trained on for its share of the epochs.
"""

from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path

from datasets import Dataset, Features, List, Value
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tinykd.adapters import adapt, adapted_by
from tinykd.errors import RunError
from tinykd.internals import Layers, Watched
from tinykd.objective import Weights
from tinykd.samples.streaming import streamed
from tinykd.training import Settings, distill


@dataclass(frozen=True)
class Stage:
    """Losses, and the share of a run's epochs that they are given."""

    weights: Weights
    share: float = 1.0


#: By name, what the command line calls ``--losses``.
METHODS: dict[str, tuple[Stage, ...]] = {
    # Hinton et al. 2015: the teacher's answers.
    "logits": (Stage(Weights()),),
    # … and what its layers hold (PKD, Sun et al. 2019, on words instead of sentences).
    "hidden": (Stage(Weights(hidden=1.0)),),
    # … and where its heads look.
    "attention": (Stage(Weights(hidden=1.0, attention=1.0)),),
    # MiniLMv2, Wang et al. 2021: the last layer's Q-Q, K-K and V-V relations, here beside the answers.
    "relations": (Stage(Weights(relations=1.0)),),
    # TinyBERT, Jiao et al. 2020, section 3.2: first all layers, then the answers.
    "two-stage": (Stage(Weights(prediction=0.0, embedding=1.0, hidden=1.0, attention=1.0), 0.6), Stage(Weights(), 0.4)),
}


def stages(method: str) -> tuple[Stage, ...]:
    """Return the stages of a method.

    Raises:
        RunError: names those that there are.
    """
    if method not in METHODS:
        raise RunError(f"unknown losses {method!r}; expected one of {', '.join(METHODS)}")
    return METHODS[method]


def needed(method: str, teacher: PreTrainedModel, student: PreTrainedModel, kind="uniform") -> Layers:
    """Return the layers of the teacher that a method looks at; of each kind, only one of its stages asks for any.

    Raises:
        RunError: an unknown method.
        ModelError: the map does not fit, or one of the models cannot be looked into; better now than after a training.
    """
    weights = [stage.weights for stage in stages(method)]
    of_stages = [each.teacher_layers(teacher.config, student.config, kind) for each in weights]
    for each, theirs in zip(weights, of_stages, strict=True):
        Watched(student, each.layers(student.config.num_hidden_layers))
        Watched(teacher, theirs)
    return next((layers for layers in of_stages if layers != Layers()), Layers())


def distill_by(
    method: str,
    student: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    transfer: Dataset,
    out: Path,
    settings: Settings,
    title: str = "student",
    progress: bool = True,
    report_to: str = "none",
) -> PreTrainedModel:
    """Distil a student, a stage after the other; every stage but the last leaves its model in ``OUT-stage-N``.

    Args:
        transfer: made by ``samples.with_teacher(…, layers=needed(method, teacher, student))``.
        settings: ``epochs`` is divided among the stages, at least one each; ``weights`` are the method's.

    Raises:
        RunError: an unknown method, or as in :func:`tinykd.training.distill`.
    """
    plan, how = stages(method), adapted_by(student)
    for number, stage in enumerate(plan, 1):
        if how and not adapted_by(student):
            student = adapt(student, **how)  # the stage before gave back a plain model
        last = number == len(plan)
        layers_unused = stage.weights.layers(1) == Layers()
        signals = [name for name in transfer.column_names if name.startswith("teacher_") and name != "teacher_logits"]
        student = distill(
            student,
            tokenizer,
            transfer.remove_columns(signals) if layers_unused else transfer,
            out if last else Path(out).with_name(f"{Path(out).name}-stage-{number}"),
            replace(settings, weights=stage.weights, epochs=ceil(stage.share * settings.epochs)),
            title if last else f"{title} {number}/{len(plan)}",
            progress,
            report_to,
        )
    return student


def general_stage(
    student: PreTrainedModel,
    teacher: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    texts: Dataset,
    out: Path,
    settings: Settings,
    weights: Weights = Weights(prediction=0.0, embedding=1.0, hidden=1.0, attention=1.0),
    progress: bool = True,
    report_to: str = "none",
    kind: str | tuple[int, ...] = "uniform",
) -> PreTrainedModel:
    """Distil on text that nobody has labelled, before any task is known: TinyBERT's general stage (section 3.2).

    The student learns the layers of a *pretrained* teacher; its head is not trained, nor the teacher's asked. After
    that the student is fine-tuned or distilled on a task like any other.

    Args:
        texts: a column ``tokens`` or ``text``, of any size; labels, if there are any, are not looked at.
        weights: without prediction; MiniLMv2's stage would be ``Weights(prediction=0, relations=1)``.
        kind: which layers of the teacher stand for the student's; see :func:`tinykd.models.layer_map`.

    Raises:
        RunError: weights that ask for the teacher's answers.
    """
    if weights.prediction:
        raise RunError("a general stage knows no task: give weights with prediction=0")
    layers = weights.teacher_layers(teacher.config, student.config, kind)
    tagging = "tokens" in texts.column_names
    column, target = ("tokens", "labels") if tagging else ("text", "label")
    features = Features({column: texts.features[column], target: List(Value("int64")) if tagging else Value("int64")})

    def blank(rows: list[dict], numbers: list[int]) -> list[dict]:
        return [row | {target: [0] * len(row[column]) if tagging else 0} for row in rows]

    return distill(
        student,
        tokenizer,
        streamed(texts.select_columns(column), blank, features),
        out,
        replace(settings, weights=weights),
        "general",
        progress,
        report_to,
        teacher=teacher,
        teacher_layers=layers,
    )
