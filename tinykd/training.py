"""Training: one subclass of the Trainer that people know, and two verbs, ``fine_tune`` and ``distill``.

Checkpoints, resuming, mixed precision, logging and many processes are the Trainer's. What is ours: the loss, and that a
run is either finished, resumable or not there. Taught in lesson 01; the same loop by hand in lesson 02.
"""

import logging
import math
import os
import shutil
from collections import defaultdict
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path

import torch
from datasets import Dataset
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase, Trainer, TrainingArguments
from transformers.trainer_callback import PrinterCallback
from transformers.trainer_pt_utils import LengthGroupedSampler

from tinykd import checkpoints, data, losses
from tinykd.adapters import adapted_by, merge, trainable_share
from tinykd.callbacks import Bar, Rarely, curves_of
from tinykd.embeddings import only_used
from tinykd.errors import DataError, ModelError, RunError, is_whole
from tinykd.files import check_place, clear_disk_errors, write_json
from tinykd.hardware import keep_memory, prefers_bf16, short_attention, with_dropout, without_old_garbage
from tinykd.internals import Layers
from tinykd.loading import quiet
from tinykd.manifest import sha256
from tinykd.models import check_length, save
from tinykd.objective import Objective, Weights
from tinykd.samples import DisagreementSampler, Dynamic, online

logger = logging.getLogger("tinykd")


@dataclass(frozen=True)
class Settings:
    """How to train one model. What concerns a teacher matters only where the samples bring its signals.

    ``batch_size`` counts the sentences of a step over all processes. ``alpha_end``, ``temperature_end`` and
    ``teacher_share_end`` make a straight line over the steps; without them the value stays. ``teacher_share`` is the
    article's joint target (``losses.joint_target``). ``heads`` are relation heads. ``dropout`` takes the place of the
    model's own while it trains: a student that imitates exact states learns them better with 0.
    """

    epochs: int = 3
    learning_rate: float = 1e-4
    batch_size: int = 32
    max_length: int = 128
    alpha: float = 0.5
    temperature: float = 2.0
    alpha_end: float | None = None
    temperature_end: float | None = None
    teacher_share: float = 1.0
    teacher_share_end: float | None = None
    weights: Weights = Weights()
    heads: int | None = None
    dropout: float | None = None
    dynamic: Dynamic | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse impossible values before hours of work, not after."""
        for name in ("learning_rate", "temperature", "temperature_end"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise ValueError(f"{name} is {value}; it must be above 0, and finite")
        for name in ("epochs", "batch_size", "max_length", "heads"):
            value = getattr(self, name)
            if value is not None and not is_whole(value, 1):
                raise ValueError(f"{name} is {value}; it must be a whole number, at least 1")
        if not 0 <= self.seed < 2**32:
            raise ValueError(f"seed is {self.seed}; it must lie between 0 and 2**32 - 1")
        for name in ("alpha", "alpha_end", "teacher_share", "teacher_share_end", "dropout"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1:
                raise ValueError(f"{name} is {value}; it must lie in [0, 1]")

    def at(self, done: float) -> dict[str, float]:
        """Return ``alpha``, ``temperature`` and ``teacher_share`` when the share ``done`` of all steps is done."""
        values = {}
        for name in ("alpha", "temperature", "teacher_share"):
            start, end = getattr(self, name), getattr(self, f"{name}_end")
            values[name] = start if end is None else start + (end - start) * done
        return values


class DistillationTrainer(Trainer):
    """A ``Trainer`` of an :class:`~tinykd.objective.Objective`, which brings its own losses."""

    def __init__(self, *args, settings: Settings, texts: str, **kwargs):
        """Take the Trainer's own arguments, how alpha, temperature and the choice of samples go, a digest of these."""
        super().__init__(*args, **kwargs)
        self.settings, self.texts = settings, texts
        self.model_accepts_loss_kwargs = False  # our losses are means over a batch already
        self.terms: dict[str, list[torch.Tensor]] = defaultdict(list)
        if settings.dynamic:
            self.data_collator = self._with_weight(self.data_collator)

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        """Return the loss of one batch; stop at the first that is not a number."""
        if several := self.accelerator.num_processes > 1:
            inputs, own = self._own_rows(inputs)
        outputs = model(**inputs, **self.settings.at(self.state.global_step / self.state.max_steps))
        loss = outputs["loss"]
        if not torch.isfinite(loss):
            raise RunError(
                f"the loss is {loss.item()} at step {self.state.global_step + 1}; the last good checkpoint, if there "
                f"was one, is kept in {self.args.output_dir}. Delete that and try a smaller learning rate than "
                f"{self.args.learning_rate:g}"
            )
        terms = {name: value for name, value in outputs.items() if name not in ("loss", "logits")}
        if several:
            terms = self._of_all_words(terms, inputs, own)
            loss = sum(getattr(self.settings.weights, name) * term for name, term in terms.items())
        for name, value in terms.items():
            self.terms[name].append(value.detach())
        return (loss, outputs) if return_outputs else loss

    def _own_rows(self, inputs: dict) -> tuple[dict, bool]:
        """Take away the rows that fill up the last step of an epoch: another process, or this one, trained on them.

        Of a step's rows each process has its part, in order. Where there is none for it, one row stays for the shape,
        and must not count.
        """
        size, step = self.args.per_device_train_batch_size, self.state.global_step
        whole = size * self.accelerator.num_processes
        left = len(self.train_dataset) - step % -(-len(self.train_dataset) // whole) * whole
        own = min(max(left - self.accelerator.process_index * size, 0), size)
        return {name: value[: max(own, 1)] for name, value in inputs.items()}, own > 0

    def _of_all_words(self, terms: dict[str, Tensor], inputs: dict, own: bool) -> dict[str, Tensor]:
        """Weight each loss so that its mean over the processes is the mean over what it counts in all of them."""
        words = (inputs["word_starts"] >= 0).sum()
        texts = words if inputs["labels"].dim() == 2 else torch.full_like(words, len(inputs["labels"]))
        counts = torch.stack([words, texts]) * float(own)
        shares = counts / self.accelerator.reduce(counts.clone(), "mean").clamp(min=1 / self.accelerator.num_processes)
        return {name: term * shares[int(name == "prediction")] for name, term in terms.items()}

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Log each loss by its name, beside their sum: one curve each in TensorBoard, W&B or trackio."""
        if "loss" in logs:
            means = {name: torch.stack(values).mean() for name, values in self.terms.items()}
            logs |= {name: self.accelerator.reduce(value, "mean").item() for name, value in means.items()}
            self.terms.clear()
        super().log(logs, start_time)

    def _get_grad_norm(self, model, grad_norm=None):
        return None  # we don't clip, and reading every gradient for a line in the log is a twentieth of a step

    def _get_train_sampler(self, train_dataset=None):
        # Every process sees the same order and takes its part: the same sentences a step, however many processes.
        size = self.settings.batch_size
        if self.settings.dynamic is None:
            self.sampler = _ByLength(size, lengths=self.train_dataset["length"][:])
            self.sampler.trainer = self
        else:
            self.sampler = DisagreementSampler(
                self.train_dataset,
                size,
                self.settings.dynamic,
                self.settings.seed,
                self._disagreement,
                lambda: self.state,
            )
        return self.sampler

    def _with_weight(self, collate):
        # Looked up while a batch is fetched. The loader is a batch ahead: the next draw may come before it is trained.
        def with_weight(rows: list[dict]) -> dict[str, Tensor]:
            return collate(rows) | {"weight": self.sampler.weight[[row["index"] for row in rows]]}

        return with_weight

    @torch.inference_mode()
    def _disagreement(self, rows: list[dict]) -> torch.Tensor:
        """(rows,), the mean over its words of T² KL(teacher ‖ student), of the student as it is now."""
        temperature = self.settings.at(self.state.global_step / self.state.max_steps)["temperature"]
        self.model.eval()
        batch = {key: value.to(self.args.device) for key, value in self.data_collator(rows).items()}
        batch.pop("weight")
        if "teacher_logits" not in batch:
            raise RunError("dynamic samples need the teacher's logits; make them with samples.with_teacher")
        with self.compute_loss_context_manager():
            logits = self.model(**batch)["logits"]
        self.model.train()
        divergence = temperature**2 * losses.kl_divergence(logits, batch["teacher_logits"], temperature)
        if divergence.dim() == 1:
            return divergence
        mask = batch["word_starts"] >= 0
        return (divergence * mask).sum(-1) / mask.sum(-1).clamp(min=1)

    def check_weights(self) -> None:
        """Raise if they are no longer numbers: what is saved is sound."""
        if not all(torch.isfinite(p).all() for p in self.model.parameters()):
            raise RunError(
                f"the weights are no longer numbers at step {self.state.global_step}; try a smaller learning rate"
            )

    def _save_checkpoint(self, model, trial):
        # A process can be killed while it writes; only a checkpoint that carries this mark was finished.
        self.check_weights()
        with clear_disk_errors(Path(self.args.output_dir)):
            super()._save_checkpoint(model, trial)
            self.accelerator.wait_for_everyone()
            if self.args.should_save:
                folder = Path(self._get_output_dir(trial)) / f"checkpoint-{self.state.global_step}"
                checkpoints.mark(folder, self.model.student, asdict(self.settings), self.texts)


class _ByLength(LengthGroupedSampler):
    """Sentences of like length together; the order comes from seed and step, so that a resumed run draws the same."""

    def __iter__(self):
        trainer = self.trainer
        self.generator = torch.Generator().manual_seed(1_000_003 * trainer.args.data_seed + trainer.state.global_step)
        return super().__iter__()


def fine_tune(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    train: Dataset,
    out: Path,
    settings: Settings,
    title: str = "fine-tuning",
    progress: bool = True,
    report_to: str = "none",
) -> PreTrainedModel:
    """Train ``model`` on the labels of ``train`` alone, and save it with its tokenizer in ``out``.

    An interrupted call, made again, goes on from its last checkpoint to the same final weights; a finished one only
    loads the result. ``out`` then also holds ``settings.json`` and ``log.json``, the curves of the losses.

    Args:
        train: columns ``tokens`` and ``labels``, or ``text`` and ``label``.
        out: folder of the finished model; checkpoints stand beside it until it is done.
        report_to: ``"tensorboard"``, ``"wandb"``, ``"trackio"``: the Trainer's own switch.

    Raises:
        RunError: the loss is no longer a number, ``out`` holds something else, or the disk is full.
    """
    kept = [c for c in train.column_names if not c.startswith("teacher_")]
    return distill(model, tokenizer, train.select_columns(kept), out, settings, title, progress, report_to)


def distill(
    student: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    train: Dataset,
    out: Path,
    settings: Settings,
    title: str = "distilling",
    progress: bool = True,
    report_to: str = "none",
    teacher: PreTrainedModel | None = None,
    teacher_layers: Layers = Layers(),
) -> PreTrainedModel:
    """Train ``student`` on labels and on what the teacher says; otherwise as :func:`fine_tune`.

    A model that ``adapters.adapt`` made trains only what it may, and is saved and returned merged, a plain model.

    Args:
        train: a transfer set of :func:`tinykd.samples.with_teacher`.
        teacher: asked at every step, if the samples bring no signals; needs the student's tokenizer
            and a table as long.
        teacher_layers: what to ask that teacher beside its logits; see ``Weights.teacher_layers``.
    """
    out, how = Path(out), adapted_by(student)
    unfinished = checkpoints.beside(out)
    if report_to in ("tensorboard", "wandb", "trackio") and find_spec(report_to) is None:
        raise RunError(f"{report_to} is not installed; run: pip install {report_to}")
    asked = asdict(settings) | ({"adapted_by": how} if how else {}) | {"texts": data.texts_digest(train)}
    check_place(out, "settings.json", *[checkpoints.WEIGHTS] * unfinished.exists())  # killed before it said which
    if (there := checkpoints.finished(out, asked, student, title)) is not None:
        return there
    with checkpoints.alone(unfinished, title):
        if (there := checkpoints.finished(out, asked, student, title)) is not None:  # by one that we waited for
            return there
        student.float()  # what was saved in half precision would lose its small steps
        encoded = data.encode(train, tokenizer, settings.max_length)
        if not len(encoded):
            raise DataError("there are no rows to train on")
        check_length(student, max(encoded["length"][:], default=0), settings.max_length)
        if settings.dynamic:
            encoded = encoded.add_column("index", list(range(len(encoded))))
        collate = data.collate(tokenizer, train)
        if teacher is not None:
            if settings.weights.prediction and teacher.config.id2label != student.config.id2label:
                raise ModelError(
                    "a teacher that is asked at every step must have the student's labels in the student's order; it "
                    f"has {', '.join(teacher.config.id2label.values())}. samples.with_teacher matches them by name"
                )
            if teacher.config.vocab_size != student.config.vocab_size:
                raise ModelError(
                    "a teacher that is asked at every step must read the student's word pieces; it knows "
                    f"{teacher.config.vocab_size}, the student {student.config.vocab_size}. Take samples.with_teacher"
                )
            collate = online(collate, teacher, teacher_layers)
        rows = only_used(student, encoded, tokenizer.pad_token_id)
        fast = short_attention(settings.max_length)
        with (
            rows,
            with_dropout(student, settings.dropout),
            quiet(),
            without_old_garbage(),
            fast,
            curves_of(out, report_to),
        ):
            torch.manual_seed(settings.seed)  # of a learned projection, too
            trainer = DistillationTrainer(
                model=Objective(student, settings.weights, _teacher_width(train, teacher), settings.heads),
                args=_arguments(out, settings, report_to),
                train_dataset=encoded,
                data_collator=collate,
                settings=settings,
                texts=asked["texts"],
            )
            trainer.remove_callback(PrinterCallback)
            trainer.add_callback(Rarely())
            if progress and trainer.is_world_process_zero():
                trainer.add_callback(Bar(title))
            if how:
                share = 100 * trainable_share(student)
                logger.info("%s: %s trains %.2f %% of the parameters", title, how["method"], share)
            keep_memory()
            trainer.train(resume_from_checkpoint=checkpoints.last_whole(unfinished, trainer))
        trainer.check_weights()
        student = (merge(student) if how else student).eval()
        if trainer.is_world_process_zero():
            save(student, tokenizer, out)
            write_json(out / "log.json", trainer.state.log_history)
            write_json(out / "settings.json", asked | {"sha256": sha256(out / checkpoints.WEIGHTS)})
            shutil.rmtree(unfinished, ignore_errors=True)
        trainer.accelerator.wait_for_everyone()
        return student


def _teacher_width(train: Dataset, teacher: PreTrainedModel | None) -> int | None:
    if "teacher_hidden_states" in train.column_names:
        return train.features["teacher_hidden_states"].shape[-1]
    return teacher.config.hidden_size if teacher is not None else None


def _arguments(out: Path, settings: Settings, report_to: str) -> TrainingArguments:
    processes = int(os.environ.get("WORLD_SIZE", 1))
    if settings.batch_size % processes:
        raise RunError(f"batch_size is {settings.batch_size}; it must be a multiple of the {processes} processes")
    arguments = TrainingArguments(
        output_dir=str(checkpoints.beside(out)),
        run_name="/".join(out.absolute().parts[-2:]),
        num_train_epochs=settings.epochs,
        learning_rate=settings.learning_rate,
        per_device_train_batch_size=settings.batch_size // processes,
        lr_scheduler_type="linear",
        warmup_steps=0.1,  # a share of all steps
        max_grad_norm=0.0,  # no clipping: it reads and writes every gradient once more, each step
        optim="adamw_torch_fused",
        bf16=prefers_bf16(),
        ddp_find_unused_parameters=not settings.weights.prediction,  # then nothing trains the head
        use_cpu=not torch.accelerator.is_available(),  # the Trainer wants to be told before it trusts a CPU with bf16
        remove_unused_columns=False,
        dataloader_pin_memory=False,
        save_strategy="epoch",
        save_total_limit=None,  # the Trainer would go by the clock, which can be set back; we go by the step
        logging_strategy="steps",
        logging_steps=0.02,  # a share of all steps: fifty points a curve
        logging_nan_inf_filter=False,
        report_to=report_to,
        disable_tqdm=True,  # our own bar has a title and shows the loss
        seed=settings.seed,
        data_seed=settings.seed,
    )
    arguments._n_gpu = min(arguments.n_gpu, 1)  # several are torchrun's; DataParallel cannot copy what is watched
    return arguments
