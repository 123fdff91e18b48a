"""The two verbs of training, and a run in a folder: finished, resumable or not there. Taught in lesson 01."""

import contextlib
import hashlib
import json
import logging
import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import torch
from accelerate import PartialState
from datasets import Dataset
from torch import nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from transformers.trainer_callback import PrinterCallback

from tinykd import artifacts, data, models
from tinykd.adapters import merge, trainable_share
from tinykd.errors import DamagedError, DataError, ModelError, RunError
from tinykd.models import adapted_by
from tinykd.models.loading import quiet, write
from tinykd.models.pruned_bert import FactorizedEmbedding
from tinykd.samples import online
from tinykd.training import speed
from tinykd.training.callbacks import Bar, SaveRarely, curves_of
from tinykd.training.objective import Objective
from tinykd.training.settings import Settings, arguments
from tinykd.training.trainer import MARK, DistillationTrainer, checkpoints

logger = logging.getLogger("tinykd")
NOTE = "settings.json"  #: of a finished model, and of the folder of its checkpoints
#: What a finished model must have in common with the one that is to be trained
SHAPE = (
    *("model_type", "num_hidden_layers", "hidden_size", "num_attention_heads", "intermediate_size", "vocab_size"),
    *("id2label", "heads_by_layer", "neurons_by_layer", "embedding_rank"),
)


def fine_tune(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, train: Dataset, out: Path, settings: Settings
) -> PreTrainedModel:
    """Train ``model`` on the labels of ``train`` alone, and save it with its tokenizer in ``out``.

    The same call goes on where it was interrupted, to the same final weights; a finished one only loads the result.
    A model of ``adapters.adapt`` is saved and returned merged.

    Args:
        train: columns ``tokens`` and ``labels``, or ``text`` and ``label``; a teacher's columns are left out.
        out: folder of the finished model, with ``settings.json`` and ``log.json``, the curves of the losses. Its
            checkpoints are beside it, in ``OUT-unfinished``.

    Raises:
        DataError: no rows, or rows without labels.
        RunError: the loss is no longer a number, or ``out`` holds something else or cannot be written.
    """
    kept = [name for name in train.column_names if not name.startswith("teacher_")]
    if not {"labels", "label"} & set(kept):
        raise DataError("these texts have no labels to fine-tune on; a teacher writes them: samples.labelled_by")
    return _run(model, tokenizer, train.select_columns(kept), Path(out), settings)


def distill(
    student: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    transfer: Dataset,
    out: Path,
    settings: Settings,
    teacher: PreTrainedModel | None = None,
) -> PreTrainedModel:
    """Train ``student`` on what the teacher predicts, and on labels if there are any; otherwise as :func:`fine_tune`.

    Args:
        transfer: a transfer set of :func:`tinykd.samples.with_teacher`; with ``teacher`` any corpus split.
        teacher: predicts every batch anew, instead of stored signals. With ``Weights(prediction=0, …)`` this is
            TinyBERT's general stage (Jiao et al. 2020, section 3.2).

    Raises:
        RunError: no teacher and no signals, or a loss that needs labels where there are none.
        ModelError: a teacher with other labels or another vocabulary than the student.
    """
    if teacher is None and "teacher_logits" not in transfer.column_names:
        either = "give a transfer set of samples.with_teacher, or teacher=…; to train on labels alone call fine_tune"
        raise RunError(f"distill needs a teacher: {either}")
    if settings.weights.prediction and settings.alpha and not {"labels", "label"} & set(transfer.column_names):
        raise RunError("these texts have no labels: set alpha to 0, or let a teacher write them: samples.labelled_by")
    anew = "a teacher that predicts every batch anew must have the student's"
    if teacher is not None and settings.weights.prediction and teacher.config.id2label != student.config.id2label:
        theirs = ", ".join(models.label_names(teacher.config))
        raise ModelError(f"{anew} labels in the student's order; it has {theirs}. samples.with_teacher matches them")
    if teacher is not None and teacher.config.vocab_size != student.config.vocab_size:
        sizes = f"{teacher.config.vocab_size}, the student {student.config.vocab_size}"
        raise ModelError(f"{anew} subword tokens; it knows {sizes}. Take samples.with_teacher")
    return _run(student, tokenizer, transfer, Path(out), settings, teacher)


def _run(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    rows: Dataset,
    out: Path,
    settings: Settings,
    teacher: PreTrainedModel | None = None,
) -> PreTrainedModel:
    """Train, unless ``out`` holds the result; save it, and remove the checkpoints."""
    out = artifacts.check_place(out, NOTE)
    first = PartialState(cpu=not torch.accelerator.is_available()).is_main_process
    facts = settings.facts() | {name: getattr(model.config, name, None) for name in SHAPE}
    facts |= {"adapted_by": adapted_by(model), "texts": data.digest(rows), "teacher": _teacher_digest(rows, teacher)}
    if (done := _finished(out, facts, model)) is not None:
        return done
    with artifacts.claim(_unfinished(out), NOTE, facts) if first else contextlib.nullcontext():
        if (done := _finished(out, facts, model)) is not None:  # by a process that we waited for
            return done
        trainer = _train(model, tokenizer, rows, out, settings, teacher)
        model = (merge(model) if adapted_by(model) else model).eval()
        if first:
            with artifacts.new_folder(out, NOTE) as folder:
                write(model, tokenizer, folder)
                artifacts.write_json(folder / "log.json", trainer.state.log_history)
                artifacts.seal(folder, NOTE, facts)
            shutil.rmtree(_unfinished(out))
        trainer.accelerator.wait_for_everyone()
    return model


def _teacher_digest(rows: Dataset, teacher: PreTrainedModel | None) -> str | None:
    """Return a SHA-256 of the teacher's weights or of its stored signals; None without a teacher."""
    if teacher is not None:
        return models.weights_digest(teacher)
    names = [name for name in rows.column_names if name.startswith("teacher_")]
    sha = hashlib.sha256(json.dumps(names).encode())
    for table in rows.select_columns(names).with_format("arrow").iter(1024) if names else ():
        for batch in table.combine_chunks().to_batches():
            sha.update(batch.serialize())
    return sha.hexdigest() if names else None


def _train(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    rows: Dataset,
    out: Path,
    settings: Settings,
    teacher: PreTrainedModel | None,
) -> DistillationTrainer:
    """Train to the end, from the last checkpoint or from the beginning."""
    encoded = _encoded(model, tokenizer, rows, settings)
    tricks = speed.fast(model, encoded, tokenizer, settings) if settings.speed else contextlib.nullcontext()
    with tricks, _ready(model, settings.dropout), quiet(), curves_of(out, settings.report_to):
        torch.manual_seed(settings.seed)  # of a learned projection, too
        states = rows.features.get("teacher_hidden_states")
        collate, width = data.collate(tokenizer, rows), states.shape[-1] if states else None
        if teacher is not None:
            layers = settings.weights.teacher_layers(teacher.config, model.config, settings.layer_map)
            collate = online(data.collate(tokenizer), teacher, layers, settings.precision)
            width = teacher.config.hidden_size
        trainer = DistillationTrainer(
            model=Objective(model, settings.weights, width, settings.relation_heads),
            args=arguments(out, _unfinished(out), settings),
            train_dataset=encoded,
            data_collator=collate,
            settings=settings,
            callbacks=[SaveRarely()],
        )
        trainer.remove_callback(PrinterCallback)
        if trainer.is_world_process_zero():
            trainer.add_callback(Bar(out.name))
        trainer.train(resume_from_checkpoint=_last_whole(_unfinished(out), trainer))
        trainer.check_numbers()
    return trainer


def _encoded(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, rows: Dataset, settings: Settings) -> Dataset:
    """Return what the model is trained on, and make the model ready for it."""
    if settings.report_to != "none" and find_spec(settings.report_to) is None:
        raise RunError(f"{settings.report_to} is not installed; run: pip install {settings.report_to}")
    if how := adapted_by(model):
        logger.info("%s trains %.2f %% of the parameters", how["method"], 100 * trainable_share(model))
    encoded = data.encode(rows, tokenizer, settings.max_length)
    if not len(encoded):
        raise DataError("there are no rows to train on")
    models.check_length(model, max(encoded["length"][:]), settings.max_length)
    model.float()  # what was saved in half precision would lose its small steps
    return encoded.add_column("index", list(range(len(encoded)))) if settings.dynamic else encoded


def _unfinished(out: Path) -> Path:
    return out.with_name(f"{out.name}-unfinished")


def _finished(out: Path, facts: dict, model: PreTrainedModel) -> PreTrainedModel | None:
    """Give ``model`` what it learned in ``out``, if the same run ended there; None if none did."""
    try:
        artifacts.check_same(out, artifacts.sealed(out, NOTE), facts)
    except FileNotFoundError:
        return None
    except DamagedError as error:
        raise DamagedError(f"{error}; delete {out} and run the same command again") from None
    logger.info("%s: already finished, loaded", out)
    trained = models.load(out)[0]
    shutil.rmtree(_unfinished(out), ignore_errors=True)  # of a process killed after its last word
    if adapted_by(model):
        return trained
    model.float().load_state_dict(trained.state_dict())  # it may compute otherwise than a plain one: rounded, masked
    return model.eval()


def _last_whole(unfinished: Path, trainer: DistillationTrainer) -> str | None:
    """Return the newest checkpoint that is whole; remove those that were not finished, or are damaged."""
    whole = []
    for folder in checkpoints(unfinished):
        try:
            artifacts.sealed(folder, MARK)
            whole.append(folder)
        except (FileNotFoundError, DamagedError) as error:
            logger.warning("%s: not whole (%s); the one before it is taken, or the beginning", folder, error)
    trainer.accelerator.wait_for_everyone()
    for folder in set(checkpoints(unfinished)) - set(whole) if trainer.is_world_process_zero() else ():
        shutil.rmtree(folder)
    if whole:
        logger.info("resuming from %s", whole[-1])
    return str(whole[-1]) if whole else None


@contextlib.contextmanager
def _ready(model: PreTrainedModel, dropout: float | None) -> Iterator[None]:
    """While ``model`` trains, set its dropout (``None``: leave it) and freeze the rows of a factorized embedding."""
    changes = []
    for module in model.modules():
        if isinstance(module, FactorizedEmbedding):
            changes.append((module.narrow.weight, "requires_grad", False))
        elif isinstance(module, nn.Dropout) and dropout is not None:
            changes.append((module, "p", dropout))
    own = [getattr(thing, name) for thing, name, _ in changes]
    for change in changes:
        setattr(*change)
    try:
        yield
    finally:
        for (thing, name, _), value in zip(changes, own, strict=True):
            setattr(thing, name, value)
