"""Static samples: the part of a corpus that a student is distilled on. Taught in lesson 04."""

from collections import Counter

import numpy as np
import torch
from datasets import Dataset

from tinykd.data import label_names, task
from tinykd.errors import DataError, SettingError, is_whole

RULES = ("random", "stratified", "uncertain")


def select(dataset: Dataset, size: int, rule: str = "random", seed: int = 0) -> Dataset:
    """Keep ``size`` rows of a corpus split, chosen by a rule; the article's "100 samples" are random. Lesson 04.

    Args:
        rule: ``"random"`` draws them. ``"stratified"`` draws from every stratum its share: a stratum is a label, or for
            tagging the rarest entity type in a sentence ("O" if none); each gets at least one row if ``size`` allows.
            ``"uncertain"`` takes the rows of the highest mean entropy per word of the column ``teacher_logits`` (Lewis
            & Gale 1994).
        seed: of the draws; with one seed a smaller random selection is part of a larger.

    Returns:
        The chosen rows in the order of the corpus, with the same columns, nothing copied.

    Raises:
        SettingError: an unknown rule, or a ``size`` that the corpus cannot give.
        DataError: no labels for strata, or no ``teacher_logits`` for an uncertainty.
    """
    check_selection(len(dataset), rule, size)
    rng = np.random.default_rng(seed)
    if rule == "random":
        rows = rng.permutation(len(dataset))[:size]
    elif rule == "stratified":
        strata = _strata(dataset)
        names, counts = np.unique(strata, return_counts=True)
        quotas = zip(names, allocate(counts, size), strict=True)
        rows = np.concatenate([rng.permutation(np.flatnonzero(strata == name))[:quota] for name, quota in quotas])
    else:
        rows = np.argsort(-uncertainty(dataset), kind="stable")[:size]
    return dataset.select(np.sort(rows))


def check_selection(rows: int, rule: str, size: int) -> None:
    """Raise the SettingError of :func:`select` for a corpus of so many rows."""
    if not (is_whole(size, 1) and size <= rows):
        raise SettingError(f"size is {size}; this corpus can give 1 to {rows} rows")
    if rule not in RULES:
        raise SettingError(f"rule is {rule!r}; expected one of {', '.join(RULES)}")


def allocate(counts: np.ndarray, size: int) -> np.ndarray:
    """Share ``size`` places among strata of ``counts`` rows, by the method of the largest remainder.

    Each stratum has at least one place if there are as many places as strata. Taught in lesson 04.

    >>> allocate(np.array([70, 25, 4, 1]), 10).tolist()
    [6, 2, 1, 1]
    """
    exact = size * counts / counts.sum()
    places = np.floor(exact).astype(int)
    largest_remainder_first = np.argsort(places - exact, kind="stable")
    places[largest_remainder_first[: size - places.sum()]] += 1
    if size >= len(counts):
        for empty in np.flatnonzero(places == 0):
            over_its_share = np.where(places > 1, places - exact, -np.inf)
            places[over_its_share.argmax()] -= 1
            places[empty] = 1
    return places


def uncertainty(dataset: Dataset) -> np.ndarray:
    """Return the teacher's mean entropy per word, in nats, for every row, from ``teacher_logits``. Lesson 04."""
    if "teacher_logits" not in dataset.column_names:
        raise DataError("no column teacher_logits in this corpus; add it first with samples.with_teacher")
    rows = dataset.select_columns("teacher_logits").with_format("torch", dtype=torch.float32)
    each = (torch.distributions.Categorical(logits=row["teacher_logits"]) for row in rows)  # (words, classes)
    return np.array([words.entropy().mean().item() for words in each])


def _strata(dataset: Dataset) -> np.ndarray:
    """Return the stratum of each row: its label, or the rarest entity type in it."""
    names = label_names(dataset)
    if task(dataset) == "classification":
        return np.array([names[label] for label in dataset["label"]])
    rows = dataset.select_columns("labels").with_format(None)
    held = [Counter(names[k][2:] for k in row["labels"] if names[k].startswith("B-")) for row in rows]
    total = sum(held, Counter())
    return np.array([min(types, key=lambda type_: (total[type_], type_), default="O") for types in held])
