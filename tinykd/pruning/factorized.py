"""A table of word pieces as a product of two smaller ones. Taught in lesson 07.

To cut pieces is to take words from the model: names that a corpus does not know fall into letters. A table of lower
rank keeps all the words, and says a little less of each.
"""

import torch
from datasets import Dataset
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tinykd.errors import ModelError, is_whole
from tinykd.pruning.parts import reshaped, shape_of
from tinykd.pruning.vocabulary import counts_of

TABLE = "bert.embeddings.word_embeddings."


def factorize_table(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, corpora: list[Dataset], rank: int
) -> PreTrainedModel:
    """Return a copy of ``model`` whose table of word pieces has this rank, and so few numbers. Taught in lesson 07.

    The table E (pieces, width) becomes a product A B, with A (pieces, rank) and B (rank, width), and of all such
    products it is the one with the smallest ``Σ_v (n_v + 1) ‖E_v − A_v B‖²``, where n_v is how often the corpora use
    piece v; those that the tokenizer puts around a text are in no corpus, and count 0. That is the truncated singular
    value decomposition of the rows times ``√(n_v + 1)`` (Eckart and Young 1936; for a language model, with other
    weights, Hsu et al. 2022). Without the weights, rare pieces, of which there are most, decide what is kept. ``A R``
    and ``Rᵀ B``, with any rotation R, are the same product; a random one gives the columns of A like lengths, so that
    one scale serves them all when the table is rounded to 8 bits.

    Cut the vocabulary before, not after; heads and neurons in any order. :func:`tinykd.training.distill` helps the
    model to recover: B and the layers learn, A stays (:class:`tinykd.pruned_bert.FactorizedTable`).

    Args:
        model: a BERT with a task head, pruned before or not; it is left as it is.
        tokenizer: the model's.
        corpora: what is typical of the texts to come (never a test split); a column ``tokens`` or ``text`` each.
        rank: from 1 to the model's width, or the number of its pieces where that is less.

    Raises:
        ModelError: a rank outside its range, a table that is factorized already, or another architecture.
    """
    shapes = shape_of(model)
    if getattr(model.config, "table_rank", None):
        raise ModelError(f"the table of this model is factorized already, with rank {model.config.table_rank}")
    table = model.get_input_embeddings().weight.detach().float().cpu()
    if not is_whole(rank, 1) or rank > min(table.shape):
        raise ModelError(f"rank is {rank}; it must lie between 1 and {min(table.shape)}, and be a whole number")
    counts = counts_of(corpora, tokenizer)
    root = torch.tensor([counts[piece] + 1.0 for piece in range(len(table))]).sqrt()[:, None]
    left, sizes, right = torch.linalg.svd(root * table, full_matrices=False)
    turn = torch.linalg.qr(torch.randn(rank, rank, generator=torch.Generator().manual_seed(0)))[0]
    pieces = left[:, :rank] * sizes[:rank] / root @ turn
    widen = turn.T @ right[:rank]
    weights = {name: weight for name, weight in model.state_dict().items() if name != f"{TABLE}weight"}
    weights |= {f"{TABLE}pieces.weight": pieces, f"{TABLE}widen.weight": widen.T}
    heads, neurons = (list(counts) for counts in zip(*shapes, strict=True))
    return reshaped(model, {"heads_by_layer": heads, "neurons_by_layer": neurons, "table_rank": rank}, weights)
