"""From words to subword tokens and back. The position of a word is that of its first subword token. Lesson 07.

A long document becomes several windows that overlap by half. Each word is *owned* by the window where it stands
farthest from an edge, and labelled (not -100) only there.
"""

from collections.abc import Callable

import numpy as np
import torch
from datasets import Dataset, Features, List, Value, concatenate_datasets
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import PreTrainedTokenizerBase

from tinykd.errors import DataError, SettingError
from tinykd.losses.masking import IGNORE
from tinykd.text import by_word, cut

_INTS, _INT = List(Value("int32")), Value("int32")
_CHUNK = 4096  # documents turned into Python lists at a time; Arrow keeps the rest


def encode(dataset: Dataset, tokenizer: PreTrainedTokenizerBase, max_length: int = 128) -> Dataset:
    """Turn a corpus split into model inputs.

    Args:
        dataset: a column ``tokens`` (tagging) or ``text`` (classification), and perhaps ``labels`` or ``label``.
        max_length: subword tokens in a window, special ones included. Longer texts are windowed (tagging) or cut
            (classification).

    Returns:
        A ``Dataset`` with a row per window: ``input_ids``; ``labels``, if the corpus has some (one per subword token,
        -100 except at the first one of each word owned here; a single id for classification); ``first_subwords``, the
        positions of the words owned here, ``first_word, first_word + 1, …`` (for classification: of ``[CLS]``, which
        the head reads, and of each word as the tokenizer splits the text); ``row``, the index in ``dataset``;
        ``first_word``; ``length``.

    Raises:
        SettingError: a ``max_length`` that leaves no room for a word.
        DataError: a row with more or fewer labels than words.
    """
    tagging = "tokens" in dataset.column_names
    text, target = ("tokens", "labels") if tagging else ("text", "label")
    features = {"input_ids": _INTS, "first_subwords": _INTS, "row": _INT, "first_word": _INT, "length": _INT}
    wanted = [text]
    if target in dataset.column_names:
        wanted, features = [text, target], features | {"labels": _INTS if tagging else _INT}
    dataset = dataset.with_format(None).select_columns(wanted)  # the columns teacher_… are large as Python lists
    chunks = []  # not Dataset.map, which would cache the rows in a hidden place
    for start in range(0, max(1, len(dataset)), _CHUNK):
        columns = encode_rows(dataset[start : start + _CHUNK], tokenizer, max_length, start)
        chunks.append(Dataset.from_dict({name: columns[name] for name in features}, features=Features(features)))
    return concatenate_datasets(chunks)


def encode_rows(rows: dict[str, list], tokenizer: PreTrainedTokenizerBase, max_length: int, start: int = 0) -> dict:
    """Turn some rows, columns as a slice of a ``Dataset`` gives them, into the columns of :func:`encode`, as lists."""
    shortest = sum(map(len, special_tokens(tokenizer))) + 1
    if max_length < shortest:
        raise SettingError(f"max_length is {max_length}; it must be at least {shortest}")
    columns = (_encode_words if "tokens" in rows else _encode_texts)(rows, start, tokenizer, max_length)
    return columns | {"length": [len(ids) for ids in columns["input_ids"]]}


def _encode_texts(rows: dict, start: int, tokenizer: PreTrainedTokenizerBase, max_length: int) -> dict:
    texts, positions = rows["text"], []
    encodings = tokenizer(texts, truncation=True, max_length=max_length) if texts else {"input_ids": []}
    for i in range(len(texts)):
        words = encodings.word_ids(i)
        firsts = [k for k, word in enumerate(words) if word is not None and (k == 0 or word != words[k - 1])]
        positions.append([0, *firsts] if words[0] is None else firsts)  # None: a special token, [CLS]
    return {
        "input_ids": encodings["input_ids"],
        "first_subwords": positions,
        "row": range(start, start + len(texts)),
        "first_word": [0] * len(texts),
        "labels": rows.get("label"),
    }


def _encode_words(rows: dict, start: int, tokenizer: PreTrainedTokenizerBase, max_length: int) -> dict:
    before, after = special_tokens(tokenizer)
    columns = {"input_ids": [], "first_subwords": [], "row": [], "first_word": [], "labels": []}
    for i, subwords in enumerate(subwords_of_words(rows["tokens"], tokenizer)):
        labels = rows["labels"][i] if "labels" in rows else [IGNORE] * len(subwords)
        if len(subwords) != len(labels):
            raise DataError(f"row {start + i}: {len(subwords)} words and {len(labels)} labels")
        for ids, firsts, first_word in cut(subwords, before, after, max_length):
            of_tokens = [IGNORE] * len(ids)
            for word, position in enumerate(firsts, first_word):
                of_tokens[position] = labels[word]
            for key, value in zip(columns, (ids, firsts, start + i, first_word, of_tokens), strict=True):
                columns[key].append(value)
    return columns


def collate(
    tokenizer: PreTrainedTokenizerBase, signals: Dataset | None = None
) -> Callable[[list[dict]], dict[str, Tensor]]:
    """Return a function that pads a list of encoded rows into one batch of tensors.

    The batch has ``input_ids``, ``attention_mask`` (batch, length), ``labels`` if the rows have some (batch, length; or
    (batch,) for classification), ``first_subwords`` (batch, words; -1 where a row has no more words), and of each
    signal the part that belongs to these words, padded with zeros: (batch, words, …), or (batch, classes) for a
    classifier's logits.

    Args:
        signals: the transfer set that was encoded. Only a batch of its ``teacher_…`` columns is ever in memory; a
            signal of another number of words is a DataError.
    """
    names = [name for name in signals.column_names if name.startswith("teacher_")] if signals is not None else []
    stored = signals.select_columns(names).with_format("arrow") if names else None
    whole = bool(names) and "text" in signals.column_names  # one prediction for the whole text

    def pad_batch(rows: list[dict]) -> dict[str, Tensor]:
        batch = {
            "input_ids": _padded([row["input_ids"] for row in rows], tokenizer.pad_token_id),
            "attention_mask": _padded([[1] * len(row["input_ids"]) for row in rows], 0),
            "first_subwords": _padded([row["first_subwords"] for row in rows], -1),
        }
        if "labels" in rows[0]:
            labels = [row["labels"] for row in rows]
            batch["labels"] = _padded(labels, IGNORE) if isinstance(labels[0], list) else torch.tensor(labels)
        columns = stored[[int(row["row"]) for row in rows]] if names else None
        for name in names:
            values = _arrays(columns[name], stored.features[name].shape[1:])
            if name == "teacher_logits" and whole:
                batch[name] = torch.as_tensor(np.concatenate(values)).float()
            else:
                batch[name] = _signal(name, values, rows, batch["first_subwords"].shape[1], whole)
        return batch

    return pad_batch


def _padded(rows: list[list[int]], value: int) -> Tensor:
    return pad_sequence([torch.tensor(row, dtype=torch.long) for row in rows], batch_first=True, padding_value=value)


def _arrays(column, shape: tuple[int, ...]) -> list[np.ndarray]:
    """Return (words, *shape) for each row of an Arrow column, as views of its memory."""
    lists = column.combine_chunks().storage
    ends, numbers = lists.offsets.to_numpy() - lists.offsets[0].as_py(), lists
    for _ in range(1 + len(shape)):
        numbers = numbers.flatten()
    return np.split(numbers.to_numpy().reshape(-1, *shape), ends[1:-1])


def _signal(name: str, values: list[np.ndarray], rows: list[dict], words: int, whole: bool) -> Tensor:
    out = np.zeros((len(rows), words, *values[0].shape[1:]), np.float32)
    for i, (value, row) in enumerate(zip(values, rows, strict=True)):
        owned, first = len(row["first_subwords"]), row["first_word"]
        if len(value) < first + owned or (whole and len(value) > owned):
            count = "more" if len(value) < first + owned else "fewer"
            differ = f"the signal has {len(value)} words, the student's tokenizer finds {count}"
            same = "teacher and student must see the same words, or texts be distilled by their logits"
            raise DataError(f"{name}, row {row['row']}: {differ}; {same}")
        out[i, :owned] = value[first : first + owned]
    return torch.from_numpy(out)


def subwords_of_words(documents: list[list[str]], tokenizer: PreTrainedTokenizerBase) -> list[list[list[int]]]:
    """Return the subword ids of each word of each document; a word that vanishes in the tokenizer becomes [UNK]."""
    if not documents:
        return []
    encodings = tokenizer(documents, is_split_into_words=True, add_special_tokens=False, verbose=False)
    return by_word(documents, encodings.encodings, tokenizer.unk_token_id)


def special_tokens(tokenizer: PreTrainedTokenizerBase) -> tuple[list[int], list[int]]:
    """Return what the tokenizer puts before and after a text: [CLS] and [SEP] for BERT."""
    encoding = tokenizer("a", return_special_tokens_mask=True)
    ids, special = encoding["input_ids"], encoding["special_tokens_mask"]
    first, last = special.index(0), len(special) - special[::-1].index(0)
    return ids[:first], ids[last:]
