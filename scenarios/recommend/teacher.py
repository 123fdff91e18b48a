"""The cross-encoder: it reads a candidate and a history together, and says whether they fit. Lesson 15."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from datasets import Dataset
from sentence_transformers.cross_encoder import CrossEncoder
from sentence_transformers.cross_encoder.losses import BinaryCrossEntropyLoss

from scenarios.recommend.fitting import fit
from scenarios.recommend.items import Item, describe
from scenarios.recommend.likes import Lists
from tinykd.models.loading import folder_of, quiet
from tinykd.models.precision import device
from tinykd.training import Settings

MAX_LENGTH = 144  #: subword tokens of a pair
LATEST = 6  #: items of a history that are read
WORDS = {"candidate": 40, "history": 12}  #: of each; it is read once for every pair, so words are expensive


def pairs(items: Sequence[Item], lists: Lists, others: int | None = None) -> list[tuple[str, str]]:
    """Return every pair of every list: the candidate, and the beginnings of the latest items of the history.

    Args:
        others: so many of each list beside the item that was liked next, which comes first; all by default.
    """
    kept = lists.candidates[:, : None if others is None else 1 + others]
    return [
        (_beginning(items[one], WORDS["candidate"]), past)
        for history, candidates in zip(lists.history, kept, strict=True)
        for past in [" [SEP] ".join(_beginning(items[i], WORDS["history"]) for i in history[:LATEST] if i >= 0)]
        for one in candidates
    ]


def load(folder: str | Path, seed: int = 0) -> CrossEncoder:
    """Return a cross-encoder: a trained one, or a pretrained body with a new head, drawn with ``seed``."""
    torch.manual_seed(seed)
    with quiet():
        return CrossEncoder(str(folder_of(folder)), num_labels=1, max_length=MAX_LENGTH, device=str(device()))


def train(model: CrossEncoder, items: Sequence[Item], lists: Lists, others: int, settings: Settings) -> None:
    """Train a cross-encoder on pairs: 1 for the item that was liked next, 0 for ``others`` of each list."""
    candidates, histories = zip(*pairs(items, lists, others), strict=True)
    size = min(1 + others, lists.candidates.shape[1])
    labels = np.tile(np.eye(1, size)[0], len(lists.history))
    rows = Dataset.from_dict({"candidate": candidates, "history": histories, "label": labels})
    fit(model, rows, BinaryCrossEntropyLoss(model), settings)


def scores(model: CrossEncoder, items: Sequence[Item], lists: Lists) -> np.ndarray:
    """Return how much better a candidate fits than not: (lists, candidates), logits."""
    logits = model.predict(pairs(items, lists), activation_fn=torch.nn.Identity(), show_progress_bar=False)
    return logits.reshape(lists.candidates.shape)


def _beginning(item: Item, words: int) -> str:
    return " ".join(describe(item).split()[:words])
