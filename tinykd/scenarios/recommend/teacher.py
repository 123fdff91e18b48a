"""The cross-encoder: it reads a candidate and a history in one breath, and says whether they fit. Lesson 13."""

import json
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from datasets import ClassLabel, Dataset, Features, Value
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tinykd.files import write_json
from tinykd.inference import logits
from tinykd.manifest import sha256
from tinykd.scenarios.recommend.items import Item, describe
from tinykd.scenarios.recommend.likes import Lists
from tinykd.scenarios.recommend.towers import fingerprint

logger = logging.getLogger("tinykd")

LABELS = ["no", "yes"]
MAX_LENGTH = 144  #: word pieces of a pair
LATEST = 6  #: items of a history that are read
WORDS = {"candidate": 40, "history": 12}  #: of each; it is read once for every pair, so words are dear


def pair(items: Sequence[Item], history: Sequence[int], candidate: int) -> str:
    """Return what the teacher reads: the candidate, then the beginnings of the latest items of a history."""
    past = [_beginning(items[i], WORDS["history"]) for i in history[:LATEST] if i >= 0]
    return " [SEP] ".join([_beginning(items[candidate], WORDS["candidate"]), *past])


def pairs(items: Sequence[Item], lists: Lists, others: int | None = None) -> Dataset:
    """Return every pair of every list as a corpus of two labels, ``yes`` for the item that was liked next.

    Args:
        others: so many of each list beside that item; all by default.
    """
    kept = lists.candidates[:, : None if others is None else 1 + others]
    rows = zip(lists.history, kept, strict=True)
    texts = [pair(items, history, one) for history, candidates in rows for one in candidates]
    labels = [int(place == 0) for _ in kept for place in range(kept.shape[1])]
    features = Features({"text": Value("string"), "label": ClassLabel(names=LABELS)})
    return Dataset.from_dict({"text": texts, "label": labels}, features=features)


def scores(
    teacher: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    items: Sequence[Item],
    lists: Lists,
    progress: bool = False,
) -> np.ndarray:
    """Return how much better a candidate fits than not: (lists, candidates), the difference of the two logits."""
    rows = pairs(items, lists)
    found = logits(teacher, tokenizer, rows, MAX_LENGTH, progress="signals   " if progress else None)
    both = np.concatenate(found)
    return (both[:, 1] - both[:, 0]).reshape(lists.candidates.shape)


def stored_scores(
    path: Path,
    weights: Path,
    teacher: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    items: Sequence[Item],
    lists: Lists,
    progress: bool = False,
) -> np.ndarray:
    """Return :func:`scores` from the disk if this teacher scored these lists before; else ask it, and write them."""
    note = {"teacher": sha256(weights), "pairs": fingerprint(pairs(items, lists)["text"][:])}
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
        if {key: found[key] for key in note} == note:
            return np.array(found["scores"])
    except (OSError, ValueError, KeyError, TypeError):
        pass  # none yet
    values = scores(teacher, tokenizer, items, lists, progress)
    write_json(path, note | {"scores": values.tolist()})
    return values


def _beginning(item: Item, words: int) -> str:
    return " ".join(describe(item).split()[:words])
