"""Prune a little, distil, and again: the student recovers before more is taken away. Taught in lesson 07."""

from pathlib import Path

from datasets import Dataset
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tinykd import models
from tinykd.errors import ModelError, RunError, is_whole
from tinykd.files import read_json, write_json
from tinykd.pruning.importance import importance
from tinykd.pruning.parts import shape_of
from tinykd.pruning.structured import prune
from tinykd.training import Settings, distill


def gradually(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    train: Dataset,
    validation: Dataset,
    out: Path,
    settings: Settings,
    rounds: int = 3,
    heads: float = 0.5,
    neurons: float = 0.5,
    by: str = "distillation",
    progress: bool = True,
) -> PreTrainedModel:
    """Measure, prune and distil, ``rounds`` times over. Taught in lesson 07.

    Every round takes the same share of what is left, so that after the last one ``heads`` and ``neurons`` of the whole
    are gone. ``out/round-1/pruned`` and ``out/round-1/recovered`` hold the model before and after the first distilling,
    and so on; a call that was interrupted, made again, goes on where it stopped.

    Args:
        train: a transfer set of :func:`tinykd.samples.with_teacher`: the text that the student recovers on.
        validation: what importance is measured on; with ``teacher_logits`` too for ``by="distillation"``.
        settings: of each round's distilling.
        heads, neurons: the share that is gone in the end, in [0, 1).
        by: as in :func:`tinykd.pruning.importance`.

    Raises:
        ModelError: as :func:`plan_of`.
        RunError: ``out`` holds rounds of another plan, or of other weights.
    """
    plan = plan_of(model, rounds, heads, neurons) | {"by": by, "weights": models.weights_digest(model)}
    whole = plan["of"]
    note = Path(out) / "plan.json"
    there = read_json(note, f"delete {out} and run the same command again") if note.exists() else {}
    if plan | there != plan:  # the plans of older versions say less
        raise RunError(f"{out} holds the rounds of another plan; choose another folder or delete it")
    write_json(note, plan)
    for number in range(1, rounds + 1):
        folder = Path(out) / f"round-{number}"
        if not (folder / "pruned").exists():
            left = [sum(counts) for counts in zip(*shape_of(model), strict=True)]
            shares = [
                1 - round(n * (1 - share) ** (number / rounds)) / now
                for n, share, now in zip(whole, (heads, neurons), left, strict=True)
            ]
            measured = importance(model, tokenizer, validation, by, settings.temperature, settings.max_length)
            models.save(prune(model, measured, *shares), tokenizer, folder / "pruned")
        student, _ = models.load(folder / "pruned")
        title = f"round {number}"
        model = distill(student, tokenizer, train, folder / "recovered", settings, title, progress)
    return model


def plan_of(model: PreTrainedModel, rounds: int, heads: float, neurons: float) -> dict:
    """Return what :func:`gradually` would do; it notes this, to know its own rounds again.

    Raises:
        ModelError: no rounds, a share outside [0, 1) or one that leaves nothing of a layer, or a model that is no plain
            BERT with a task head.
    """
    for name, share in (("heads", heads), ("neurons", neurons)):
        if not 0 <= share < 1:
            raise ModelError(f"{name} is {share}; the share that goes must lie in [0, 1)")
    if not is_whole(rounds, 1):
        raise ModelError(f"rounds is {rounds}; it must be a whole number, at least 1")
    whole = [sum(counts) for counts in zip(*shape_of(model), strict=True)]
    for name, share, n in zip(("heads", "neurons"), (heads, neurons), whole, strict=True):
        if round(n * (1 - share)) < len(shape_of(model)):
            raise ModelError(f"{name} is {share}; this would leave nothing in a layer, and one of its {name} must stay")
    pieces, rank = model.config.vocab_size, getattr(model.config, "table_rank", None)
    return {"heads": heads, "neurons": neurons, "rounds": rounds, "of": whole, "pieces": pieces, "rank": rank}
