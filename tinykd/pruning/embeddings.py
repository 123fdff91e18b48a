"""A smaller embedding matrix: fewer subword tokens, or a lower rank. Taught in lesson 08.

:func:`prune_vocabulary` keeps the subword tokens that the texts of a domain use. :func:`factorize_embeddings` keeps
every token and stores each less precisely: the matrix E (tokens, width) becomes a product A B, with A (tokens, rank)
and B (rank, width), that minimizes ``Σ_v (n_v + 1) ‖E_v − A_v B‖²``, where n_v counts token v in the corpora. This is
the truncated singular value decomposition of the rows times ``√(n_v + 1)`` (Eckart and Young 1936; Hsu et al. 2022).
"""

import copy
import json
import tempfile
from collections import Counter
from itertools import chain
from pathlib import Path

import torch
from datasets import Dataset
from torch import nn
from transformers import AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from tinykd import models
from tinykd.data.encode import subwords_of_words
from tinykd.errors import DataError, ModelError, SettingError, is_whole
from tinykd.pruning.parts import reshaped, shape_of

MATRIX = "bert.embeddings.word_embeddings."


def prune_vocabulary(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, corpora: list[Dataset], size: int | None = None
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Return a copy of model and tokenizer that know only the subword tokens that ``corpora`` use. Taught in lesson 08.

    Special tokens and single characters (``a`` and ``##a``) stay in any case: a word whose token is gone is cut into
    smaller ones and never becomes [UNK]. The predictions on a text whose tokens all stay do not change.

    Args:
        model: with that tokenizer and a task head; it is left as it is.
        corpora: what is typical of the texts to come (never a test split); a column ``tokens`` or ``text`` each.
        size: how many tokens to keep: the most frequent, and if there is room, tokens that the corpora never use, in
            the order of the vocabulary (in BERT's, by frequency). By default all that are used.

    Raises:
        SettingError: a ``size`` that has no room for the tokens that must stay.
        ModelError: a tokenizer that is not WordPiece, or an embedding matrix that is not the plain one of its tokens.
        DataError: ``corpora`` is no list, or one has neither ``tokens`` nor ``text``.
    """
    vocabulary, must_stay = _wordpieces(tokenizer)
    _check_matrix(model, tokenizer)
    if size is not None and not is_whole(size, len(must_stay)):
        raise SettingError(f"size is {size}; special tokens and single characters alone are {len(must_stay)} tokens")
    counts = counts_of(corpora, tokenizer)
    others = [i for token, i in vocabulary.items() if i not in must_stay and not token.startswith("[unused")]
    others.sort(key=lambda i: (-counts[i], i))
    others = [i for i in others if counts[i]] if size is None else others[: size - len(must_stay)]
    kept = sorted(must_stay | set(others))
    new_id = {old: new for new, old in enumerate(kept)}
    return _smaller_model(model, kept, new_id), _smaller_tokenizer(tokenizer, new_id)


def factorize_embeddings(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, corpora: list[Dataset], rank: int
) -> PreTrainedModel:
    """Return a copy of ``model`` whose embedding matrix has this rank, and so few numbers. Taught in lesson 08.

    Cut the vocabulary before, not after; heads and neurons in any order. :func:`tinykd.training.distill` helps the
    model to recover; it does not train A (:class:`tinykd.models.pruned_bert.FactorizedEmbedding`).

    Args:
        model: a BERT with a task head, pruned before or not; it is left as it is.
        tokenizer, corpora: as for :func:`prune_vocabulary`.
        rank: from 1 to the model's width, or the size of its vocabulary where that is less.

    Raises:
        SettingError: a rank outside its range.
        ModelError: an embedding matrix that is factorized already, or another architecture.
    """
    heads, neurons = (list(counts) for counts in zip(*shape_of(model), strict=True))
    _check_matrix(model, tokenizer)
    matrix = model.get_input_embeddings().weight.detach().float().cpu()
    if not is_whole(rank, 1) or rank > min(matrix.shape):
        raise SettingError(f"rank is {rank}; it must lie between 1 and {min(matrix.shape)}, and be a whole number")
    counts = counts_of(corpora, tokenizer)
    root = torch.tensor([counts[token] + 1.0 for token in range(len(matrix))]).sqrt()[:, None]
    left, sizes, right = torch.linalg.svd(root * matrix, full_matrices=False)
    # A random rotation gives the columns of A similar lengths: one scale then suits them all when they are rounded.
    turn = torch.linalg.qr(torch.randn(rank, rank, generator=torch.Generator().manual_seed(0)))[0]
    narrow = left[:, :rank] * sizes[:rank] / root @ turn
    widen = turn.T @ right[:rank]
    weights = {name: weight for name, weight in model.state_dict().items() if name != f"{MATRIX}weight"}
    weights |= {f"{MATRIX}narrow.weight": narrow, f"{MATRIX}widen.weight": widen.T}
    return reshaped(model, {"heads_by_layer": heads, "neurons_by_layer": neurons, "embedding_rank": rank}, weights)


def counts_of(corpora: list[Dataset], tokenizer: PreTrainedTokenizerBase) -> Counter[int]:
    """Return how often each subword token, by its id, occurs in ``tokens`` or ``text``."""
    counts: Counter[int] = Counter()
    for corpus in corpora:
        if isinstance(corpora, Dataset) or not {"tokens", "text"} & set(corpus.column_names):
            raise DataError("subword tokens are counted in a list of corpora, each with a column tokens or text")
        column = "tokens" if "tokens" in corpus.column_names else "text"  # not the signals of a teacher
        for rows in corpus.select_columns(column).iter(1024):
            if column == "tokens":
                documents = [chain(*subwords) for subwords in subwords_of_words(rows["tokens"], tokenizer)]
            else:
                documents = tokenizer(rows["text"], add_special_tokens=False, verbose=False)["input_ids"]
            counts.update(chain(*documents))
    return counts


def _check_matrix(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Refuse a model whose embedding matrix is not the plain one of its tokenizer."""
    models.check_vocabulary(model, tokenizer)
    if rank := getattr(model.config, "embedding_rank", None):
        raise ModelError(f"the embedding matrix is factorized already, with rank {rank}; cut its vocabulary before")
    if models.is_prepared(model):
        raise ModelError("the embedding matrix is rounded while it runs; make it smaller before quantization")


def _wordpieces(tokenizer: PreTrainedTokenizerBase) -> tuple[dict[str, int], set[int]]:
    """Return a WordPiece vocabulary, and the ids of its special tokens and single characters, which must stay."""
    state = json.loads(tokenizer.backend_tokenizer.to_str()) if tokenizer.is_fast else {"model": {"type": "slow"}}
    if state["model"]["type"] != "WordPiece":
        raise ModelError(f"only WordPiece vocabularies can be cut, and this is {state['model']['type']}")
    vocabulary, mark = state["model"]["vocab"], state["model"]["continuing_subword_prefix"]
    special = {token["id"] for token in state["added_tokens"]} | {vocabulary[state["model"]["unk_token"]]}
    single = {i for token, i in vocabulary.items() if 1 in (len(token), len(token.removeprefix(mark)))}
    return vocabulary, special | single


def _smaller_model(model: PreTrainedModel, kept: list[int], new_id: dict[int, int]) -> PreTrainedModel:
    model = copy.deepcopy(model)
    for name, value in model.config.to_dict().items():
        if name.endswith("_token_id") and value in new_id:
            setattr(model.config, name, new_id[value])
    model.config.vocab_size = len(kept)
    model.config.name_or_path = model.name_or_path = ""  # what lies there has another vocabulary
    whole = model.get_input_embeddings().weight
    how = {"freeze": not whole.requires_grad, "padding_idx": model.config.pad_token_id}
    model.set_input_embeddings(nn.Embedding.from_pretrained(whole.detach()[kept], **how))
    return model


def _smaller_tokenizer(tokenizer: PreTrainedTokenizerBase, new_id: dict[int, int]) -> PreTrainedTokenizerBase:
    """Rewrite every id in the tokenizer's own file, and read it again."""
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.save_pretrained(folder)
        file = Path(folder) / "tokenizer.json"
        state = json.loads(file.read_text(encoding="utf-8"))
        vocabulary = state["model"]["vocab"]
        state["model"]["vocab"] = {token: new_id[i] for token, i in vocabulary.items() if i in new_id}
        for token in state["added_tokens"]:
            token["id"] = new_id[token["id"]]
        if state["padding"]:
            state["padding"]["pad_id"] = new_id[state["padding"]["pad_id"]]
        around = state["post_processor"] or {}  # what is put before and after a text, in one of two notations
        for token in around.get("special_tokens", {}).values():
            token["ids"] = [new_id[i] for i in token["ids"]]
        for name in {"cls", "sep"} & around.keys():
            around[name][1] = new_id[around[name][1]]
        file.write_text(json.dumps(state, ensure_ascii=False), encoding="utf-8")
        smaller = AutoTokenizer.from_pretrained(folder)
    smaller.name_or_path = ""
    return smaller
