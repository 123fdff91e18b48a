"""Is a model that is 90 % sure right nine times in ten? Temperature scaling, ECE. Taught in lesson 11.

Guo, Pleiss, Sun and Weinberger, *On Calibration of Modern Neural Networks*, ICML 2017.
"""

import math

import numpy as np
from datasets import Dataset
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from tinykd import data
from tinykd.errors import SettingError
from tinykd.fusion.members import Member, check_members, logits_by_name

BOUNDS = (0.05, 20.0)  #: temperatures worth trying
PRIOR = 10  #: wrong words that the prior on a temperature of 1 counts for


def by_word(rows: list[np.ndarray], dataset: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Stack the words of all rows of a corpus split, from an array of logits per row, in the corpus's label order.

    Returns:
        ``(logits, labels)`` of the shapes (words, classes) and (words,); a text with one label counts as one word.
    """
    if data.task(dataset) == "classification":
        return np.concatenate(rows), np.asarray(dataset["label"][:])
    return np.concatenate(rows), np.concatenate(dataset["labels"][:])


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """Return the temperature T that makes ``softmax(logits / T)`` most likely to give these labels, drawn towards 1.

    T above 1 means the model was too confident. The negative log-likelihood is convex in 1 / T, so a bounded search
    finds its minimum. Only wrong words keep T from falling: without any, the likeliest T is 0. So log T is multiplied
    by ``wrong / (wrong + PRIOR)``, as by a Gaussian prior on log T: T is 1 for a model without mistakes.

    Args:
        logits: (words, classes), of a split that the model was not trained on.
        labels: (words,), ids.

    Raises:
        SettingError: no words, or logits that are no numbers.
    """
    if not len(labels) or not np.isfinite(logits).all():
        raise SettingError("a temperature is fitted on words with finite logits")
    wrong = int((logits.argmax(-1) != labels).sum())
    if not wrong:
        return 1.0
    logits, words = logits.astype(np.float64), np.arange(len(labels))

    def loss(log_temperature: float) -> float:
        return -log_softmax(logits / math.exp(log_temperature), axis=-1)[words, labels].mean()

    likeliest = minimize_scalar(loss, bounds=[math.log(bound) for bound in BOUNDS], method="bounded").x
    return math.exp(likeliest * wrong / (wrong + PRIOR))


def calibrated(
    members: dict[str, Member], valid: Dataset, max_length: int = 128
) -> tuple[dict[str, list[np.ndarray]], dict[str, float]]:
    """Fit a temperature for every member on ``valid``; a ModelError if members do not fit each other or the corpus.

    Returns:
        By member the logits on ``valid``, divided by its temperature, one array per row, columns in the corpus's label
        order; and the temperatures.
    """
    check_members(members)
    rows, temperatures = {}, {}
    for name, member in members.items():
        logits = logits_by_name(member, data.label_names(valid), valid, max_length)
        temperatures[name] = fit_temperature(*by_word(logits, valid))
        rows[name] = [row / temperatures[name] for row in logits]
    return rows, temperatures


def expected_calibration_error(probabilities: np.ndarray, labels: np.ndarray, bins: int = 15) -> float:
    """Return the mean gap between confidence and accuracy, each bin weighted by its number of words (equation 3).

    Args:
        probabilities: (words, classes), each row sums to 1.
        labels: (words,), ids.
        bins: intervals of equal width; Guo et al. take 15.
    """
    table = reliability(probabilities, labels, bins)
    gaps = table["share"] * np.abs(table["accuracy"] - table["confidence"])
    return float(np.nansum(gaps))


def reliability(probabilities: np.ndarray, labels: np.ndarray, bins: int = 15) -> dict[str, np.ndarray]:
    """Return the table of the reliability diagram.

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
