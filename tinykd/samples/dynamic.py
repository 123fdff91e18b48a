"""Dynamic samples: chosen while the student learns, where it disagrees with the teacher. Taught in lesson 04.

Choice by importance sampling (Katharopoulos and Fleuret 2018), and weights that undo a part of its bias (Schaul et al.
2016, section 3.4; Kool et al. 2019).
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from datasets import Dataset
from torch import Tensor
from torch.utils.data import Sampler
from transformers import TrainerState

from tinykd.errors import SettingError, is_whole


@dataclass(frozen=True)
class Dynamic:
    """How samples are chosen anew every ``refresh`` steps; a SettingError for a value out of range.

    Args:
        candidates: sentences that the student predicts before a choice, per sentence to train on. A forward pass takes
            about a third of a training step, so 2 candidates add two thirds to the cost.
        uniform: the part of a sentence's probability to be drawn that is the same for all, in [0, 1]; the rest is
            proportional to the disagreement of student and teacher.
        correction: in [0, 1]. 1 weights the prediction loss of each sentence by the inverse of its probability to be
            drawn, so that its expected gradient is that of uniform choice; 0 weights none.
    """

    refresh: int = 50
    candidates: float = 2.0
    uniform: float = 0.2
    correction: float = 0.0

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        if not is_whole(self.refresh, 1) or not 1 <= self.candidates < math.inf:
            raise SettingError(f"refresh is {self.refresh} and candidates {self.candidates}; both must be at least 1")
        for name in ("uniform", "correction"):
            if not 0 <= getattr(self, name) <= 1:
                raise SettingError(f"{name} is {getattr(self, name)}; it must lie in [0, 1]")


class DisagreementSampler(Sampler):
    """Yields the indices of one epoch, as many as there are rows, and chooses anew every ``dynamic.refresh`` steps.

    Args:
        disagreement: takes a list of rows, returns (rows,), at least 0: mean T² KL(teacher ‖ student) at present.
        state: gives the Trainer's state; its step seeds the draw, so that a resumed run draws the same.
    """

    def __init__(
        self,
        rows: Dataset,
        batch_size: int,
        dynamic: Dynamic,
        seed: int,
        disagreement: Callable[[list[dict]], Tensor],
        state: Callable[[], TrainerState],
    ):
        self.rows, self.batch_size, self.dynamic, self.seed = rows, batch_size, dynamic, seed
        self.disagreement, self.state = disagreement, state
        self.lengths = np.asarray(rows["length"][:])
        self.weight = torch.ones(len(rows))  #: of each row in the loss, as it was last drawn

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[int]:
        left, round_ = len(self.rows), 0
        while left > 0:
            draw = np.random.default_rng([self.seed, self.state().global_step, round_])
            chosen = self._draw(min(left, self.dynamic.refresh * self.batch_size), draw)
            yield from chosen
            left, round_ = left - len(chosen), round_ + 1

    def _draw(self, size: int, draw: np.random.Generator) -> list[int]:
        many = min(len(self.rows), round(self.dynamic.candidates * size))
        pool = draw.choice(len(self.rows), many, replace=False)
        pool = pool[np.argsort(self.lengths[pool], kind="stable")]
        batches = (pool[start : start + self.batch_size] for start in range(0, many, self.batch_size))
        disagreement = torch.cat([self.disagreement(self.rows.select(batch).to_list()).cpu() for batch in batches])
        disagreement = disagreement.numpy().astype(np.float64)
        p = np.full(many, 1 / many)
        if disagreement.sum() > 0:
            uniform = self.dynamic.uniform
            p = uniform * p + (1 - uniform) * disagreement / disagreement.sum()
        p = np.maximum(p, 1e-30)
        keys = np.log(p) + draw.gumbel(size=many)  # the largest are a draw without replacement, in proportion to p
        order = np.argsort(-keys)
        chosen = np.sort(order[:size])  # again by length
        # The probability that a key lies above the largest one left out. With its inverse as weight, the sum over the
        # drawn is on average the sum over all candidates (Kool et al. 2019, 4.2).
        drawn = -np.expm1(-p[chosen] / np.exp(keys[order[size]])) if size < many else np.ones(size)
        self.weight[pool[chosen]] = torch.from_numpy((many / size * drawn) ** -self.dynamic.correction).float()
        batches = np.array_split(pool[chosen], range(self.batch_size, size, self.batch_size))
        whole = size // self.batch_size
        order = [*draw.permutation(whole), *range(whole, len(batches))]  # a smaller one stays the last
        return [int(i) for number in order for i in batches[number]]
