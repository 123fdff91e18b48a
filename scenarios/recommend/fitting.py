"""Train a cross-encoder or two towers with the Trainer of sentence-transformers. Taught in lesson 15."""

import math
import tempfile
from pathlib import Path

import torch
from datasets import Dataset
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer, SentenceTransformerTrainingArguments
from sentence_transformers.cross_encoder import CrossEncoder, CrossEncoderTrainer, CrossEncoderTrainingArguments
from torch import nn
from transformers.trainer_callback import PrinterCallback

from tinykd.errors import DataError, RunError
from tinykd.models.loading import quiet
from tinykd.training import Settings
from tinykd.training.callbacks import Bar

TRAINERS = {
    SentenceTransformer: (SentenceTransformerTrainer, SentenceTransformerTrainingArguments),
    CrossEncoder: (CrossEncoderTrainer, CrossEncoderTrainingArguments),
}


def fit(model: SentenceTransformer | CrossEncoder, rows: Dataset, loss: nn.Module, settings: Settings, **how) -> None:
    """Train ``model`` in place, in one process; it is ready to predict afterwards.

    Args:
        rows: what the loss takes; see sentence-transformers.
        settings: ``alpha`` and ``temperature`` are the loss's own; ``speed`` has no effect here.
        how: further arguments of the Trainer, such as ``data_collator``.

    Raises:
        DataError: no rows.
        RunError: the loss is no longer a number.
    """
    if not len(rows):
        raise DataError("there is nothing to learn from")
    if settings.dropout is not None:
        for module in model.modules():
            if isinstance(module, nn.Dropout):
                module.p = settings.dropout
    trainer, arguments = TRAINERS[type(model)]
    with tempfile.TemporaryDirectory() as folder, quiet():
        told = arguments(output_dir=folder, use_cpu=not torch.accelerator.is_available(), **_told(settings))
        callbacks = [Bar("teacher" if isinstance(model, CrossEncoder) else "student")]
        work = trainer(model=model, args=told, train_dataset=rows, loss=loss, callbacks=callbacks, **how)
        work.remove_callback(PrinterCallback)
        if not math.isfinite(mean := work.train().training_loss):
            raise RunError(f"the loss is {mean}; try a smaller learning rate than {settings.learning_rate:g}")
    model.eval()


def save(model: SentenceTransformer | CrossEncoder, folder: Path) -> None:
    """Write a model into a folder that is being made; ``loading.quiet`` silences its bars."""
    with quiet():
        model.save_pretrained(str(folder), create_model_card=False)


def _told(settings: Settings) -> dict:
    """Return our settings as the Trainer names them."""
    return {
        "num_train_epochs": settings.epochs,
        "learning_rate": settings.learning_rate,
        "per_device_train_batch_size": settings.batch_size,
        "warmup_steps": 0.1,  # a share of all steps
        "max_grad_norm": settings.max_grad_norm,
        "bf16": settings.precision == "bf16",
        "dataloader_pin_memory": False,
        "save_strategy": "no",
        "logging_strategy": "no",
        "logging_nan_inf_filter": False,
        "report_to": "none",
        "disable_tqdm": True,  # the bar of tinykd stands in
        "seed": settings.seed,
    }
