"""From words to word pieces and back. Every word gets exactly one label position: its first piece.

A document longer than the model becomes several windows that overlap by half; each word is *owned* by the window
where it stands farthest from an edge, and labelled (not -100) only there. So a row's label positions, read in
order, are its words ``first_word, first_word + 1, …``: that is all a stored teacher signal, kept per word, needs to
find its place, whatever the tokenizer. Taught in lesson 06.
"""

import itertools

import numpy as np
import torch
from datasets import Dataset, Features, List, Value
from transformers import PreTrainedTokenizerBase

IGNORE = -100  #: a position that no loss and no score counts

_FEATURES = {
    "input_ids": List(Value("int32")),
    "labels": List(Value("int32")),
    "row": Value("int32"),
    "first_word": Value("int32"),
    "length": Value("int32"),
}


def encode(dataset: Dataset, tokenizer: PreTrainedTokenizerBase, max_length: int = 128) -> Dataset:
    """Turn a corpus split into model inputs.

    Args:
        dataset: columns ``tokens`` and ``labels`` (tagging) or ``text`` and ``label`` (classification).
        tokenizer: a fast tokenizer.
        max_length: pieces in a window, special tokens included. Longer documents are windowed
            (tagging) or cut (classification).

    Returns:
        A ``Dataset`` with a row a window: ``input_ids``; ``labels`` (one a piece, -100 except at the first piece of
        each word owned here; a single id for classification); ``row``, the index in ``dataset``; ``first_word``;
        ``length``.

    Raises:
        ValueError: a ``max_length`` that leaves no room for a word.
    """
    before, after = special_tokens(tokenizer)
    room = max_length - len(before) - len(after)
    if room < 1:
        raise ValueError(f"max_length is {max_length}; it must be at least {max_length - room + 1}")
    if "text" in dataset.column_names:
        ids = tokenizer(dataset["text"][:], truncation=True, max_length=max_length)["input_ids"] if len(dataset) else []
        columns = {
            "input_ids": ids,
            "labels": [[label] for label in dataset["label"][:]],
            "row": range(len(ids)),
            "first_word": [0] * len(ids),
        }
    else:
        columns = {"input_ids": [], "labels": [], "row": [], "first_word": []}
        # The map is written out, not hidden in Dataset.map: nothing is cached under a name that a reader cannot see.
        documents = pieces_of_words(dataset["tokens"][:], tokenizer)
        for row, (pieces, labels) in enumerate(zip(documents, dataset["labels"][:], strict=True)):
            for first, last, owned, owned_end in windows([len(ids[:room]) for ids in pieces], room):
                ids, piece_labels = list(before), [IGNORE] * len(before)
                for word in range(first, last):
                    ids += pieces[word][:room]
                    piece_labels.append(labels[word] if owned <= word < owned_end else IGNORE)
                    piece_labels += [IGNORE] * (len(ids) - len(piece_labels))
                row_of = (ids + after, piece_labels + [IGNORE] * len(after), row, owned)
                for key, value in zip(columns, row_of, strict=True):
                    columns[key].append(value)
    columns["length"] = [len(ids) for ids in columns["input_ids"]]
    features = Features(_FEATURES)
    if "teacher_logits" in dataset.column_names:
        columns["teacher_logits"] = _slices(dataset, columns)
        features["teacher_logits"] = dataset.features["teacher_logits"]
    return Dataset.from_dict(columns, features=features)


def windows(sizes: list[int], room: int) -> list[tuple[int, int, int, int]]:
    """Cut a document, given the number of pieces of each word, into windows of at most ``room`` pieces.

    Returns:
        A list of ``(first, last, owned, owned_end)``: the window shows the words ``[first, last)`` and owns
        ``[owned, owned_end)``. Windows overlap by about half; every word is owned exactly once.

    >>> windows([2, 2, 2, 2, 2, 2], room=8)
    [(0, 4, 0, 3), (2, 6, 3, 6)]
    """
    if room < max(sizes):
        raise ValueError(f"a window of {room} pieces is too small; use a larger max_length")
    ends = np.cumsum(sizes)
    spans, first, last = [], 0, 0
    while last < len(sizes):
        last = int(np.searchsorted(ends, ends[first] - sizes[first] + room, side="right"))
        spans.append((first, last))
        half_back = int(np.searchsorted(ends, ends[last - 1] - room // 2, side="right"))
        first = max(first + 1, half_back)
    borders = [0] + [(end + start) // 2 for (_, end), (start, _) in itertools.pairwise(spans)] + [len(sizes)]
    return [(*span, *owned) for span, owned in zip(spans, itertools.pairwise(borders), strict=True)]


def collate(tokenizer: PreTrainedTokenizerBase):
    """Return a function that pads a list of encoded rows into one batch of tensors.

    The batch has ``input_ids``, ``attention_mask`` (batch, length), ``labels`` (batch, length; or (batch,) for
    classification), and ``teacher_logits`` (words of the batch, classes) if the rows carry them.
    """
    pad = tokenizer.pad_token_id

    def pad_batch(rows: list[dict]) -> dict[str, torch.Tensor]:
        length = max(len(row["input_ids"]) for row in rows)
        whole = len(rows[0]["labels"]) == 1 < len(rows[0]["input_ids"])  # one label for the whole text
        input_ids = torch.full((len(rows), length), pad)
        attention_mask = torch.zeros((len(rows), length), dtype=torch.long)
        labels = torch.full((len(rows), 1 if whole else length), IGNORE)
        for i, row in enumerate(rows):
            n = len(row["input_ids"])
            input_ids[i, :n] = torch.as_tensor(row["input_ids"])
            attention_mask[i, :n] = 1
            labels[i, : len(row["labels"])] = torch.as_tensor(row["labels"])
        batch = {
            "input_ids": input_ids,
            "attention_mask": attention_mask,
            "labels": labels.squeeze(1) if whole else labels,
        }
        if "teacher_logits" in rows[0]:
            batch["teacher_logits"] = torch.cat(
                [torch.as_tensor(np.asarray(r["teacher_logits"])) for r in rows]
            ).float()
        return batch

    return pad_batch


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


def _slices(dataset: Dataset, columns: dict) -> list[np.ndarray]:
    """The teacher's logits of the words that each window owns."""
    signal = dataset.with_format("numpy", columns=["teacher_logits"])["teacher_logits"][:]
    tagging = "tokens" in dataset.column_names
    owned = [sum(label != IGNORE for label in labels) if tagging else 1 for labels in columns["labels"]]
    rows = zip(columns["row"], columns["first_word"], owned, strict=True)
    return [np.asarray(list(signal[row]), dtype=np.float16)[first : first + n] for row, first, n in rows]


def special_tokens(tokenizer: PreTrainedTokenizerBase) -> tuple[list[int], list[int]]:
    """Return what the tokenizer puts before and after a text: [CLS] and [SEP] for BERT."""
    encoding = tokenizer("a", return_special_tokens_mask=True)
    ids, special = encoding["input_ids"], encoding["special_tokens_mask"]
    first, last = special.index(0), len(special) - special[::-1].index(0)
    return ids[:first], ids[last:]
