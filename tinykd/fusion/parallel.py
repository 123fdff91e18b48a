"""All members predict, and their predictions are weighted and added: the article's default. Taught in lesson 11."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from datasets import Dataset
from scipy.optimize import minimize
from scipy.special import log_softmax, logsumexp

from tinykd.deploy.predictor import Rows
from tinykd.errors import SettingError
from tinykd.fusion.calibration import by_word, calibrated
from tinykd.fusion.members import Fusion, Member, score_logits

logger = logging.getLogger("tinykd")


@dataclass(frozen=True, eq=False)
class Parallel(Fusion):
    """Any number of members whose predictions are added, each with its weight. A member of weight 0 is not run.

    Args:
        members: by name; the first, usually the teacher, is the unit of :meth:`cost`.
        weights: by the same names, at least 0, with the sum 1.
        space: ``"logits"`` adds logits, as the article does: a label needs every member's support to win.
            ``"probabilities"`` adds probabilities: a label that one member is sure of can win.
        temperatures: by the same names, from :func:`tinykd.fusion.fit_temperature`; 1 by default.
        max_length: subword tokens in a window.
    """

    members: dict[str, Member]
    weights: dict[str, float]
    space: str = "logits"
    temperatures: dict[str, float] | None = None
    max_length: int = 128

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.space not in ("logits", "probabilities"):
            raise SettingError(f"space is {self.space!r}; expected 'logits' or 'probabilities'")
        self.check_names("weights", self.weights)
        if not (all(weight >= 0 for weight in self.weights.values()) and abs(sum(self.weights.values()) - 1) <= 1e-6):
            raise SettingError(f"weights are {self.weights}; they must be at least 0 and have the sum 1")

    @classmethod
    def fit(
        cls, members: dict[str, Member], valid: Dataset, space: str = "logits", max_length: int = 128
    ) -> "Parallel":
        """Calibrate every member on ``valid``, and find the weights there.

        The weights minimize the negative log-likelihood, which is convex in them. If the F1 of the fusion on ``valid``
        does not exceed that of its best member, a warning says so, and the best member gets all the weight. Members
        that do not fit each other or the corpus are a ModelError.
        """
        rows, temperatures = calibrated(members, valid, max_length)
        words, labels = zip(*(by_word(of_member, valid) for of_member in rows.values()), strict=True)
        weights = fit_weights(np.stack(words), labels[0], space)
        alone = {name: score_logits(of_member, valid) for name, of_member in rows.items()}
        best = max(alone, key=alone.__getitem__)
        fused = score_logits([mix(row, weights, space) for row in zip(*rows.values(), strict=True)], valid)
        if fused <= alone[best]:
            logger.warning(
                "parallel fusion gains nothing on these %d rows: it scores %.4f, the %s alone %.4f; use the %s alone",
                *(len(valid), fused, best, alone[best], best),
            )
            weights = np.array([float(name == best) for name in members])
        return cls(members, dict(zip(members, weights.tolist(), strict=True)), space, temperatures, max_length)

    def logits(self, rows: Rows) -> list[np.ndarray]:
        """Return the fused logits, one array per row: (words, classes), or (1, classes) for classification."""
        used = {name: weight for name, weight in self.weights.items() if weight > 0}
        by_row = zip(*(self.logits_of(name, rows) for name in used), strict=True)
        return [mix(row, list(used.values()), self.space) for row in by_row]

    def cost(self, rows: Rows) -> float:
        """Return what predicting ``rows`` costs, where 1 is the first member alone."""
        costs = {name: of_rows.sum() for name, of_rows in zip(self.members, self.row_costs(rows), strict=True)}
        return float(sum(costs[n] for n, weight in self.weights.items() if weight > 0) / next(iter(costs.values())))


def mix(logits: Sequence[np.ndarray], weights: Sequence[float], space: str) -> np.ndarray:
    """Add the members' predictions, an array (words, classes) each, and return logits of the same shape.

    Args:
        space: ``"logits"``: Σ w·z. ``"probabilities"``: log Σ w·softmax(z), whose softmax is the mixture.
    """
    stacked, weights = np.stack(logits), np.asarray(weights)[:, None, None]
    if space == "logits":
        return (weights * stacked).sum(0)
    with np.errstate(divide="ignore"):  # a weight of 0 is log 0, and counts for nothing
        return logsumexp(log_softmax(stacked.astype(np.float64), axis=-1) + np.log(weights), axis=0)


def fit_weights(logits: np.ndarray, labels: np.ndarray, space: str) -> np.ndarray:
    """Return the weights, (members,), at least 0 and with the sum 1, under which the labels are most likely.

    ``logits`` are (members, words, classes), ``labels`` are ids, (words,).
    """
    count, words = len(logits), np.arange(len(labels))

    def loss(weights: np.ndarray) -> float:
        return -log_softmax(mix(logits, weights, space), axis=-1)[words, labels].mean()

    one = {"type": "eq", "fun": lambda weights: weights.sum() - 1}
    start, bounds = np.full(count, 1 / count), [(0, 1)] * count
    weights = np.clip(minimize(loss, start, bounds=bounds, constraints=one, method="SLSQP").x, 0, 1)
    weights[weights < 1e-6] = 0  # a rounding error is not worth running a model
    return weights / weights.sum()
