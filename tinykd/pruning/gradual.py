"""Prune a little, distil, and again: the student recovers before more is removed. Taught in lesson 08."""

from dataclasses import asdict, dataclass
from pathlib import Path

from datasets import Dataset
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tinykd import models
from tinykd.artifacts import claim
from tinykd.errors import SettingError, is_whole
from tinykd.pruning.measures import importance
from tinykd.pruning.parts import shape_of
from tinykd.pruning.structured import check_leaves, prune
from tinykd.training import Settings, distill


@dataclass(frozen=True)
class Plan:
    """How much of a model goes, and in how many rounds.

    Attributes:
        settings: of the distillation in each round.
        rounds: how often the model is pruned and distilled.
        heads, neurons: the share that is gone in the end, in [0, 1).
        measure: as in :func:`tinykd.pruning.importance`.
    """

    settings: Settings
    rounds: int = 3
    heads: float = 0.5
    neurons: float = 0.5
    measure: str = "distillation"

    def __post_init__(self) -> None:
        if not is_whole(self.rounds, 1):
            raise SettingError(f"rounds is {self.rounds}; it must be a whole number, at least 1")

    def check(self, model: PreTrainedModel) -> None:
        """Raise a SettingError for a share that cannot go, a ModelError for no plain BERT."""
        for name, counts in zip(("heads", "neurons"), zip(*shape_of(model), strict=True), strict=True):
            check_leaves(name, getattr(self, name), sum(counts), len(counts))


def gradually(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    transfer: Dataset,
    validation: Dataset,
    out: Path,
    plan: Plan,
) -> PreTrainedModel:
    """Measure, prune and distil, ``plan.rounds`` times over. Taught in lesson 08.

    Every round takes the same share of what is left. ``out/round-1/pruned`` and ``out/round-1/recovered`` hold the
    model before and after the first distillation, and so on. The same call continues an interrupted one.

    Args:
        transfer: a transfer set of :func:`tinykd.samples.with_teacher`: the text that the student recovers on.
        validation: what importance is measured on; with ``teacher_logits`` too for ``"distillation"``.

    Raises:
        SettingError, ModelError, DataError: as :meth:`Plan.check` and :func:`tinykd.pruning.importance`.
        RunError: ``out`` holds rounds of another plan, or of other weights.
    """
    plan.check(model)
    whole = [sum(counts) for counts in zip(*shape_of(model), strict=True)]
    with claim(Path(out), "plan.json", asdict(plan) | {"weights": models.weights_digest(model)}):
        for number in range(1, plan.rounds + 1):
            folder = Path(out) / f"round-{number}"
            if not (folder / "pruned").exists():
                left = [sum(counts) for counts in zip(*shape_of(model), strict=True)]
                heads, neurons = (
                    1 - round(n * (1 - share) ** (number / plan.rounds)) / now
                    for n, share, now in zip(whole, (plan.heads, plan.neurons), left, strict=True)
                )
                how = (plan.measure, plan.settings.temperature, plan.settings.max_length)
                smaller = prune(model, importance(model, tokenizer, validation, *how), heads, neurons)
                models.save(smaller, tokenizer, folder / "pruned")
            student, _ = models.load(folder / "pruned")
            model = distill(student, tokenizer, transfer, folder / "recovered", plan.settings)
    return model
