"""How sure a model is of its predictions, and a cascade at every threshold, from stored logits. Taught in lesson 11."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from datasets import Dataset
from scipy.special import entr, softmax

from tinykd import data, evaluation
from tinykd.errors import SettingError

#: How a cascade can measure confidence: the first three defer whole sentences, the last only the words in doubt
CONFIDENCES = ("entropy", "lowest", "product", "word")
ALWAYS = 2.0  #: a threshold above every confidence


def confidence_of_words(row: np.ndarray) -> np.ndarray:
    """Return the probability of each word's best label: (words, classes) logits to (words,), in [1 / classes, 1]."""
    return softmax(row.astype(np.float64), axis=-1).max(-1)


def confidence_of_row(row: np.ndarray, confidence: str = "entropy") -> float:
    """Return one number in [0, 1] for a sentence or text.

    Args:
        row: logits, (words, classes); (1, classes) for classification.
        confidence: ``"lowest"`` and ``"word"``: the probability of the least sure word's label; it falls with the
            length of the sentence.
            ``"product"``: of all words' probabilities: that of the whole prediction, if words err independently.
            ``"entropy"``: one minus the mean entropy of the words, as a share of the largest possible, log(classes).
            Any other is a SettingError.
    """
    check_confidence(confidence)
    if confidence != "entropy":
        words = confidence_of_words(row)
        return float(words.prod() if confidence == "product" else words.min())
    entropy = entr(softmax(row.astype(np.float64), axis=-1)).sum(-1)
    return float(np.clip(1 - entropy.mean() / math.log(max(2, row.shape[-1])), 0, 1))


def check_confidence(confidence: str) -> None:
    """Raise a SettingError for anything but one of :data:`CONFIDENCES`."""
    if confidence not in CONFIDENCES:
        raise SettingError(f"confidence is {confidence!r}; expected one of {', '.join(CONFIDENCES)}")


class Point(NamedTuple):
    """One threshold of a cascade: its cost (1 is the teacher alone), its score, the share of rows it defers."""

    threshold: float
    cost: float
    score: float
    deferral_rate: float


@dataclass(frozen=True)
class Curve:
    """A cascade at every threshold that makes a difference, rising; all arrays are (points,).

    The first point is the student alone, the last the teacher's predictions at the cost of both. ``scores`` are strict
    entity F1 for tagging, accuracy for classification.
    """

    thresholds: np.ndarray
    costs: np.ndarray
    scores: np.ndarray
    deferral_rates: np.ndarray

    @property
    def front(self) -> np.ndarray:
        """Indices of the points that no other point beats, by rising cost."""
        return pareto(self.costs, self.scores)

    def __getitem__(self, i: int) -> Point:
        columns = (self.thresholds, self.costs, self.scores, self.deferral_rates)
        return Point(*(float(column[i]) for column in columns))


def curve(
    student_logits: list[np.ndarray],
    teacher_logits: list[np.ndarray],
    dataset: Dataset,
    student_cost: float,
    row_costs: np.ndarray,
    confidence: str = "entropy",
) -> Curve:
    """Score a cascade at every threshold, without running a model.

    Raising the threshold defers one row (or one word) after the other. Each changes the counts of right, predicted and
    gold entities by a fixed amount, so that one sort and one running sum give the curve.

    Args:
        student_logits, teacher_logits: one array per row, columns in the corpus's label order, as from
            :func:`tinykd.fusion.logits_by_name`, divided by the temperatures that the cascade will use.
        student_cost: the student's cost on all rows, where 1 is the teacher's.
        row_costs: (rows,), the teacher's cost of each row, in any unit.
        confidence: as for :func:`confidence_of_row`.
    """
    sure = np.array([confidence_of_row(row, confidence) for row in student_logits])
    start, moments, changes = _changes(student_logits, teacher_logits, dataset, None if confidence == "word" else sure)
    values = np.unique(np.concatenate([sure, moments]))
    # Halfway between two confidences, so that a rounding error on another machine moves no row.
    thresholds = np.unique(np.concatenate([[0.0], (values[:-1] + values[1:]) / 2, [ALWAYS]]))
    costs = student_cost + _running(sure, row_costs / row_costs.sum(), thresholds)
    scores = evaluation.f1(start + _running(moments, changes, thresholds))
    return Curve(thresholds, costs, scores, _running(sure, np.full(len(sure), 1 / len(sure)), thresholds))


def pareto(costs: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return the indices of the points that no other beats, by rising cost and score; of equal points the first.

    >>> pareto(np.array([1.0, 2.0, 3.0]), np.array([0.5, 0.4, 0.9])).tolist()
    [0, 2]
    """
    order = np.lexsort((-scores, costs))
    best_before = np.maximum.accumulate(np.concatenate([[-np.inf], scores[order][:-1]]))
    return order[scores[order] > best_before]


def choose(curve: Curve, budget: float | None = None, target: float | None = None) -> Point:
    """Return one point of the curve; make the curve on ``valid``, never on test.

    A threshold fixes a confidence, not a cost: on texts with more rows in doubt than ``valid`` has, more are deferred.

    Args:
        budget: the highest cost allowed, 1 being the teacher alone: gives the best score within it.
        target: the share of the teacher's score to keep, such as 0.995: gives the cheapest point that keeps it.

    Raises:
        SettingError: not exactly one of the two, or no point satisfies it.
    """
    if (budget is None) == (target is None):
        raise SettingError("give either a budget or a target")
    front = curve.front
    if budget is not None:
        within = front[curve.costs[front] <= budget]
        if not len(within):
            raise SettingError(f"budget is {budget:.3f}; the student alone costs {curve.costs[0]:.3f} of the teacher")
        return curve[within[-1]]
    enough = front[curve.scores[front] >= target * curve.scores[-1]]
    if not len(enough):
        best = curve.scores.max() / curve.scores[-1]
        raise SettingError(f"target is {target:.3f} of the teacher's score; the cascade reaches {best:.3f}")
    return curve[enough[0]]


def _changes(
    student_logits: list[np.ndarray], teacher_logits: list[np.ndarray], dataset: Dataset, sure: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the student's counts, (3,), at which confidences a deferral changes them, and by how much, (changes, 3).

    ``sure`` is the confidence of each row, (rows,); None defers word by word.
    """
    names, task = data.label_names(dataset), data.task(dataset)

    def count(tags: list[str], row: np.ndarray) -> np.ndarray:
        return sum(evaluation.counts(task, tags, evaluation.decoded(row, names)).values(), np.zeros(3, int))

    start, moments, changes = np.zeros(3, int), [], []
    pairs = zip(evaluation.gold(dataset), student_logits, teacher_logits, strict=True)
    for i, (tags, by_student, by_teacher) in enumerate(pairs):
        row, now = np.array(by_student), count(tags, by_student)
        start += now
        words = confidence_of_words(row)
        for k in np.argsort(words) if sure is None else [slice(None)]:
            row[k] = by_teacher[k]
            before, now = now, count(tags, row)
            if (now != before).any():
                moments.append(words[k] if sure is None else sure[i])
                changes.append(now - before)
    return start, np.array(moments), np.array(changes, int).reshape(-1, 3)


def _running(moments: np.ndarray, changes: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """For each threshold, the sum of the changes whose moment lies below it."""
    sums = np.cumsum(changes[np.argsort(moments, kind="stable")], axis=0)
    sums = np.concatenate([np.zeros((1, *sums.shape[1:]), sums.dtype), sums])
    return sums[np.searchsorted(np.sort(moments), thresholds)]
