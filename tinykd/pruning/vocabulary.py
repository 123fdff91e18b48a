"""Cut the pieces that a corpus does not need out of a vocabulary and its embedding. Taught in lesson 07.

Over half of a small BERT is the table of its 30,522 pieces. A domain uses a few thousand of them.
"""

import copy
import json
import tempfile
from collections import Counter
from itertools import chain
from pathlib import Path

from datasets import Dataset
from torch import nn
from transformers import AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from tinykd import models
from tinykd.data.encode import pieces_of_words
from tinykd.errors import DataError, ModelError, is_whole


def prune_vocabulary(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    corpora: list[Dataset],
    size: int | None = None,
    at_least: int | None = None,
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Return a copy of model and tokenizer that know only the pieces that ``corpora`` use. Taught in lesson 07.

    Special tokens and single characters (``a`` and ``##a``) stay in any case, so that a word whose piece is gone falls
    into smaller ones and never becomes [UNK]. WordPiece takes the longest piece that fits: a text whose pieces all stay
    is cut as before, and the model says of it exactly what it said.

    Args:
        model: with that tokenizer and a task's head; it is left as it is.
        tokenizer: a fast WordPiece tokenizer.
        corpora: what is typical of the texts to come (never a test split); a column ``tokens`` or ``text`` each.
        size: how many pieces to keep: the most frequent; by default all that occur often enough.
        at_least: how often a piece must occur: once, but with a ``size`` not even that. Pieces that the corpora never
            use then fill up what is left free, in the order of the vocabulary, which in BERT's is that of frequency:
            names that are still to come.

    Raises:
        ModelError: a tokenizer that is not WordPiece or has no piece for some character of its own, a model of another
            vocabulary, a ``size`` that has no room for the pieces that must stay, a table that is
            factorized or prepared for quantization, or a language model.
        DataError: ``corpora`` is no list, or one has neither ``tokens`` nor ``text``.
    """
    state = json.loads(tokenizer.backend_tokenizer.to_str()) if tokenizer.is_fast else {"model": {"type": "slow"}}
    if state["model"]["type"] != "WordPiece":
        raise ModelError(f"only WordPiece vocabularies can be cut, and this is {state['model']['type']}")
    models.check_vocabulary(model, tokenizer)
    if getattr(model.config, "table_rank", None):
        raise ModelError("the table of this model is factorized; cut its vocabulary before that")
    if type(model.get_input_embeddings()) is not nn.Embedding:
        raise ModelError("the table of this model is rounded while it runs; cut its vocabulary before quantization")
    if model.get_output_embeddings() is not None:
        raise ModelError(f"a {type(model).__name__} writes pieces, too; cut a model that has a task's head")
    must_stay = _must_stay(state)
    counts = counts_of(corpora, tokenizer)
    if size is not None and not is_whole(size, len(must_stay)):
        raise ModelError(f"size is {size}; special tokens and single characters alone are {len(must_stay)} pieces")
    if at_least is None:
        at_least = 1 if size is None else 0
    possible = [i for piece, i in state["model"]["vocab"].items() if not piece.startswith("[unused")]
    by_frequency = sorted(possible, key=lambda i: (-counts[i], i))
    used = [i for i in by_frequency if counts[i] >= at_least and i not in must_stay]
    if size is not None:
        used = used[: size - len(must_stay)]
    kept = sorted(must_stay | set(used))
    new_id = {old: new for new, old in enumerate(kept)}
    return _smaller_model(model, kept, new_id), _smaller_tokenizer(tokenizer, new_id)


def _must_stay(state: dict) -> set[int]:
    """Return the ids of special tokens and single characters; refuse a vocabulary that cannot spell its own pieces."""
    vocabulary, mark = state["model"]["vocab"], state["model"]["continuing_subword_prefix"]
    special = {token["id"] for token in state["added_tokens"]} | {vocabulary[state["model"]["unk_token"]]}
    single = set()
    for piece, i in vocabulary.items():
        inside = piece.startswith(mark) and len(piece) > len(mark)
        letters = piece.removeprefix(mark) if inside else piece
        if len(letters) == 1:
            single.add(i)
        elif i not in special:
            spelled = [mark + letter if inside or n else letter for n, letter in enumerate(letters)]
            if missing := [letter for letter in spelled if letter not in vocabulary]:
                raise ModelError(
                    f"the vocabulary has no piece {missing[0]!r}, without which {piece!r} cannot be spelled"
                )
    return special | single


def counts_of(corpora: list[Dataset], tokenizer: PreTrainedTokenizerBase) -> Counter[int]:
    """Return how often each piece, by its id, occurs in ``tokens`` or ``text``.

    Raises:
        DataError: no list of corpora, or one without these columns.
    """
    counts: Counter[int] = Counter()
    for corpus in corpora:
        if isinstance(corpora, Dataset) or not {"tokens", "text"} & set(corpus.column_names):
            raise DataError("pieces are counted in a list of corpora, each with a column tokens or text")
        column = "tokens" if "tokens" in corpus.column_names else "text"  # not what a teacher said
        for rows in corpus.select_columns(column).iter(1024):
            if column == "tokens":
                documents = [chain(*pieces) for pieces in pieces_of_words(rows["tokens"], tokenizer)]
            else:
                documents = tokenizer(rows["text"], add_special_tokens=False, verbose=False)["input_ids"]
            counts.update(chain(*documents))
    return counts


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
        state["model"]["vocab"] = {piece: new_id[i] for piece, i in vocabulary.items() if i in new_id}
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
