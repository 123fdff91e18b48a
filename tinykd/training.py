"""Training: one subclass of the Trainer that people know, and two verbs, ``fine_tune`` and ``distill``.

Checkpoints, resuming, mixed precision, logging and many processes are the Trainer's. What is ours: the loss, and that a
run is either finished, resumable or not there. Taught in lesson 01; the same loop by hand in lesson 02.
"""

import json
import logging
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from datasets import Dataset
from tqdm.auto import tqdm
from transformers import PreTrainedModel, PreTrainedTokenizerBase, Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_callback import PrinterCallback

from tinykd import data, losses
from tinykd.errors import RunError
from tinykd.files import clear_disk_errors, write_json
from tinykd.models import load, quiet, save

logger = logging.getLogger("tinykd")


@dataclass(frozen=True)
class Settings:
    """How to train one model. ``alpha`` and ``temperature`` matter only where the rows carry ``teacher_logits``."""

    epochs: int = 3
    learning_rate: float = 1e-4
    batch_size: int = 32
    max_length: int = 128
    alpha: float = 0.5
    temperature: float = 2.0
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse impossible values before hours of work, not after."""
        for name in ("epochs", "learning_rate", "batch_size", "temperature"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be above 0")
        if not 0 <= self.alpha <= 1:
            raise ValueError(f"alpha is {self.alpha}; it must lie in [0, 1]")


class DistillationTrainer(Trainer):
    """A ``Trainer`` whose loss is ``losses.mixture`` where a batch brings ``teacher_logits``, cross-entropy
    elsewhere."""

    def __init__(self, *args, alpha: float, temperature: float, **kwargs):
        """Take the Trainer's own arguments, and the two of ``losses.mixture``."""
        super().__init__(*args, **kwargs)
        self.alpha, self.temperature = alpha, temperature
        self.model_accepts_loss_kwargs = False  # our losses are means over a batch already

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        """Return the loss of one batch; stop at the first that is not a number."""
        labels, teacher_logits = inputs.pop("labels"), inputs.pop("teacher_logits", None)
        outputs = model(**inputs)
        counted = labels != data.IGNORE
        logits, labels = outputs.logits[counted], labels[counted]  # (words, classes), (words,)
        if teacher_logits is None:
            loss = losses.cross_entropy(logits, labels)
        else:
            loss = losses.mixture(logits, teacher_logits, labels, self.alpha, self.temperature)
        if not torch.isfinite(loss):
            raise RunError(
                f"the loss is {loss.item()} at step {self.state.global_step + 1}; the last good checkpoint is kept in "
                f"{self.args.output_dir}. Try a smaller learning rate than {self.args.learning_rate:g}"
            )
        return (loss, outputs) if return_outputs else loss

    def _save_checkpoint(self, model, trial):
        # A process can be killed while it writes; only a checkpoint that carries this mark was finished.
        if not all(torch.isfinite(p).all() for p in self.model.parameters()):
            raise RunError(
                f"the weights are no longer numbers at step {self.state.global_step}; try a smaller learning rate"
            )
        with clear_disk_errors(Path(self.args.output_dir)):
            super()._save_checkpoint(model, trial)
            write_json(Path(self._get_output_dir(trial)) / f"checkpoint-{self.state.global_step}" / "finished.json", {})


class _Bar(TrainerCallback):
    """One progress bar a model: its title, its steps, its mean loss in the last epoch."""

    def __init__(self, title: str):
        self.title = title

    def on_train_begin(self, args, state, control, **kwargs):
        self.bar = tqdm(total=state.max_steps, initial=state.global_step, desc=f"{self.title:<10}", unit="step")

    def on_step_end(self, args, state, control, **kwargs):
        self.bar.update(1)

    def on_log(self, args, state, control, logs, **kwargs):
        if "loss" in logs:
            self.bar.set_postfix(epoch=round(state.epoch), loss=f"{logs['loss']:.3f}")

    def on_train_end(self, args, state, control, **kwargs):
        self.bar.close()


def fine_tune(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    train: Dataset,
    out: Path,
    settings: Settings,
    title: str = "fine-tuning",
    progress: bool = True,
) -> PreTrainedModel:
    """Train ``model`` on the labels of ``train`` alone, and save it with its tokenizer in ``out``.

    An interrupted call, made again, goes on from its last checkpoint to the same final weights; a finished one only
    loads the result.

    Args:
        train: columns ``tokens`` and ``labels``, or ``text`` and ``label``.
        out: folder of the finished model; checkpoints stand beside it until it is done.

    Raises:
        RunError: the loss is no longer a number, ``out`` holds something else, or the disk is full.
    """
    kept = [c for c in train.column_names if c != "teacher_logits"]
    return distill(model, tokenizer, train.select_columns(kept), out, settings, title, progress)


def distill(
    student: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    train: Dataset,
    out: Path,
    settings: Settings,
    title: str = "distilling",
    progress: bool = True,
) -> PreTrainedModel:
    """Train ``student`` on labels and stored ``teacher_logits``; otherwise as :func:`fine_tune`.

    Args:
        train: a transfer set of :func:`tinykd.samples.with_teacher`.
    """
    out = Path(out)
    if (done := out / "settings.json").exists():
        if json.loads(done.read_text(encoding="utf-8")) == asdict(settings):
            logger.info("%s: already finished, loaded from %s", title, out)
            return load(out)[0]
        raise RunError(f"{out} holds a model trained with other settings; choose another folder or delete it")
    checkpoints = out.with_name(f"{out.name}-unfinished")
    encoded = data.encode(train, tokenizer, settings.max_length)
    trainer = DistillationTrainer(
        model=student,
        args=_arguments(checkpoints, settings, progress),
        train_dataset=encoded,
        data_collator=data.collate(tokenizer),
        alpha=settings.alpha,
        temperature=settings.temperature,
    )
    trainer.remove_callback(PrinterCallback)
    if progress:
        trainer.add_callback(_Bar(title))
    with quiet():
        trainer.train(resume_from_checkpoint=_last_finished(checkpoints))
    student.eval()
    save(student, tokenizer, out)
    write_json(out / "settings.json", asdict(settings))
    shutil.rmtree(checkpoints, ignore_errors=True)
    return student


def has_bf16() -> bool:
    """Whether this processor multiplies bfloat16 matrices in hardware (AMX or AVX512-BF16; or the GPU does)."""
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()


def _arguments(checkpoints: Path, settings: Settings, progress: bool) -> TrainingArguments:
    return TrainingArguments(
        output_dir=str(checkpoints),
        num_train_epochs=settings.epochs,
        learning_rate=settings.learning_rate,
        per_device_train_batch_size=settings.batch_size,
        lr_scheduler_type="linear",
        warmup_steps=0.1,  # a share of all steps
        max_grad_norm=0.0,  # no clipping: it reads and writes every gradient once more, each step
        optim="adamw_torch_fused",
        bf16=has_bf16(),
        use_cpu=not torch.accelerator.is_available(),  # the Trainer wants to be told before it trusts a CPU with bf16
        train_sampling_strategy="group_by_length",
        remove_unused_columns=False,
        dataloader_pin_memory=False,
        save_strategy="epoch",
        save_total_limit=2,
        logging_strategy="epoch",
        logging_nan_inf_filter=False,
        report_to="none",
        disable_tqdm=True,  # our own bar has a title and shows the loss
        seed=settings.seed,
        data_seed=settings.seed,
    )


def _last_finished(checkpoints: Path) -> str | None:
    """Return the newest checkpoint that was written to its end; remove those that were not."""
    found = sorted(checkpoints.glob("checkpoint-*"), key=lambda p: int(p.name.split("-")[1]))
    for folder in [f for f in found if not (f / "finished.json").exists()]:
        shutil.rmtree(folder)
        found.remove(folder)
    if found:
        logger.info("resuming from %s", found[-1])
    return str(found[-1]) if found else None
