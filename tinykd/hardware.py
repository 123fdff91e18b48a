"""What training asks of the machine: to keep its memory, not to look for garbage; what is fast on it, what is slow."""

import contextlib
import ctypes
import functools
import gc
import platform
import time
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel


def keep_memory() -> None:
    """Let the C library keep what a step frees, because the next step takes as much again.

    The gradient of a word-piece table is a block of 47 MB: glibc gives such blocks back to the system, which clears
    them anew at every step. Keeping them saves a tenth of a step's time. Does nothing where the C library is another.
    """
    if platform.libc_ver()[0] == "glibc":
        c_library = ctypes.CDLL(None)
        c_library.mallopt(-3, 2**30)  # M_MMAP_THRESHOLD: blocks up to 1 GiB come from the heap …
        c_library.mallopt(-1, 2**31 - 1)  # M_TRIM_THRESHOLD: … and go back to it


@contextlib.contextmanager
def without_old_garbage() -> Iterator[None]:
    """Keep the garbage collector away from all that exists already, unless somebody has done so before.

    The Trainer calls the collector when it ends, and that looks at every object of every library: half a second.
    """
    if gc.get_freeze_count():
        yield
        return
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


@contextlib.contextmanager
def short_attention(length: int) -> Iterator[None]:
    """Compute attention over at most 128 word pieces in bfloat16 as plain products, not in PyTorch's fused kernel.

    On a processor that kernel is slow backwards: forwards and backwards through a layer, with 8 sentences of 16 pieces,
    take 5.3 ms in it and 1.0 ms in plain products; from 256 pieces on, and in float32, the kernel is the faster one.
    (With dropout there is no such kernel on a processor, and products are what one gets.)
    """
    plain = length <= 128 and prefers_bf16() and not torch.cuda.is_available()
    with sdpa_kernel(SDPBackend.MATH) if plain else contextlib.nullcontext():
        yield


def dropout(x: Tensor, share: float) -> Tensor:
    """Set about ``share`` of the numbers to zero and divide the others by what is kept; for processors.

    PyTorch draws a random number for each and does it with one thread: a quarter of the time of training. One draw of
    64 bits is enough for four numbers, at the price that ``share`` is rounded to a multiple of 1/65536. Lesson 02
    trains with it by hand.

    Args:
        x: of any shape; what comes back has its shape and precision.
        share: above 0 and below 1.
    """
    draws = torch.empty(-(-x.numel() // 4), dtype=torch.int64).random_(-(2**63), None)
    drawn = draws.view(torch.int16)[: x.numel()].view(x.shape)
    kept = drawn >= round(2**16 * share) - 2**15
    return x * kept.to(x.dtype).div_(1 - share)


@functools.cache
def prefers_bf16() -> bool:
    """Whether training in bfloat16 pays: the processor multiplies it in hardware, and clearly faster than float32.

    The processor's flags are not enough: with AMX it trains about three times as fast as in float32, with AVX512-BF16
    on an Intel processor without AMX half as fast. So a product of a layer's shape is timed, once a process (50 ms).
    """
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if not (torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()):
        return False
    return 1.2 * _seconds_a_product(torch.bfloat16) < _seconds_a_product(torch.float32)


def _seconds_a_product(dtype: torch.dtype) -> float:
    """Time the first feed-forward matrix of our teacher on 256 word pieces; the best of ten counts."""
    pieces, matrix = torch.ones(256, 384, dtype=dtype), torch.ones(1536, 384, dtype=dtype)
    times = []
    for _ in range(10):
        start = time.perf_counter()
        torch.nn.functional.linear(pieces, matrix)
        times.append(time.perf_counter() - start)
    return min(times)
