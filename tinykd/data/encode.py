"""From words to word pieces and back. Every word gets exactly one label position: its first piece.

A document longer than the model becomes several windows that overlap by half; each word is *owned* by the window
where it stands farthest from an edge, and labelled (not -100) only there. A row's ``word_starts`` are the positions of
its words ``first_word, first_word + 1, …``: that is all a stored teacher signal, kept per word, needs to find its
place, whatever the tokenizer. Taught in lesson 06.
"""

import numpy as np
import torch
from datasets import Dataset, Features, List, Value, concatenate_datasets
from transformers import PreTrainedTokenizerBase

from tinykd.errors import DataError
from tinykd.text import cut

IGNORE = -100  #: a position that no loss and no score counts

_FEATURES = Features(
    {
        "input_ids": List(Value("int32")),
        "labels": List(Value("int32")),  # of a text: one, no list
        "word_starts": List(Value("int32")),
        "row": Value("int32"),
        "first_word": Value("int32"),
        "length": Value("int32"),
    }
)
_CHUNK = 4096  # documents turned into Python lists at a time; Arrow keeps the rest


def encode(dataset: Dataset, tokenizer: PreTrainedTokenizerBase, max_length: int = 128) -> Dataset:
    """Turn a corpus split into model inputs.

    Args:
        dataset: columns ``tokens`` and ``labels`` (tagging) or ``text`` and ``label`` (classification).
        tokenizer: a fast tokenizer.
        max_length: pieces in a window, special tokens included. Longer documents are windowed
            (tagging) or cut (classification).

    Returns:
        A ``Dataset`` with a row a window: ``input_ids``; ``labels`` (one a piece, -100 except at the first piece of
        each word owned here; a single id for classification); ``word_starts``, the position of the first piece of each
        word owned here (for classification: of each word as the tokenizer splits the text); ``row``, the index in
        ``dataset``; ``first_word``; ``length``.

    Raises:
        ValueError: a ``max_length`` that leaves no room for a word.
        DataError: a row with more or fewer labels than words.
    """
    before, after = special_tokens(tokenizer)
    room = max_length - len(before) - len(after)
    if room < 1:
        raise ValueError(f"max_length is {max_length}; it must be at least {max_length - room + 1}")
    whole = "tokens" not in dataset.column_names
    one = _encode_texts if whole else _encode_words
    # Without the columns teacher_…: as Python lists they would take minutes, and more memory than the store has bytes.
    dataset = dataset.with_format(None).select_columns(["text", "label"] if whole else ["tokens", "labels"])
    # The map is written out, not hidden in Dataset.map: nothing is cached under a name that a reader cannot see.
    features = Features(_FEATURES | ({"labels": Value("int32")} if whole else {}))
    chunks = []
    for start in range(0, max(1, len(dataset)), _CHUNK):
        columns = one(dataset[start : start + _CHUNK], start, tokenizer, max_length)
        columns["length"] = [len(ids) for ids in columns["input_ids"]]
        chunks.append(Dataset.from_dict(columns, features=features))
    return concatenate_datasets(chunks)


def _encode_texts(rows: dict, start: int, tokenizer: PreTrainedTokenizerBase, max_length: int) -> dict:
    texts = rows["text"]
    encodings = tokenizer(texts, truncation=True, max_length=max_length) if texts else {"input_ids": []}
    starts = []
    for i in range(len(texts)):
        words = encodings.word_ids(i)
        starts.append([k for k, word in enumerate(words) if word is not None and (k == 0 or word != words[k - 1])])
    return {
        "input_ids": encodings["input_ids"],
        "labels": rows["label"],
        "word_starts": starts,
        "row": range(start, start + len(texts)),
        "first_word": [0] * len(texts),
    }


def _encode_words(rows: dict, start: int, tokenizer: PreTrainedTokenizerBase, max_length: int) -> dict:
    before, after = special_tokens(tokenizer)
    columns = {"input_ids": [], "labels": [], "word_starts": [], "row": [], "first_word": []}
    documents = pieces_of_words(rows["tokens"], tokenizer)
    for row, (pieces, labels) in enumerate(zip(documents, rows["labels"], strict=True), start):
        if len(pieces) != len(labels):
            raise DataError(f"row {row}: {len(pieces)} words and {len(labels)} labels")
        for ids, starts, first_word in cut(pieces, before, after, max_length):
            piece_labels = [IGNORE] * len(ids)
            for word, position in enumerate(starts, first_word):
                piece_labels[position] = labels[word]
            for key, value in zip(columns, (ids, piece_labels, starts, row, first_word), strict=True):
                columns[key].append(value)
    return columns


def collate(tokenizer: PreTrainedTokenizerBase, signals: Dataset | None = None):
    """Return a function that pads a list of encoded rows into one batch of tensors.

    Args:
        signals: a transfer set, row by row the documents that were encoded. Its ``teacher_…`` columns are read for the
            rows of a batch only; nothing else of them is ever in memory.

    The batch has ``input_ids``, ``attention_mask`` (batch, length), ``labels`` (batch, length; or (batch,) for
    classification), ``word_starts`` (batch, words; -1 where a row has no more words), and of each signal the part that
    belongs to these words, padded with zeros: (batch, words, …), or (batch, classes) for a classifier's logits.

    Raises:
        DataError: a signal of another number of words; the two tokenizers see other words.
    """
    pad = tokenizer.pad_token_id
    if signals is not None:
        names = [name for name in signals.column_names if name.startswith("teacher_")]
        signals = signals.select_columns(names).with_format("arrow") if names else None

    def pad_batch(rows: list[dict]) -> dict[str, torch.Tensor]:
        labels = [row["labels"] for row in rows]
        whole = not isinstance(labels[0], list)  # one label for the whole text
        batch = {
            "input_ids": _padded([row["input_ids"] for row in rows], pad),
            "attention_mask": _padded([[1] * len(row["input_ids"]) for row in rows], 0),
            "labels": torch.tensor(labels) if whole else _padded(labels, IGNORE),
            "word_starts": _padded([row["word_starts"] for row in rows], -1),
        }
        if signals is not None:
            found = signals[[int(row["row"]) for row in rows]]
            for name in names:
                values = _arrays(found[name], signals.features[name].shape[1:])
                if name == "teacher_logits" and whole:
                    batch[name] = torch.as_tensor(np.concatenate(values)).float()
                else:
                    batch[name] = _signal(name, values, rows, batch["word_starts"].shape[1], whole)
        return batch

    return pad_batch


def _padded(rows: list[list[int]], value: int) -> torch.Tensor:
    out = np.full((len(rows), max(len(row) for row in rows)), value)
    for i, row in enumerate(rows):
        out[i, : len(row)] = row
    return torch.from_numpy(out)


def _arrays(column, shape: tuple[int, ...]) -> list[np.ndarray]:
    """Return of each row of an Arrow column (words, *shape), views of its memory; ``datasets`` goes word by word."""
    lists = column.combine_chunks().storage
    ends, numbers = lists.offsets.to_numpy() - lists.offsets[0].as_py(), lists
    for _ in range(1 + len(shape)):
        numbers = numbers.flatten()
    return np.split(numbers.to_numpy().reshape(-1, *shape), ends[1:-1])


def _signal(name: str, values: list[np.ndarray], rows: list[dict], words: int, whole: bool) -> torch.Tensor:
    out = np.zeros((len(rows), words, *np.shape(values[0])[1:]), np.float32)
    for i, (value, row) in enumerate(zip(values, rows, strict=True)):
        owned = len(row["word_starts"])
        part = value[row["first_word"] : row["first_word"] + owned]
        if len(part) < owned or (whole and len(value) > owned):
            raise DataError(
                f"{name}, row {row['row']}: the signal has {len(value)} words, the student's tokenizer finds "
                f"{'fewer' if len(part) == owned else 'more'}; teacher and student must see the same words. Texts that "
                "two tokenizers read can be distilled by their logits"
            )
        out[i, :owned] = part
    return torch.from_numpy(out)


def pieces_of_words(documents: list[list[str]], tokenizer: PreTrainedTokenizerBase) -> list[list[list[int]]]:
    """Return the piece ids of each word of each document; a word that vanishes in the tokenizer becomes [UNK]."""
    if not documents:
        return []
    encodings = tokenizer(documents, is_split_into_words=True, add_special_tokens=False, verbose=False)
    out = []
    for i, tokens in enumerate(documents):
        pieces: list[list[int]] = [[] for _ in tokens]
        for piece, word in zip(encodings["input_ids"][i], encodings.word_ids(i), strict=True):
            pieces[word].append(piece)
        out.append([ids or [tokenizer.unk_token_id] for ids in pieces])
    return out


def special_tokens(tokenizer: PreTrainedTokenizerBase) -> tuple[list[int], list[int]]:
    """Return what the tokenizer puts before and after a text: [CLS] and [SEP] for BERT."""
    encoding = tokenizer("a", return_special_tokens_mask=True)
    ids, special = encoding["input_ids"], encoding["special_tokens_mask"]
    first, last = special.index(0), len(special) - special[::-1].index(0)
    return ids[:first], ids[last:]
