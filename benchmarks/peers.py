"""How others distil: TextBrewer, torchdistill, a plain Trainer, and predictions kept by ``map``. For ``distilling.py``.

Each function trains ``student`` on ``train`` as the project's own examples do, in the fewest lines, and calls
``clock.tick()`` after every step. Neither library is a requirement of tinykd.
"""

import contextlib
from pathlib import Path

import torch
from torch.nn import functional as F
from transformers import DataCollatorForTokenClassification, Trainer, TrainingArguments

from tinykd import data
from tinykd.data import IGNORE


def textbrewer(student, teacher, tokenizer, train, settings, folder, clock, autocast=False, fixed=False) -> None:
    """TextBrewer's GeneralDistiller; ``fixed`` pads every batch to 128 subword tokens, as its examples do."""
    from textbrewer import DistillationConfig, GeneralDistiller, TrainingConfig

    batches = _loader(tokenizer, train, settings, settings.max_length if fixed else None)

    def adaptor(batch, outputs):
        return {"logits": outputs.logits, "logits_mask": batch["labels"] != IGNORE, "losses": outputs.loss}

    class Timed(GeneralDistiller):
        def train_on_batch(self, batch, args):
            with torch.autocast("cpu", torch.bfloat16) if autocast else contextlib.nullcontext():
                result = super().train_on_batch(batch, args)
            clock.tick()
            return result

    how = TrainingConfig(device="cpu", output_dir=str(folder), log_dir=None, ckpt_frequency=0, ckpt_steps=10**9)
    shares = {"kd_loss_weight": 1 - settings.alpha, "hard_label_weight": settings.alpha}
    what = DistillationConfig(temperature=settings.temperature, **shares)
    distiller = Timed(how, what, teacher, student, adaptor, adaptor)
    with distiller:
        clock.begin()
        distiller.train(_optimizer(student, settings), batches, num_epochs=settings.epochs)


def torchdistill(student, teacher, tokenizer, train, settings, folder, clock) -> None:
    """torchdistill's DistillationBox and KDLoss, with the loop of its examples.

    Its KDLoss takes (cases, classes); the words that count are picked before it, or it would softmax over positions.
    """
    from torch import nn
    from torchdistill.core.distillation import get_distillation_box
    from torchdistill.datasets.registry import register_collate_func
    from torchdistill.losses.mid_level import KDLoss

    collate = register_collate_func(_collate(tokenizer), key="words")

    class Words(nn.Module):
        def __init__(self):
            super().__init__()
            self.loss = KDLoss("words", "output", "words", "output", settings.temperature, settings.alpha)

        def forward(self, student_io, teacher_io, labels):
            counted = labels != IGNORE
            ours, theirs = ({"words": {"output": io["."]["output"].logits[counted]}} for io in (student_io, teacher_io))
            return self.loss(ours, theirs, labels[counted])

    loader = {"dataset_id": "train", "requires_supp": False, "collate_fn": "words", "kwargs": {}}
    loader["sampler"] = {"class_or_func": torch.utils.data.RandomSampler}
    loader["kwargs"]["batch_size"] = settings.batch_size
    config = {
        "num_epochs": settings.epochs,
        "train_data_loader": loader,
        "teacher": {"forward_proc": "forward_batch_only_as_kwargs", "requires_grad": False},
        "student": {"forward_proc": "forward_batch_only_as_kwargs"},
        "optimizer": {"key": "AdamW", "kwargs": {"lr": settings.learning_rate}},
        "criterion": {
            "key": "WeightedSumLoss",
            "kwargs": {"sub_terms": {"words": {"criterion": Words(), "weight": 1.0}}},
        },
    }
    encoded = data.encode(train, tokenizer)
    box = get_distillation_box(teacher, student, {"train": encoded}, config, torch.device("cpu"), None, False, 1)
    assert collate is not None
    clock.begin()
    for epoch in range(settings.epochs):
        box.pre_epoch_process(epoch=epoch)
        for batch in box.train_data_loader:
            box.pre_forward_process()
            loss = box.forward_process(batch, batch["labels"], None)
            box.post_forward_process(loss=loss)
            clock.tick()


def plain_trainer(student, teacher, tokenizer, train, settings, folder, clock) -> None:
    """A Trainer whose ``compute_loss`` runs the teacher, as the tutorials write it; autocast like tinykd's."""

    class Online(Trainer):
        def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
            with torch.no_grad():
                signal = teacher(**inputs).logits
            return _kd_loss(model(**inputs), signal, inputs["labels"], settings)

    encoded = data.encode(train, tokenizer).select_columns(["input_ids", "labels"])
    _train(Online, student, encoded, DataCollatorForTokenClassification(tokenizer), settings, folder, clock)


def kept_by_map(student, teacher, tokenizer, train, settings, folder, clock) -> None:
    """As in sentence-transformers' distillation example: ``map`` runs the teacher once; a column keeps its logits."""
    encoded = data.encode(train, tokenizer).select_columns(["input_ids", "labels"])
    collate = DataCollatorForTokenClassification(tokenizer)

    @torch.no_grad()
    def predict(rows):
        batch = collate([dict(zip(rows, values, strict=True)) for values in zip(*rows.values(), strict=True)])
        signal = teacher(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
        return {"signal": [row[: len(ids)].tolist() for row, ids in zip(signal, rows["input_ids"], strict=True)]}

    predicted = encoded.map(predict, batched=True, batch_size=settings.batch_size)

    def with_signal(rows):
        signal = [torch.tensor(row.pop("signal")) for row in rows]
        return collate(rows) | {"signal": torch.nn.utils.rnn.pad_sequence(signal, batch_first=True)}

    class Reading(Trainer):
        def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
            signal = inputs.pop("signal")
            return _kd_loss(model(**inputs), signal, inputs["labels"], settings)

    _train(Reading, student, predicted, with_signal, settings, folder, clock)


def _train(kind, student, rows, collate, settings, folder, clock) -> None:
    how = TrainingArguments(
        output_dir=str(Path(folder) / "trainer"),
        num_train_epochs=settings.epochs,
        per_device_train_batch_size=settings.batch_size,
        learning_rate=settings.learning_rate,
        bf16=settings.precision == "bf16",
        use_cpu=True,
        save_strategy="no",
        logging_strategy="no",
        report_to=[],
        disable_tqdm=True,
        remove_unused_columns=False,
    )
    kind(student, how, train_dataset=rows, data_collator=collate, callbacks=[clock.callback()]).train()


def _kd_loss(output, signal, labels, settings):
    counted, T = labels != IGNORE, settings.temperature
    soft = F.kl_div(
        F.log_softmax(output.logits[counted] / T, -1), F.softmax(signal[counted] / T, -1), reduction="batchmean"
    )
    return settings.alpha * output.loss + (1 - settings.alpha) * T**2 * soft


def _collate(tokenizer, length: int | None = None):
    plain = data.collate(tokenizer)

    def collate(rows):
        batch = plain(rows)
        del batch["first_subwords"]
        if length:
            missing = length - batch["labels"].shape[1]
            fill = {"labels": IGNORE, "input_ids": tokenizer.pad_token_id}
            batch = {key: F.pad(value, (0, missing), value=fill.get(key, 0)) for key, value in batch.items()}
        return dict(batch)

    return collate


def _loader(tokenizer, train, settings, length: int | None):
    encoded = data.encode(train, tokenizer)
    collate = _collate(tokenizer, length)
    return torch.utils.data.DataLoader(encoded, settings.batch_size, shuffle=True, collate_fn=collate)


def _optimizer(student, settings):
    return torch.optim.AdamW(student.parameters(), lr=settings.learning_rate, fused=True)
