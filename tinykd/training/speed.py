"""What makes training on a processor faster; off unless ``Settings.speed`` is set. The figures are those of
``benchmarks/speed.py``, which leaves out one trick at a time. Taught in lesson 03.

Nothing here changes what is computed: the weights are the same, to the last bit or to the order of random numbers.
"""

import contextlib
import ctypes
import functools
import gc
import platform
from collections.abc import Iterator
from itertools import chain

import torch
from datasets import Dataset
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tinykd import _compat
from tinykd.models.precision import device
from tinykd.training.settings import Settings


@contextlib.contextmanager
def fast(
    model: PreTrainedModel, encoded: Dataset, tokenizer: PreTrainedTokenizerBase, settings: Settings
) -> Iterator[None]:
    """Within this context ``model`` trains faster on ``encoded`` (of ``data.encode``); afterwards all is as it was.

    The C library's allocator alone stays as :func:`keep_memory` set it, until the process ends.
    """
    with contextlib.ExitStack() as tricks:
        tricks.enter_context(only_used(model, encoded, tokenizer.pad_token_id))
        if device().type == "cpu":
            keep_memory()
            tricks.enter_context(without_old_garbage())
            tricks.enter_context(fast_dropout(model))
            if settings.precision == "bf16" and settings.max_length <= 128:
                tricks.enter_context(sdpa_kernel(SDPBackend.MATH))  # short_attention
        yield


def keep_memory() -> None:
    """Let the C library keep what a step frees, because the next step takes as much again.

    The gradient of an embedding matrix is a block of 47 MB: glibc gives such blocks back to the system, which clears
    them anew at every step. Does nothing where the C library is another.
    """
    if platform.libc_ver()[0] == "glibc":
        c_library = ctypes.CDLL(None)
        c_library.mallopt(-3, 2**30)  # M_MMAP_THRESHOLD: blocks up to 1 GiB come from the heap …
        c_library.mallopt(-1, 2**31 - 1)  # M_TRIM_THRESHOLD: … and go back to it


@contextlib.contextmanager
def without_old_garbage() -> Iterator[None]:
    """Keep the garbage collector away from all that exists already, unless the program has done so before.

    The Trainer calls the collector when it ends, and that looks at every object of every library: half a second.
    """
    ours = not gc.get_freeze_count()
    if ours:
        gc.freeze()
    try:
        yield
    finally:
        if ours:
            gc.unfreeze()


def dropout(x: Tensor, share: float) -> Tensor:
    """Set about ``share`` of the numbers to zero and divide the others by what is kept; for processors.

    PyTorch draws a random number for each and does it with one thread: a quarter of the time of training. One draw of
    64 bits is enough for four numbers, at the price that ``share`` is rounded to a multiple of 1/65536.

    Args:
        x: of any shape; what comes back has its shape and precision.
        share: above 0 and below 1.
    """
    draws = torch.empty(-(-x.numel() // 4), dtype=torch.int64).random_(-(2**63), None)
    drawn = draws.view(torch.int16)[: x.numel()].view(x.shape)
    kept = drawn >= min(round(2**16 * share), 2**16 - 1) - 2**15
    return x * kept.to(x.dtype).div_(1 - share)


def attention(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **others
) -> tuple[Tensor, None]:
    """Attend as PyTorch's ``scaled_dot_product_attention`` does, with our :func:`dropout`; for processors.

    With dropout PyTorch has no fused kernel on a processor: it computes the matrix multiplications below and draws a
    number for each weight with one thread. What this is not made for (nothing to drop, a causal mask, a bias of
    positions) goes to the library's function. Equation 1 of Vaswani et al. (2017); lesson 03 shows its parts.

    Args:
        module: the layer that attends.
        query, key, value: ``(batch, heads, length, head width)``.
        attention_mask: ``True`` where a token may be looked at, ``(batch, 1, length, length)``; ``None``: everywhere.
        others: what else transformers gives an attention function, among it ``dropout``, the share of weights to lose,
            and ``scaling``, by default one over the root of the head's width.

    Returns:
        The mixed values, ``(batch, length, heads, head width)``, and ``None`` in place of the weights.
    """
    share, causal = others.get("dropout", 0.0), others.get("is_causal")
    causal = getattr(module, "is_causal", True) if causal is None else causal
    plain = query.device.type == "cpu" and query.shape == key.shape and others.get("position_bias") is None
    boolean = attention_mask is None or attention_mask.dtype == torch.bool
    if causal or not (plain and boolean and 0 < share < 1):
        return _compat.sdpa_attention(module, query, key, value, attention_mask, **others)
    scores = query * (others.get("scaling") or query.shape[-1] ** -0.5) @ key.transpose(-1, -2)
    if attention_mask is not None:
        nowhere = torch.finfo(scores.dtype).min
        scores = scores + torch.zeros(attention_mask.shape, dtype=scores.dtype).masked_fill_(~attention_mask, nowhere)
    weights = dropout(scores.softmax(-1, dtype=scores.dtype), share)  # autocast would make them float32
    return (weights @ value).transpose(1, 2).contiguous(), None


@contextlib.contextmanager
def fast_dropout(model: PreTrainedModel) -> Iterator[None]:
    """Within this context ``model`` draws as :func:`dropout` does, in attention too."""
    modules = [module for module in model.modules() if isinstance(module, nn.Dropout)]
    for module in modules:
        module.forward = functools.partial(_drop, module)
    try:
        with _compat.attention_function(attention):
            yield
    finally:
        for module in modules:
            del module.forward


def _drop(module: nn.Dropout, x: Tensor) -> Tensor:
    ours = module.training and 0 < module.p < 1 and x.device.type == "cpu"
    return dropout(x, module.p) if ours else nn.Dropout.forward(module, x)


class UsedRows(nn.Module):
    """Stands for an embedding ``matrix`` where only the subword tokens ``used`` (ids, ascending) occur.

    ``weight`` is (len(used), width).
    """

    def __init__(self, matrix: nn.Embedding, used: Tensor):
        super().__init__()
        self.weight = nn.Parameter(matrix.weight.detach()[used])
        row_of = torch.full((matrix.num_embeddings,), -1)
        row_of[used] = torch.arange(len(used))
        padding = -1 if matrix.padding_idx is None else int(row_of[matrix.padding_idx])
        self.padding = None if padding < 0 else padding  # -1 would be the last row, and freeze it
        self.register_buffer("row_of", row_of, persistent=False)
        self.whole = (matrix,)  # in a tuple, or it would be a part of the model, trained and saved

    def forward(self, input_ids: Tensor) -> Tensor:
        """Look the tokens up; in training, one that is not among ``used`` is an index error.

        Scoring between two epochs reads other texts: then every other token is as the whole matrix has it.
        """
        rows = self.row_of[input_ids]
        own = rows >= 0
        if self.training or own.all():
            return F.embedding(rows, self.weight, self.padding)
        others = self.whole[0].to(self.weight.device)(input_ids)
        return F.embedding(rows.clamp(min=0), self.weight).where(own[..., None], others)


@contextlib.contextmanager
def only_used(model: PreTrainedModel, encoded: Dataset, padding: int) -> Iterator[None]:
    """Within this context ``model`` trains only the rows of its embedding matrix that ``encoded`` uses.

    Over half of a small BERT is the matrix of its 30,522 subword tokens, and a corpus uses a few thousand. The gradient
    of every other row is zero in every step, and Adam without weight decay leaves such a row where it is. It costs all
    the same: the zeros are written, and the optimizer reads and writes the row and its two averages. So we train the
    used rows alone and put them back. The weights that come out are the same to the last bit.

    Nothing happens to a matrix that does not train, that another layer shares, or that does more than look up.

    Args:
        padding: the id of the padding token.
    """
    matrix, head = model.get_input_embeddings(), model.get_output_embeddings()
    shared = head is not None and head.weight is matrix.weight
    plain = type(matrix) is nn.Embedding and matrix.max_norm is None and not matrix.scale_grad_by_freq
    if shared or not plain or not matrix.weight.requires_grad:
        yield
        return
    needed = {padding}
    for rows in encoded.select_columns("input_ids").iter(4096):
        needed.update(chain(*rows["input_ids"]))
    used = torch.tensor(sorted(needed))
    rows = UsedRows(matrix, used).train(model.training)
    model.set_input_embeddings(rows)
    try:
        yield
    finally:
        matrix.to(rows.weight.device)
        with torch.no_grad():
            matrix.weight[used.to(matrix.weight.device)] = rows.weight
        model.set_input_embeddings(matrix)
