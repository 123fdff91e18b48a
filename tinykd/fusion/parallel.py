"""All members answer, and their answers are weighted and added: the article's default. Taught in lesson 09."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from datasets import Dataset
from scipy.optimize import minimize
from scipy.special import log_softmax, logsumexp

from tinykd import data
from tinykd.errors import ModelError
from tinykd.fusion.calibration import by_word, fit_temperature
from tinykd.fusion.cost import row_macs
from tinykd.fusion.curve import score
from tinykd.fusion.members import Fusion, Member, check_members, logits_by_name

logger = logging.getLogger("tinykd")


@dataclass(frozen=True, eq=False)
class Parallel(Fusion):
    """Any number of members whose answers are added, each with its weight. A member of weight 0 is not run.

    Args:
        members: by name; the first, usually the teacher, is the unit of :meth:`cost`.
        weights: by the same names, at least 0, with the sum 1.
        space: ``"logits"`` adds logits, as the article does: labels that every member can live with win.
            ``"probabilities"`` adds probabilities: a label that one member is sure of can win.
        temperatures: by the same names; divide the logits first. 1 by default.

    Raises:
        ModelError: members with other labels or another task, a tokenizer that cannot work.
        ValueError: an impossible setting.
    """

    members: dict[str, Member]
    weights: dict[str, float]
    space: str = "logits"
    temperatures: dict[str, float] | None = None

    def __post_init__(self) -> None:
        if self.temperatures is None:
            object.__setattr__(self, "temperatures", dict.fromkeys(self.members, 1.0))
        if not self.members:
            raise ModelError("a fusion needs at least one member")
        check_members(self.members)
        _check_space(self.space)
        for what, values in (("weights", self.weights), ("temperatures", self.temperatures)):
            if set(values) != set(self.members):
                raise ValueError(f"{what} are for {', '.join(values)}; the members are {', '.join(self.members)}")
        if not (all(weight >= 0 for weight in self.weights.values()) and abs(sum(self.weights.values()) - 1) <= 1e-6):
            raise ValueError(f"weights are {self.weights}; they must be at least 0 and have the sum 1")
        if not all(temperature > 0 for temperature in self.temperatures.values()):
            raise ValueError(f"temperatures are {self.temperatures}; they must be above 0")

    @classmethod
    def fit(
        cls,
        members: dict[str, Member],
        valid: Dataset,
        space: str = "logits",
        max_length: int = 128,
        batch_size: int = 32,
    ) -> "Parallel":
        """Calibrate every member on ``valid``, and find the weights there.

        The weights minimize the negative log-likelihood: it is convex in them and every word counts, while F1 moves in
        steps and only at the few words where the members disagree. F1 has the last word: a fusion that does not beat
        its best member on ``valid`` gains nothing, is reported so, and becomes that member alone.

        Raises:
            ModelError: members that do not fit each other or the corpus.
        """
        check_members(members)
        _check_space(space)
        names, labels = list(members), data.label_names(valid)
        rows, temperatures = {}, {}
        for name in names:
            logits = logits_by_name(members[name], labels, valid, max_length, batch_size)
            every_word, gold = by_word(logits, valid)
            temperatures[name] = fit_temperature(every_word, gold)
            rows[name] = [row / temperatures[name] for row in logits]
        weights = fit_weights(np.stack([np.concatenate(rows[name]) for name in names]), gold, space)
        alone = {name: score(rows[name], valid) for name in names}
        best = max(names, key=alone.__getitem__)
        fused = score([mix(row, weights, space) for row in zip(*rows.values(), strict=True)], valid)
        if fused <= alone[best]:
            logger.warning(
                "parallel fusion gains nothing on these %d rows: it scores %.4f, the %s alone %.4f; use the %s alone",
                *(len(valid), fused, best, alone[best], best),
            )
            weights = np.array([float(name == best) for name in names])
        return cls(members, dict(zip(names, weights.tolist(), strict=True)), space, temperatures)

    def logits(self, dataset: Dataset, max_length: int = 128, batch_size: int = 32) -> list[np.ndarray]:
        """Return the fused logits, one array a row: (words, classes), or (1, classes) for classification."""
        names = [name for name, weight in self.weights.items() if weight > 0]
        rows = [
            [
                row / self.temperatures[name]
                for row in logits_by_name(self.members[name], self.labels, dataset, max_length, batch_size)
            ]
            for name in names
        ]
        weights = [self.weights[name] for name in names]
        return [mix(row, weights, self.space) for row in zip(*rows, strict=True)]

    def cost(self, dataset: Dataset, max_length: int = 128) -> float:
        """Return what answering ``dataset`` costs, where 1 is the first member alone."""
        costs = {name: row_macs(member, dataset, max_length).sum() for name, member in self.members.items()}
        return float(sum(costs[n] for n, weight in self.weights.items() if weight > 0) / next(iter(costs.values())))


def mix(logits: Sequence[np.ndarray], weights: Sequence[float], space: str) -> np.ndarray:
    """Add the members' answers.

    Args:
        logits: one array (words, classes) a member.
        weights: one a member.
        space: ``"logits"``: Σ w·z. ``"probabilities"``: log Σ w·softmax(z), so that a softmax gives the mixture back.

    Returns:
        Logits, (words, classes).
    """
    stacked, weights = np.stack(logits), np.asarray(weights)[:, None, None]
    if space == "logits":
        return (weights * stacked).sum(0)
    with np.errstate(divide="ignore"):  # a weight of 0 is log 0, and counts for nothing
        return logsumexp(log_softmax(stacked.astype(np.float64), axis=-1) + np.log(weights), axis=0)


def fit_weights(logits: np.ndarray, labels: np.ndarray, space: str) -> np.ndarray:
    """Return the weights, at least 0 and with the sum 1, under which the labels are most likely: (members,).

    Args:
        logits: (members, words, classes).
        labels: (words,), ids.
    """
    count, words = len(logits), np.arange(len(labels))

    def loss(weights: np.ndarray) -> float:
        return -log_softmax(mix(logits, weights, space), axis=-1)[words, labels].mean()

    one = {"type": "eq", "fun": lambda weights: weights.sum() - 1}
    found = minimize(loss, np.full(count, 1 / count), bounds=[(0, 1)] * count, constraints=one, method="SLSQP")
    weights = np.clip(found.x, 0, 1)
    weights[weights < 1e-6] = 0  # a rounding error is not worth running a model
    return weights / weights.sum()


def _check_space(space: str) -> None:
    if space not in ("logits", "probabilities"):
        raise ValueError(f"space is {space!r}; expected 'logits' or 'probabilities'")
