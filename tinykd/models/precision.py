"""Where a model runs, and in which precision. Taught in lesson 02.

A precision is ``"fp32"`` or ``"bf16"`` (autocast: matrix multiplications in bfloat16, the rest in float32).
"""

import functools
import os
import timeit
from contextlib import AbstractContextManager

import torch
from torch import nn

from tinykd import _compat
from tinykd.errors import SettingError

PRECISIONS = ("fp32", "bf16")


def device() -> torch.device:
    """Return where models run, as for the Trainer: the processor, or an accelerator; under torchrun one per process."""
    if not torch.accelerator.is_available():
        return torch.device("cpu")
    kind, rank = torch.accelerator.current_accelerator().type, os.environ.get("LOCAL_RANK")
    return torch.device(kind) if rank is None else torch.device(kind, int(rank))


def placed(model: nn.Module) -> nn.Module:
    """Put a model where it runs, ready to predict; returns ``model`` itself."""
    if model.training or next(model.parameters()).device != device():
        with torch.inference_mode(False):  # a weight that is moved in that mode could never be trained again
            model.eval().to(device())
    return model


def autocast(precision: str) -> AbstractContextManager:
    """Return a context in which models compute in this precision; a SettingError if it is unknown."""
    check_precision(precision)
    return torch.autocast(device().type, torch.bfloat16, enabled=precision == "bf16")


def check_precision(precision: str) -> None:
    """Raise a SettingError for a precision that is neither ``"fp32"`` nor ``"bf16"``."""
    if precision not in PRECISIONS:
        raise SettingError(f"precision is {precision!r}; expected one of {', '.join(PRECISIONS)}")


@functools.cache
def best_precision() -> str:
    """Return ``"bf16"`` where training is faster in it, else ``"fp32"``.

    On a processor a matrix multiplication is timed (50 ms), because its flags are not enough: bf16 is three times as
    fast as fp32 with AMX, and half as fast with only AVX512-BF16. Accelerators other than CUDA get ``"fp32"``.
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
    return min(timeit.repeat(lambda: nn.functional.linear(tokens, matrix), number=1, repeat=10))
