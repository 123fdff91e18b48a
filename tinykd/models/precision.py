"""Where a model runs, and in how many bits it computes: chosen once a run, written down, never guessed again.

A precision is ``"fp32"`` or ``"bf16"`` (autocast: matrix multiplications in bfloat16, the rest in float32). The
trainer, the store of teacher signals and an online teacher all take the one that the run's settings name. Lesson 02.
"""

import functools
import os
import time
from contextlib import AbstractContextManager

import torch
from torch import nn

from tinykd import _compat
from tinykd.errors import SettingError

PRECISIONS = ("fp32", "bf16")


def device() -> torch.device:
    """Return where models run, as for the Trainer: the accelerator, if there is one; under torchrun one per process."""
    if not torch.accelerator.is_available():
        return torch.device("cpu")
    kind, rank = torch.accelerator.current_accelerator().type, os.environ.get("LOCAL_RANK")
    return torch.device(kind) if rank is None else torch.device(kind, int(rank))


def placed(model: nn.Module) -> nn.Module:
    """Put a model where it runs, ready to predict; returns ``model`` itself."""
    first = next(model.parameters(), None)
    if model.training or (first is not None and first.device != device()):  # else a walk over all modules, for nothing
        with torch.inference_mode(False):  # a weight that is moved in that mode could never be trained again
            model.eval().to(device())
    return model


def autocast(precision: str) -> AbstractContextManager:
    """Return a context in which models compute in this precision.

    Raises:
        SettingError: an unknown precision.
    """
    check_precision(precision)
    return torch.autocast(device().type, torch.bfloat16, enabled=precision == "bf16")


def check_precision(precision: str) -> None:
    """Refuse a precision that is neither ``"fp32"`` nor ``"bf16"``.

    Raises:
        SettingError: names the two.
    """
    if precision not in PRECISIONS:
        raise SettingError(f"precision is {precision!r}; expected one of {', '.join(PRECISIONS)}")


@functools.cache
def best_precision() -> str:
    """Return ``"bf16"`` where training pays in it, else ``"fp32"``: a stopwatch decides on a processor, once.

    A CUDA device says whether it has bfloat16. A processor's flags are not enough: with AMX it trains about three times
    as fast as in float32, with AVX512-BF16 on an Intel processor without AMX half as fast, so a matrix multiplication
    of a layer's shape is timed (50 ms). Other accelerators get ``"fp32"``.
    """
    kind = device().type
    if kind == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    if kind != "cpu" or not _compat.cpu_has_bf16():
        return "fp32"
    return "bf16" if 1.2 * _seconds(torch.bfloat16) < _seconds(torch.float32) else "fp32"


def _seconds(dtype: torch.dtype) -> float:
    """Time the first feed-forward matrix of our teacher on 256 subword tokens; the best of ten counts."""
    tokens, matrix = torch.ones(256, 384, dtype=dtype), torch.ones(1536, 384, dtype=dtype)
    times = []
    for _ in range(10):
        start = time.perf_counter()
        nn.functional.linear(tokens, matrix)
        times.append(time.perf_counter() - start)
    return min(times)
