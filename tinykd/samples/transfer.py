"""Unlabelled transfer text: the teacher predicts the labels, or several teachers do. Taught in lesson 04."""

import itertools
from collections.abc import Iterator

import numpy as np
import torch
from datasets import ClassLabel, Dataset, Features, List, concatenate_datasets
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tinykd import models
from tinykd.data import digest
from tinykd.errors import DataError, SettingError
from tinykd.samples.streaming import flat, streamed
from tinykd.text import decode


def labelled_by(
    teacher: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    texts: Dataset,
    max_length: int = 128,
    precision: str = "fp32",
) -> Dataset:
    """Give texts the teacher's hard labels (pseudo-labels, Lee 2013). Taught in lesson 04.

    The arguments are those of :func:`tinykd.models.signals`. A DataError if the texts are not what the teacher reads.

    Returns:
        ``texts`` with ``labels`` (a ClassLabel per word): the best sequence that IOB2 allows (``text.decode``); or with
        ``label``, that of the highest logit. The names have the teacher's order.
    """
    tagging, names = models.task_of(teacher) == "tagging", models.label_names(teacher.config)
    column, target = ("tokens", "labels") if tagging else ("text", "label")
    if column not in texts.column_names:
        raise DataError(f"the teacher reads a column {column!r}; the texts have {', '.join(texts.column_names)}")
    feature = ClassLabel(names=names)
    features = {column: texts.features[column], target: List(feature) if tagging else feature}
    features |= {name: feature for name, feature in texts.features.items() if name not in features}
    predicted = models.signals(teacher, tokenizer, texts.select_columns(column), models.Layers(), max_length, precision)

    def label(rows: list[dict], numbers: list[int]) -> Iterator[dict]:
        for row, signal in zip(rows, itertools.islice(predicted, len(rows)), strict=True):
            yield row | {target: decode(signal["logits"], names) if tagging else int(signal["logits"].argmax())}

    return streamed(texts, label, Features(features))


def few_labels(train: Dataset, share: float, seed: int = 0) -> tuple[Dataset, Dataset]:
    """Split a train set into ``share`` of it with labels and the rest without. Taught in lesson 04.

    Train a teacher on the first part, and let it label the second with :func:`labelled_by`. With one ``seed`` the 5 %
    are part of the 10 %. A ``share`` that leaves a part without a row is a SettingError.

    Returns:
        ``(labelled, unlabelled)``, in the order of the corpus, nothing copied; the second without its labels.
    """
    size = round(share * len(train))
    if not 0 < size < len(train):
        raise SettingError(f"share is {share}: {size} of {len(train)} rows with labels; each part needs at least one")
    order = np.random.default_rng(seed).permutation(len(train))
    target = "labels" if "labels" in train.column_names else "label"
    return train.select(np.sort(order[:size])), train.select(np.sort(order[size:])).remove_columns(target)


def combine(transfer_sets: list[Dataset], weights: list[float]) -> Dataset:
    """Make one transfer set of several teachers' (Hinton et al. 2015, section 1). Taught in lesson 04.

    Args:
        transfer_sets: the same rows, each with the ``teacher_logits`` of its own teacher.
        weights: one per teacher, above 0; they are divided by their sum.

    Returns:
        The first set, layers and all, with ``teacher_logits`` = log Σ w · softmax(logits), float16, of the same shape.

    Raises:
        SettingError: not one weight above 0 per transfer set.
        DataError: sets that differ in texts, labels or classes, or have no ``teacher_logits``.
    """
    if len(weights) != len(transfer_sets) or not weights or not all(0 < w < float("inf") for w in weights):
        raise SettingError(f"weights are {weights} for {len(transfer_sets)} transfer sets; give each a number above 0")
    first, rows = transfer_sets[0], digest(transfer_sets[0])
    for i, part in enumerate(transfer_sets, 1):
        if "teacher_logits" not in part.column_names:
            raise DataError(f"transfer set {i} has no column teacher_logits; add it first: samples.with_teacher(…)")
        if digest(part) != rows or part.features["teacher_logits"] != first.features["teacher_logits"]:
            raise DataError(f"transfer set {i} has other texts, labels or label names than the first")
    logits = [part.select_columns("teacher_logits").with_format("torch", dtype=torch.float32) for part in transfer_sets]
    log_weights = (torch.tensor(weights) / sum(weights)).log().view(-1, 1, 1)

    def mean(rows: list[dict], numbers: list[int]) -> Iterator[dict]:
        parts = [part[numbers[0] : numbers[-1] + 1]["teacher_logits"] for part in logits]
        for row in zip(*parts, strict=True):  # (words, classes) of each teacher
            log_p = (log_weights + torch.stack(row).log_softmax(-1)).logsumexp(0)
            yield {"teacher_logits": log_p.clamp(min=torch.finfo(torch.half).min).half().numpy()}

    text = first.select_columns("tokens" if "tokens" in first.column_names else "text")
    combined = streamed(text, mean, Features({"teacher_logits": first.features["teacher_logits"]}), batch_size=100)
    return concatenate_datasets([flat(first.with_format(None)).remove_columns("teacher_logits"), combined], axis=1)
