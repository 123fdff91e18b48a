"""How to train one model: every value that its numbers depend on. Taught in lesson 01."""

import math
import os
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import torch
from transformers import TrainingArguments

from tinykd import _compat
from tinykd.errors import SettingError, is_whole
from tinykd.models.precision import check_precision
from tinykd.samples.dynamic import Dynamic
from tinykd.training.objective import Weights

_ABOVE_0 = (lambda x: 0 < x < math.inf, "above 0, and finite")
_COUNT = (lambda x: is_whole(x, 1), "a whole number, at least 1")
_SHARE = (lambda x: 0 <= x <= 1, "in [0, 1]")
_RANGES = {
    **dict.fromkeys(("learning_rate", "temperature", "temperature_end"), _ABOVE_0),
    **dict.fromkeys(("epochs", "batch_size", "max_length", "relation_heads"), _COUNT),
    **dict.fromkeys(("alpha", "alpha_end", "mixing", "mixing_end", "dropout"), _SHARE),
    "max_grad_norm": (lambda x: 0 <= x < math.inf, "at least 0, and finite"),
    "seed": (lambda x: is_whole(x, 0) and x < 2**32, "a whole number from 0 to 2**32 - 1"),
}

REPORTS = ("none", "tensorboard", "wandb", "trackio")


@dataclass(frozen=True)
class Settings:
    """How to train one model.

    ``batch_size`` counts the rows of a step over all processes. ``alpha`` is the weight of the labels, ``temperature``
    the T of both models' distributions, ``mixing`` the λ of the article's joint target (``losses.joint_target``; 1 is
    the teacher alone). ``alpha_end``, ``temperature_end`` and ``mixing_end`` make a straight line over the steps.
    ``layer_map`` and ``relation_heads`` are those of :class:`tinykd.training.Weights` and ``losses.relations``.
    ``dropout`` takes the place of the model's own while it trains. ``max_grad_norm`` clips gradients; 0 does not.
    ``precision`` is ``"fp32"`` or ``"bf16"``. ``speed`` switches :mod:`tinykd.training.speed` on. ``report_to`` is the
    Trainer's own switch (``"tensorboard"``, ``"wandb"``, ``"trackio"``), and the one field that no number depends on.
    A value that cannot be is a SettingError, before hours of work and not after.
    """

    epochs: int = 3
    learning_rate: float = 1e-4
    batch_size: int = 32
    max_length: int = 128
    alpha: float = 0.5
    temperature: float = 2.0
    mixing: float = 1.0
    alpha_end: float | None = None
    temperature_end: float | None = None
    mixing_end: float | None = None
    weights: Weights = Weights()
    layer_map: str | tuple[int, ...] = "uniform"
    relation_heads: int | None = None
    dropout: float | None = None
    dynamic: Dynamic | None = None
    max_grad_norm: float = 0.0
    precision: str = "fp32"
    speed: bool = False
    report_to: str = "none"
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        for field in fields(self):
            fits, expected = _RANGES.get(field.name, (lambda value: True, ""))
            value = getattr(self, field.name)
            if not (value is None and field.default is None) and not fits(value):
                raise SettingError(f"{field.name} is {value}; it must be {expected}")
        check_precision(self.precision)
        if self.report_to not in REPORTS:
            raise SettingError(f"report_to is {self.report_to!r}; expected one of {', '.join(REPORTS)}")

    def at(self, done: float) -> dict[str, float]:
        """Return ``alpha``, ``temperature`` and ``mixing`` when the share ``done`` of all steps is done."""
        values = {}
        for name in ("alpha", "temperature", "mixing"):
            start, end = getattr(self, name), getattr(self, f"{name}_end")
            values[name] = start if end is None else start + (end - start) * done
        return values

    def facts(self) -> dict:
        """Return what the numbers of a run depend on, for its note."""
        return {name: value for name, value in asdict(self).items() if name != "report_to"}


def arguments(out: Path, unfinished: Path, settings: Settings) -> TrainingArguments:
    """Return the Trainer's arguments; a SettingError for a ``batch_size`` that several processes cannot share."""
    processes = int(os.environ.get("WORLD_SIZE", 1))
    if settings.batch_size % processes:
        raise SettingError(f"batch_size is {settings.batch_size}; it must be a multiple of the {processes} processes")
    return _compat.one_device(
        TrainingArguments(
            output_dir=str(unfinished),
            run_name="/".join(out.absolute().parts[-2:]),
            num_train_epochs=settings.epochs,
            learning_rate=settings.learning_rate,
            per_device_train_batch_size=settings.batch_size // processes,
            warmup_steps=0.1,  # a share of all steps; then a straight line to 0
            max_grad_norm=settings.max_grad_norm,
            optim="adamw_torch_fused",
            bf16=settings.precision == "bf16",
            ddp_find_unused_parameters=not settings.weights.prediction,  # then nothing trains the head
            use_cpu=not torch.accelerator.is_available(),  # without this it refuses bf16 on a processor
            remove_unused_columns=False,
            dataloader_pin_memory=False,
            save_strategy="epoch",
            logging_steps=0.02,  # a share of all steps: fifty points per curve
            logging_nan_inf_filter=False,
            report_to=settings.report_to,
            disable_tqdm=True,  # our own bar has a title and shows the loss
            seed=settings.seed,
            data_seed=settings.seed,
        )
    )
