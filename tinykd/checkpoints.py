"""A training run in a folder: finished, resumable, or not there; one process at a time. Taught in lesson 01.

While a model is trained its checkpoints stand beside its folder, in ``NAME-unfinished``. A checkpoint counts only with
its mark, ``finished.json``, which holds the digest of each of its files; so does the finished model.
"""

import contextlib
import hashlib
import json
import logging
import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from transformers import PreTrainedModel, Trainer

from tinykd.adapters import adapted_by
from tinykd.errors import RunError
from tinykd.files import check_name, read_json, waiting, write_json
from tinykd.manifest import sha256
from tinykd.models import load

logger = logging.getLogger("tinykd")
WEIGHTS = "model.safetensors"
MARK = "finished.json"
#: What a finished model must have in common with the one that is to be trained
SHAPE = (
    *("model_type", "num_hidden_layers", "hidden_size", "num_attention_heads", "intermediate_size", "vocab_size"),
    *("id2label", "heads_by_layer", "neurons_by_layer", "table_rank"),
)
SECONDS = 60.0  #: at least so long between two checkpoints; an interrupted run loses that and an epoch, at most


def beside(out: Path) -> Path:
    """Return the folder of the checkpoints of the model that will stand in ``out``."""
    return check_name(out).with_name(f"{out.name}-unfinished")


def finished(out: Path, asked: dict, model: PreTrainedModel, title: str) -> PreTrainedModel | None:
    """Give ``model`` what it learned in ``out``, if it was trained there as ``asked``; None if nothing is there yet.

    An adapted model comes back merged, as it was saved.

    Raises:
        RunError: trained with other settings, of another shape or other labels than ``model``, or altered since.
    """
    if not (done := out / "settings.json").exists():
        return None
    there = read_json(done, f"delete {out} and run the same command again")
    digest = there.pop("sha256", None)
    asked = json.loads(json.dumps(asked))
    there = {"texts": asked["texts"]} | there  # older notes do not tell
    if there != asked:
        how = "with other settings" if there["texts"] == asked["texts"] else "on other texts or labels"
        raise RunError(f"{out} holds a model trained {how}; choose another folder or delete it")
    if (out / WEIGHTS).is_file() and digest not in (None, sha256(out / WEIGHTS)):
        raise RunError(f"{out / WEIGHTS}: altered after training; delete {out} and run the same command again")
    trained = load(out)[0]
    for what in SHAPE:
        mine, theirs = getattr(model.config, what, None), getattr(trained.config, what, None)
        if mine != theirs:
            raise RunError(
                f"{out} holds another model: its {what} is {theirs}, not {mine}; choose another folder or delete it"
            )
    logger.info("%s: already finished, loaded from %s", title, out)
    shutil.rmtree(beside(out), ignore_errors=True)  # of a process that was killed after its last word
    if adapted_by(model):
        return trained
    model.float().load_state_dict(trained.state_dict())  # it may compute otherwise than a plain one: rounded, held
    return model.eval()


@contextlib.contextmanager
def alone(checkpoints: Path, title: str) -> Iterator[None]:
    """Wait for another process that trains the same model. The processes of one torchrun work together, so don't."""
    if int(os.environ.get("WORLD_SIZE", 1)) > 1:
        yield
        return
    path = checkpoints.with_name(f".{checkpoints.name}.lock")
    with waiting(path, f"{title}: another process trains it in {checkpoints}"):
        try:
            yield
        finally:
            with contextlib.suppress(OSError):  # Windows removes it when it is released
                path.unlink()


def mark(checkpoint: Path, model: PreTrainedModel, settings: dict, texts: str, keep: int = 2) -> None:
    """Say that a checkpoint of ``model`` is whole, and remove all but the last ``keep``.

    Args:
        texts: a digest of what it is trained on.
    """
    files = {path.name: sha256(path) for path in sorted(checkpoint.iterdir())}
    of = {"settings": settings, "texts": texts, "adapted_by": adapted_by(model), "pieces": _pieces(model)}
    write_json(checkpoint / MARK, of | {"files": files})
    for old in _in_order(checkpoint.parent)[:-keep]:
        shutil.rmtree(old)


def last_whole(checkpoints: Path, trainer: Trainer) -> str | None:
    """Return the newest checkpoint that is whole; remove those that were not finished, or are damaged."""
    found = _in_order(checkpoints)
    trainer.accelerator.wait_for_everyone()
    for folder in [f for f in found if not _is_whole(f)]:
        if trainer.is_world_process_zero():
            shutil.rmtree(folder)
        found.remove(folder)
    if found:
        note = json.loads((found[-1] / MARK).read_text(encoding="utf-8"))
        if note["adapted_by"] != adapted_by(trainer.model.student):
            raise RunError(f"{found[-1]} is of a model adapted otherwise; adapt it as then, or delete {checkpoints}")
        if note.get("settings") != json.loads(json.dumps(asdict(trainer.settings))):
            raise RunError(f"{found[-1]} was trained with other settings; take those of then, or delete {checkpoints}")
        mine = {"pieces": _pieces(trainer.model.student), "texts": trainer.texts}
        if mine != {"pieces": note.get("pieces"), "texts": note.get("texts", trainer.texts)}:  # older ones do not tell
            raise RunError(f"{found[-1]} is of a run on other samples; take those of then, or delete {checkpoints}")
        logger.info("resuming from %s", found[-1])
    return str(found[-1]) if found else None


def _pieces(model: PreTrainedModel) -> str | None:
    """Return a digest of the word pieces that the rows of a checkpoint stand for (``embeddings``); None: of all."""
    row_of = getattr(model.get_input_embeddings(), "row_of", None)
    return None if row_of is None else hashlib.sha256(row_of.cpu().numpy().tobytes()).hexdigest()


def _in_order(folder: Path) -> list[Path]:
    """In the order of their steps."""
    return sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]))


def _is_whole(checkpoint: Path) -> bool:
    try:
        files = json.loads((checkpoint / MARK).read_text(encoding="utf-8"))["files"]
        whole = all(sha256(checkpoint / name) == digest for name, digest in files.items())
    except FileNotFoundError:
        return False
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        whole = False
    if not whole:
        logger.warning("%s: damaged; the one before it is taken, or the beginning", checkpoint)
    return whole
