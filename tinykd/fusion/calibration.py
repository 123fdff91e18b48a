"""Does a model that says 0.9 turn out right nine times in ten? Temperature scaling, ECE. Taught in lesson 09.

Guo, Pleiss, Sun and Weinberger, *On Calibration of Modern Neural Networks*, ICML 2017.
"""

import math

import numpy as np
from datasets import Dataset
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from tinykd import data

BOUNDS = (0.05, 20.0)  #: temperatures worth trying


def by_word(rows: list[np.ndarray], dataset: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Put all words of a corpus split under one another.

    Args:
        rows: logits, one array a row, columns in the corpus's label order.

    Returns:
        ``(logits, labels)`` of the shapes (words, classes) and (words,); a text with one label counts as one word.
    """
    if data.task(dataset) == "classification":
        return np.concatenate(rows), np.asarray(dataset["label"][:])
    return np.concatenate(rows), np.concatenate(dataset["labels"][:])


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """Return the temperature T that makes ``softmax(logits / T)`` most likely to give these labels.

    T above 1 means the model was too sure of itself. Dividing by T changes no answer: the best label stays the best.
    The negative log-likelihood has one valley in T, since it is convex in 1 / T, so a bounded search finds it. A model
    that makes no mistake has none, and gets the lower bound.

    Args:
        logits: (words, classes), of a split that the model was not trained on.
        labels: (words,), ids.

    Raises:
        ValueError: no words, or logits that are no numbers.
    """
    if not len(labels) or not np.isfinite(logits).all():
        raise ValueError("a temperature is fitted on words with finite logits")
    if (logits.argmax(-1) == labels).all():
        return BOUNDS[0]  # from some point on all losses are 0 alike, and the search would stop anywhere
    logits, words = logits.astype(np.float64), np.arange(len(labels))

    def loss(log_temperature: float) -> float:
        return -log_softmax(logits / math.exp(log_temperature), axis=-1)[words, labels].mean()

    found = minimize_scalar(loss, bounds=[math.log(bound) for bound in BOUNDS], method="bounded")
    return math.exp(found.x)


def expected_calibration_error(probabilities: np.ndarray, labels: np.ndarray, bins: int = 15) -> float:
    """Return the mean gap between confidence and accuracy, a bin weighing as many words as it holds (equation 3).

    Args:
        probabilities: (words, classes), each row sums to 1.
        labels: (words,), ids.
        bins: intervals of equal width; Guo et al. take 15.
    """
    table = reliability(probabilities, labels, bins)
    gaps = table["share"] * np.abs(table["accuracy"] - table["confidence"])
    return float(np.nansum(gaps))


def reliability(probabilities: np.ndarray, labels: np.ndarray, bins: int = 15) -> dict[str, np.ndarray]:
    """Return the reliability diagram's table.

    Returns:
        ``lower`` and ``upper`` borders of each bin (lower < confidence <= upper), ``share`` of the words in it, their
        mean ``confidence`` and their ``accuracy``; each (bins,), NaN where a bin is empty.
    """
    best, sure = probabilities.argmax(-1), probabilities.max(-1)
    edges = np.linspace(0, 1, bins + 1)
    place = np.digitize(sure, edges[1:-1], right=True)
    size = np.bincount(place, minlength=bins)
    with np.errstate(invalid="ignore"):
        return {
            "lower": edges[:-1],
            "upper": edges[1:],
            "share": size / len(labels),
            "confidence": np.bincount(place, sure, bins) / size,
            "accuracy": np.bincount(place, best == labels, bins) / size,
        }
