"""Static samples: the part of a corpus that a student is distilled on. Taught in lesson 04.

The article's "100 samples" is ``select(train, 100)``. Two other rules ask which hundred.
"""

from collections import Counter

import numpy as np
import torch
from datasets import Dataset

from tinykd.data import label_names, task
from tinykd.errors import DataError


def select(dataset: Dataset, size: int, by: str = "random", seed: int = 0) -> Dataset:
    """Keep ``size`` rows of a corpus split, chosen by a rule. Taught in lesson 04.

    Args:
        size: number of rows to keep.
        by: ``"random"`` draws them. ``"stratified"`` draws from every stratum its share: a stratum is a label, or for
            tagging the rarest entity type that a sentence holds ("O" if none); each gets at least one row if ``size``
            allows. ``"uncertain"`` takes the rows where the teacher is least sure (Lewis & Gale 1994): the highest mean
            entropy a word of the column ``teacher_logits``.
        seed: of the draws; with one seed a smaller random selection is part of a larger.

    Returns:
        The chosen rows in the order of the corpus, with the same columns. Nothing is copied: the rows stay where they
        are, on disk if they were there.

    Raises:
        DataError: an unknown rule, a ``size`` that the corpus cannot give, or no ``teacher_logits`` to be uncertain by.
    """
    if not 1 <= size <= len(dataset):
        raise DataError(f"size is {size}; this corpus can give 1 to {len(dataset)} rows")
    rng = np.random.default_rng(seed)
    if by == "random":
        rows = rng.permutation(len(dataset))[:size]
    elif by == "stratified":
        strata = _strata(dataset)
        names, counts = np.unique(strata, return_counts=True)
        quotas = zip(names, allocate(counts, size), strict=True)
        rows = np.concatenate([rng.permutation(np.flatnonzero(strata == name))[:quota] for name, quota in quotas])
    elif by == "uncertain":
        rows = np.argsort(-uncertainty(dataset), kind="stable")[:size]
    else:
        raise DataError(f"by is {by!r}; expected 'random', 'stratified' or 'uncertain'")
    return dataset.select(np.sort(rows))


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
    """Return the teacher's mean entropy a word, in nats, for every row (float64). Taught in lesson 04.

    0 where the teacher is certain of every word, ln(classes) where it knows nothing. Read in batches: memory holds one
    number a row.

    Raises:
        DataError: the corpus has no column ``teacher_logits``.
    """
    if "teacher_logits" not in dataset.column_names:
        raise DataError("no column teacher_logits in this corpus; add it first with samples.with_teacher")
    means = []
    for batch in dataset.select_columns("teacher_logits").with_format("numpy", dtype=np.float32).iter(batch_size=256):
        rows = [torch.from_numpy(row) for row in batch["teacher_logits"]]  # (words, classes) each
        entropy = torch.distributions.Categorical(logits=torch.cat(rows)).entropy()  # (words of the batch,)
        means += [words.mean().item() for words in entropy.split([len(row) for row in rows])]
    return np.array(means)


def _strata(dataset: Dataset) -> np.ndarray:
    """The stratum of each row: its label, or the rarest entity type it holds."""
    names = label_names(dataset)
    if task(dataset) == "classification":
        return np.array([names[label] for label in dataset["label"]])
    total, held = Counter(), []
    for batch in dataset.select_columns("labels").iter(batch_size=1000):
        for labels in batch["labels"]:
            types = Counter(names[label][2:] for label in labels if names[label].startswith("B-"))
            total += types
            held.append(tuple(types))
    return np.array([min(types, key=lambda type_: (total[type_], type_), default="O") for types in held])
