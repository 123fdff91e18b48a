"""What training asks of the machine: to keep its memory, not to look for garbage; what is fast on it, what is slow."""

import contextlib
import ctypes
import functools
import gc
import os
import platform
import time
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS


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
    kept = drawn >= min(round(2**16 * share), 2**16 - 1) - 2**15
    return x * kept.to(x.dtype).div_(1 - share)


def attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    **others,
) -> tuple[Tensor, None]:
    """Attend as PyTorch's ``scaled_dot_product_attention`` does, with our :func:`dropout`; for processors.

    With dropout PyTorch has no fused kernel on a processor: it computes the products below and draws a number for each
    weight with one thread. What this is not made for (nothing to drop, a causal mask, a bias of positions) goes to the
    library's function. Equation 1 of Vaswani et al. (2017); lesson 03 shows its parts.

    Args:
        module: the layer that asks.
        query, key, value: ``(batch, heads, pieces, head width)``.
        attention_mask: ``True`` where a piece may be looked at, ``(batch, 1, pieces, pieces)``; ``None``: everywhere.
        scaling: what the scores are multiplied by; ``None``: one over the root of the head's width.
        others: what else transformers tells an attention function, among it ``dropout``, the share of weights to lose.

    Returns:
        The mixed values, ``(batch, pieces, heads, head width)``, and ``None`` in place of the weights.
    """
    share, causal = others.get("dropout", 0.0), others.get("is_causal")
    causal = getattr(module, "is_causal", True) if causal is None else causal
    plain = query.device.type == "cpu" and query.shape == key.shape and others.get("position_bias") is None
    boolean = attention_mask is None or attention_mask.dtype == torch.bool
    if causal or not (plain and boolean and 0 < share < 1):
        return sdpa_attention_forward(module, query, key, value, attention_mask, scaling=scaling, **others)
    scores = query * (scaling or query.shape[-1] ** -0.5) @ key.transpose(-1, -2)
    if attention_mask is not None:
        nowhere = torch.finfo(scores.dtype).min
        scores = scores + torch.zeros(attention_mask.shape, dtype=scores.dtype).masked_fill_(~attention_mask, nowhere)
    weights = dropout(scores.softmax(-1, dtype=scores.dtype), share)  # autocast would make them float32
    return (weights @ value).transpose(1, 2).contiguous(), None


@contextlib.contextmanager
def with_dropout(model: PreTrainedModel, share: float | None) -> Iterator[None]:
    """Give every dropout of ``model`` this share while it trains, then its own again; ``None`` changes none.

    On a processor it draws as :func:`dropout` does, in attention too.
    """
    found = [module for module in model.modules() if isinstance(module, nn.Dropout)]
    own = [module.p for module in found]
    for module in found:
        module.p = module.p if share is None else share
        module.forward = functools.partial(_drop, module)
    before, ALL_ATTENTION_FUNCTIONS["sdpa"] = ALL_ATTENTION_FUNCTIONS["sdpa"], attention
    try:
        yield
    finally:
        for module, p in zip(found, own, strict=True):
            module.p = p
            module.__dict__.pop("forward", None)
        del ALL_ATTENTION_FUNCTIONS["sdpa"]  # the library's is below it
        if ALL_ATTENTION_FUNCTIONS["sdpa"] is not before:  # somebody had laid another one over it
            ALL_ATTENTION_FUNCTIONS["sdpa"] = before


def _drop(module: nn.Dropout, x: Tensor) -> Tensor:
    ours = module.training and 0 < module.p < 1 and x.device.type == "cpu"
    return dropout(x, module.p) if ours else nn.Dropout.forward(module, x)


def device() -> torch.device:
    """Return where models run, as for the Trainer: the accelerator, if there is one; under torchrun one a process."""
    if not torch.accelerator.is_available():
        return torch.device("cpu")
    kind, rank = torch.accelerator.current_accelerator().type, os.environ.get("LOCAL_RANK")
    return torch.device(kind) if rank is None else torch.device(kind, int(rank))


def placed(model: nn.Module) -> nn.Module:
    """Put a model where it runs, ready to answer; returns ``model`` itself."""
    with torch.inference_mode(False):  # a weight that is moved in that mode could never be trained again
        return model.eval().to(device())


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
