"""The table of word pieces while a model trains: only the rows that its samples use.

Over half of a small BERT is the table of its 30,522 pieces, and a corpus uses a few thousand. The gradient of every
other row is zero in every step, and Adam without weight decay leaves such a row where it is. It costs all the same: the
zeros are written, and the optimizer reads and writes the row and its two averages. So we train the used rows alone and
put them back. The weights that come out are the same to the last bit. Taught in lesson 03.

A factorized table (lesson 07) is another matter. A corpus would move the rows that it uses, and those of all other
words would stay behind: there, only the matrix trains that moves all rows alike.
"""

import contextlib
from collections.abc import Iterator
from itertools import chain

import torch
import torch.nn.functional as F
from datasets import Dataset
from torch import Tensor, nn
from transformers import PreTrainedModel

from tinykd.pruned_bert import FactorizedTable


class UsedRows(nn.Module):
    """Stands for ``table`` where only the pieces ``used`` (ids, ascending) occur; ``weight`` is (len(used), width)."""

    def __init__(self, table: nn.Embedding, used: Tensor):
        super().__init__()
        self.weight = nn.Parameter(table.weight.detach()[used])
        row_of = torch.full((table.num_embeddings,), -1)
        row_of[used] = torch.arange(len(used))
        self.padding = None if table.padding_idx is None else int(row_of[table.padding_idx])
        self.register_buffer("row_of", row_of, persistent=False)
        self.whole = (table,)  # in a tuple, or it would be a part of the model, trained and saved

    def forward(self, input_ids: Tensor) -> Tensor:
        """Look the pieces up; in training, one that is not among ``used`` is an index error.

        Who scores the model between two epochs reads other texts: then every other piece is as the table has it.
        """
        rows = self.row_of[input_ids]
        own = rows >= 0
        if self.training or own.all():
            return F.embedding(rows, self.weight, self.padding)
        others = self.whole[0].to(self.weight.device)(input_ids)
        return F.embedding(rows.clamp(min=0), self.weight).where(own[..., None], others)


@contextlib.contextmanager
def only_used(model: PreTrainedModel, encoded: Dataset, padding: int) -> Iterator[None]:
    """Within this context ``model`` trains only the pieces that ``encoded`` uses, and that which pads a batch.

    Nothing happens to a table that does not train, that another layer shares, or that does more than look up. Of a
    factorized table the rows do not train.

    Args:
        encoded: what it will be trained on, as ``data.encode`` gives it.
        padding: the id of the padding piece.
    """
    table, head = model.get_input_embeddings(), model.get_output_embeddings()
    if isinstance(table, FactorizedTable):
        table.pieces.weight.requires_grad_(False)
    shared = head is not None and head.weight is table.weight
    plain = type(table) is nn.Embedding and table.max_norm is None and not table.scale_grad_by_freq
    if shared or not plain or not table.weight.requires_grad:
        yield
        return
    needed = {padding}
    for rows in encoded.select_columns("input_ids").iter(4096):
        needed.update(chain(*rows["input_ids"]))
    used = torch.tensor(sorted(needed))
    rows = UsedRows(table, used).train(model.training)
    model.set_input_embeddings(rows)
    try:
        yield
    finally:
        table.to(rows.weight.device)
        with torch.no_grad():
            table.weight[used.to(table.weight.device)] = rows.weight
        model.set_input_embeddings(table)
