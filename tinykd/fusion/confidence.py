"""How sure is a model of its prediction? Read off its logits alone. Taught in lesson 09."""

import math

import numpy as np
from scipy.special import entr, softmax

from tinykd.errors import SettingError

#: How a cascade can measure confidence: the first three defer whole sentences, the last only the words in doubt
CONFIDENCES = ("entropy", "lowest", "product", "word")


def confidence_of_words(row: np.ndarray) -> np.ndarray:
    """Return the probability of each word's best label: (words, classes) logits to (words,), in [1 / classes, 1]."""
    return softmax(row.astype(np.float64), axis=-1).max(-1)


def confidence_of_row(row: np.ndarray, confidence: str = "entropy") -> float:
    """Return one number in [0, 1] for a sentence or text.

    Args:
        row: logits, (words, classes); (1, classes) for classification.
        confidence: ``"lowest"`` and ``"word"``: the probability of the least sure word's label, for one wrong word
            spoils an entity. But the longer a sentence, the lower its lowest word, and long sentences are the expensive
            ones.
            ``"product"``: of all words' probabilities, the probability of the whole prediction if words err
            independently; of two sentences with the same lowest word, the one with a second word in doubt needs the
            teacher more.
            ``"entropy"``: one minus the mean entropy of the words, as a share of the largest possible, log(classes).
            The teacher's cost grows with the words, so what counts is the doubt per word.

    Raises:
        SettingError: an unknown ``confidence``.
    """
    check_confidence(confidence)
    if confidence != "entropy":
        words = confidence_of_words(row)
        return float(words.prod() if confidence == "product" else words.min())
    entropy = entr(softmax(row.astype(np.float64), axis=-1)).sum(-1)
    return float(np.clip(1 - entropy.mean() / math.log(max(2, row.shape[-1])), 0, 1))


def check_confidence(confidence: str) -> None:
    """Refuse what no cascade can measure.

    Raises:
        SettingError: shows what there is.
    """
    if confidence not in CONFIDENCES:
        raise SettingError(f"confidence is {confidence!r}; expected one of {', '.join(CONFIDENCES)}")
