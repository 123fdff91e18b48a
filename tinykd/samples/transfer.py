"""Unlabelled transfer text: the teacher writes the labels, or several teachers do. Taught in lesson 04."""

from collections.abc import Iterator

import numpy as np
import torch
from datasets import ClassLabel, Dataset, Features, List, concatenate_datasets
from tqdm.auto import tqdm
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tinykd.errors import DataError
from tinykd.inference import logits
from tinykd.models import label_names, task_of
from tinykd.samples.streaming import flat, streamed


def labelled_by(
    teacher: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    texts: Dataset,
    max_length: int = 128,
    progress: str | None = None,
    bf16: bool = False,
) -> Dataset:
    """Give texts the teacher's hard labels (pseudo-labels, Lee 2013). Taught in lesson 04.

    The soft labels come afterwards, as for any corpus: ``samples.with_teacher(labelled_by(…), teacher, …)``.

    Args:
        texts: a column ``tokens`` (tagging) or ``text`` (classification). Labels, if there are any, are not looked at.
        max_length: pieces in a window.
        progress: what to call the progress bar; none without it.
        bf16: compute in bfloat16 where the processor is faster with it, as :func:`with_teacher` does: hard and soft
            labels then come of the same arithmetic.

    Returns:
        ``texts`` with ``labels`` (a ClassLabel a word) or ``label``: that of the highest logit. The names stand in the
        teacher's order. They are read from a temporary file (see :func:`tinykd.samples.streaming.streamed`).

    Raises:
        DataError: ``texts`` has not the column that the teacher reads.
    """
    tagging = task_of(teacher) == "tagging"
    column, target = ("tokens", "labels") if tagging else ("text", "label")
    if column not in texts.column_names:
        raise DataError(f"the teacher reads a column {column!r}; the texts have {', '.join(texts.column_names)}")
    names = ClassLabel(names=label_names(teacher.config))
    features = {column: texts.features[column], target: List(names) if tagging else names}
    features |= {name: feature for name, feature in texts.features.items() if name not in features}
    bar = tqdm(total=len(texts), desc=progress, unit="row", disable=progress is None)

    def label(rows: list[dict], numbers: list[int]) -> list[dict]:
        blank = [[0] * len(row["tokens"]) if tagging else 0 for row in rows]
        unlabelled = Dataset.from_dict({column: [row[column] for row in rows], target: blank})
        best = [row.argmax(-1).tolist() for row in logits(teacher, tokenizer, unlabelled, max_length, bf16=bf16)]
        bar.update(len(rows))
        return [row | {target: ids if tagging else ids[0]} for row, ids in zip(rows, best, strict=True)]

    with bar:
        return streamed(texts, label, Features(features))


def few_labels(train: Dataset, share: float, seed: int = 0) -> tuple[Dataset, Dataset]:
    """Split a train set into ``share`` of it with labels and the rest without. Taught in lesson 04.

    What is the teacher's knowledge worth where labels are dear? Train the teacher on the first part, and let it label
    the second with :func:`labelled_by`. With one seed the 5 % lie within the 10 %.

    Returns:
        ``(labelled, unlabelled)``, in the order of the corpus, nothing copied. The second part has lost its ``labels``
        or ``label``, so that nobody can look.

    Raises:
        DataError: ``share`` leaves one of the parts without a row.
    """
    size = round(share * len(train))
    if not 0 < size < len(train):
        raise DataError(f"share is {share}: {size} of {len(train)} rows with labels; each part needs at least one")
    order = np.random.default_rng(seed).permutation(len(train))
    target = "labels" if "labels" in train.column_names else "label"
    return train.select(np.sort(order[:size])), train.select(np.sort(order[size:])).remove_columns(target)


def combine(transfer_sets: list[Dataset], weights: list[float]) -> Dataset:
    """Make one transfer set of several teachers': the weighted mean of what they say. Taught in lesson 04.

    An ensemble as teacher (Hinton et al. 2015, section 1). Probabilities are averaged, not logits, so that a teacher
    who is sure counts for more than one who is not.

    Args:
        transfer_sets: the same rows, each with the ``teacher_logits`` of its own teacher.
        weights: one a teacher, above 0; they are divided by their sum.

    Returns:
        The first set, layers and all, with ``teacher_logits`` = log Σ w · softmax(logits), float16, of the same shape.
        The layers of the others are not looked at: layers have no mean. The logits are read from a temporary file (see
        :func:`tinykd.samples.streaming.streamed`).

    Raises:
        DataError: weights that are not one a set, above 0; sets that differ in texts, labels or shapes, or have no
            ``teacher_logits``.
    """
    if len(weights) != len(transfer_sets) or not weights or not all(0 < w < float("inf") for w in weights):
        raise DataError(f"weights are {weights} for {len(transfer_sets)} transfer sets; give each a number above 0")
    sets = [part.with_format(None) for part in transfer_sets]
    corpus = [name for name in ("tokens", "text", "labels", "label") if name in sets[0].column_names]
    for i, part in enumerate(sets, 1):
        if "teacher_logits" not in part.column_names:
            raise DataError(f"transfer set {i} has no column teacher_logits; add it first: samples.with_teacher(…)")
        if len(part) != len(sets[0]) or any(part.features.get(name) != sets[0].features[name] for name in corpus):
            raise DataError(f"transfer set {i} has other rows or other label names than the first")
    first, sets = flat(sets[0]), [part.select_columns([*corpus, "teacher_logits"]) for part in sets]
    sets = [part.with_format("numpy", ["teacher_logits"], output_all_columns=True, dtype=np.float32) for part in sets]
    log_weights = (torch.tensor(weights) / sum(weights)).log().view(-1, 1, 1)

    def mean(rows: list[dict], numbers: list[int]) -> Iterator[dict]:
        parts = [part[numbers[0] : numbers[-1] + 1] for part in sets]
        for k, number in enumerate(numbers):
            if any(part[name][k] != parts[0][name][k] for part in parts for name in corpus):
                raise DataError(f"row {number}: the transfer sets have other texts or labels")
            said = [torch.as_tensor(part["teacher_logits"][k]) for part in parts]  # (words, classes) of each teacher
            if any(logits.shape != said[0].shape for logits in said):
                raise DataError(f"row {number}: the teachers' logits have the shapes {[tuple(x.shape) for x in said]}")
            log_p = (log_weights + torch.stack(said).log_softmax(-1)).logsumexp(0)
            yield {"teacher_logits": log_p.clamp(min=torch.finfo(torch.half).min).numpy()}

    feature = Features({"teacher_logits": first.features["teacher_logits"]})
    answers = streamed(sets[0].select_columns(corpus[0]), mean, feature, batch_size=100)
    return concatenate_datasets([first.remove_columns("teacher_logits"), answers], axis=1)
