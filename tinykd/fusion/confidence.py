"""How sure is a model of its answer? Read off its logits alone. Taught in lesson 09."""

import math

import numpy as np
from scipy.special import entr, softmax

#: What a cascade can go by: the first three hand over whole sentences, the last only the words in doubt
BY = ("entropy", "lowest", "product", "word")


def confidence_of_words(row: np.ndarray) -> np.ndarray:
    """Return the probability of each word's best label: (words, classes) logits to (words,), in [1 / classes, 1]."""
    return softmax(row.astype(np.float64), axis=-1).max(-1)


def confidence_of_row(row: np.ndarray, by: str = "entropy") -> float:
    """Return one number in [0, 1] for a sentence or text.

    Args:
        row: logits, (words, classes); (1, classes) for classification.
        by: ``"lowest"`` and ``"word"``: the probability of the least sure word's label, for one wrong word spoils an
            entity. But the longer a sentence, the lower its lowest word, and long sentences are the dear ones.
            ``"product"``: of all words' probabilities, the probability of the whole answer if words err independently;
            of two sentences with the same lowest word, the one with a second word in doubt needs the teacher more.
            ``"entropy"``: one minus the mean entropy of the words, as a share of the largest possible, log(classes).
            The teacher's price grows with the words, so what counts is the doubt a word.

    Raises:
        ValueError: an unknown ``by``.
    """
    check_by(by)
    if by != "entropy":
        words = confidence_of_words(row)
        return float(words.prod() if by == "product" else words.min())
    entropy = entr(softmax(row.astype(np.float64), axis=-1)).sum(-1)
    return float(np.clip(1 - entropy.mean() / math.log(max(2, row.shape[-1])), 0, 1))


def check_by(by: str) -> None:
    """Refuse what no cascade can go by.

    Raises:
        ValueError: shows what there is.
    """
    if by not in BY:
        raise ValueError(f"by is {by!r}; expected {', '.join(map(repr, BY[:-1]))} or {BY[-1]!r}")
