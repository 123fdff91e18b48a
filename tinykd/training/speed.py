"""What makes training on a processor faster; off unless ``Settings.speed`` is set. Taught in lesson 03.

Nothing here changes what is computed, up to rounding. The gains are those of ``benchmarks/speed.py`` (spread: 15 %).
"""

import contextlib
from collections.abc import Iterator
from itertools import chain

import torch
from datasets import Dataset
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tinykd.models.precision import device
from tinykd.training.settings import Settings


@contextlib.contextmanager
def fast(
    model: PreTrainedModel, encoded: Dataset, tokenizer: PreTrainedTokenizerBase, settings: Settings
) -> Iterator[None]:
    """Within this context ``model`` trains faster on ``encoded`` (of ``data.encode``); afterwards all is as it was.

    In bf16, PyTorch's fused attention is slower on short texts than plain matrix multiplications, which bring 24 %.
    """
    with contextlib.ExitStack() as tricks:
        tricks.enter_context(only_used(model, encoded, tokenizer.pad_token_id))
        if device().type == "cpu" and settings.precision == "bf16" and settings.max_length <= 128:
            tricks.enter_context(sdpa_kernel(SDPBackend.MATH))
        yield


class UsedRows(nn.Module):
    """An embedding of the subword tokens ``used`` (ascending ids) of a whole ``matrix``: (len(used), width)."""

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
        """(…) ids to (…, width). Outside training, tokens that are not used get the vectors of the whole matrix."""
        rows = self.row_of[input_ids]
        own = rows >= 0
        if self.training or own.all():
            return F.embedding(rows, self.weight, self.padding)
        others = self.whole[0].to(self.weight.device)(input_ids)
        return F.embedding(rows.clamp(min=0), self.weight).where(own[..., None], others)


@contextlib.contextmanager
def only_used(model: PreTrainedModel, encoded: Dataset, padding: int) -> Iterator[None]:
    """Within this context ``model`` trains only the rows of its embedding matrix that ``encoded`` uses: 30 % faster.

    Over half of a small BERT is the matrix of its 30,522 subword tokens, and a corpus uses a few thousand. Adam without
    weight decay leaves all other rows as they are, but still reads and writes them. The trained weights are the same to
    the last bit. A matrix that is frozen, shared with another layer, or does more than look up is left alone.
    ``padding`` is the id of the padding token.
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
