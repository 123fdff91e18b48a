"""What a student is asked to match, as one module: student in, loss out. Taught in lesson 05.

The losses themselves are pure functions in :mod:`tinykd.losses`; here they are weighted and added, layer by layer.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import PreTrainedConfig, PreTrainedModel

from tinykd import losses
from tinykd.data import IGNORE
from tinykd.errors import ModelError, RunError
from tinykd.internals import Layers, Watched, of_words
from tinykd.models import layer_map


@dataclass(frozen=True)
class Weights:
    """The weight of each loss; 0 leaves it out, and what it needs of the teacher too.

    ``prediction`` is ``losses.mixture`` with its own ``alpha``; ``embedding`` and ``hidden`` are TinyBERT's mean
    squared errors, ``attention`` that of its scores; ``cosine`` is DistilBERT's, ``patient`` PKD's; ``relations`` is
    MiniLMv2's (queries, keys and values of the last layer, a third each), ``minilm`` the older MiniLM's.
    """

    prediction: float = 1.0
    embedding: float = 0.0
    hidden: float = 0.0
    cosine: float = 0.0
    patient: float = 0.0
    attention: float = 0.0
    relations: float = 0.0
    minilm: float = 0.0

    def __post_init__(self) -> None:
        """Refuse weights that ask for nothing."""
        for name, weight in vars(self).items():
            if not 0 <= weight < math.inf:
                raise ValueError(f"the weight of {name} is {weight}; it must be at least 0, and finite")
        if not any(vars(self).values()):
            raise ValueError("every loss has weight 0; there is nothing to learn")

    def layers(self, depth: int) -> Layers:
        """Return the layers of a student ``depth`` layers deep that these losses look at."""
        every = tuple(range(1, depth + 1))
        states = every if self.hidden or self.cosine or self.patient else ()
        attention = every if self.attention else ((depth,) if self.relations or self.minilm else ())
        return Layers(((0,) if self.embedding else ()) + states, attention)

    def teacher_layers(
        self, teacher: PreTrainedConfig, student: PreTrainedConfig, kind: str | tuple[int, ...] = "uniform"
    ) -> Layers:
        """Return, in the student's order, the layers of the teacher that stand for them.

        Args:
            kind: a layer map of :func:`tinykd.models.layer_map`, or one teacher layer (from 0) for each student layer.

        Raises:
            ModelError: the map does not fit, or a loss needs as many attention heads in both.
        """
        own = self.layers(student.num_hidden_layers)
        chosen = layer_map(teacher.num_hidden_layers, student.num_hidden_layers, kind)
        theirs, mine = _heads(teacher), _heads(student)
        pairs = [(theirs[layer], n) for layer, n in zip(chosen, mine, strict=True)]
        if (self.attention and any(t != s for t, s in pairs)) or (self.minilm and pairs[-1][0] != pairs[-1][1]):
            raise ModelError(
                f"the teacher has {theirs[0]} attention heads, the student {' or '.join(map(str, sorted(set(mine))))}: "
                "attention and minilm need as many; relations do not"
            )
        stands_for = {0: 0} | {place: layer + 1 for place, layer in enumerate(chosen, 1)}
        return Layers(*(tuple(stands_for[n] for n in part) for part in (own.hidden_states, own.attention)))


class Objective(nn.Module):
    """A student and what it is asked: ``forward`` takes a batch of ``data.collate`` and returns losses.

    Where the teacher is wider, a learned projection (TinyBERT's ``W_h`` and ``W_e``, one for the embeddings, one for
    all hidden states) lifts the student's states; it is trained with the student and thrown away after.

    Args:
        student: the model to train.
        weights: which losses, and how much each counts.
        teacher_hidden: width of the teacher's states; the student's own by default.
        heads: relation heads; by default the student's attention heads, or, if its last layer was pruned, as many of
            them as divide what is left. ``attention`` and ``minilm`` look at the real ones.
    """

    def __init__(
        self,
        student: PreTrainedModel,
        weights: Weights = Weights(),
        teacher_hidden: int | None = None,
        heads: int | None = None,
    ):
        super().__init__()
        self.student, self.weights = student, weights
        config = student.config
        self.layers = weights.layers(config.num_hidden_layers)
        self.watched = Watched(student, self.layers)
        self.own = _heads(config)
        last = self.own[-1] * (config.hidden_size // config.num_attention_heads)
        self.heads = math.gcd(config.num_attention_heads, last) if heads is None else heads
        self.lift = nn.ModuleDict()
        if teacher_hidden not in (None, config.hidden_size):
            states = weights.hidden or weights.cosine or weights.patient
            for name in ["embedding"] * bool(weights.embedding) + ["hidden"] * bool(states):
                self.lift[name] = nn.Linear(config.hidden_size, teacher_hidden, bias=False)

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        labels: Tensor,
        word_starts: Tensor,
        alpha: float = 1.0,
        temperature: float = 1.0,
        teacher_share: float = 1.0,
        weight: Tensor | None = None,
        **teacher: Tensor,
    ) -> dict[str, Tensor]:
        """Return each loss that counts, unweighted, by its name; ``loss``, their weighted sum; and the ``logits``.

        Args:
            input_ids, attention_mask, labels, word_starts: a batch of ``data.collate``.
            alpha, temperature: as in ``losses.mixture``.
            teacher_share: λ of ``losses.joint_target``; 1 leaves the student out of the target.
            weight: (batch,), how much each row counts in the prediction loss; 1 each by default.
            teacher: the columns ``teacher_logits``, ``teacher_hidden_states``, …; see ``samples.with_teacher``.

        Raises:
            RunError: a loss needs a signal that the batch does not bring.
        """
        found = self.watched(input_ids, attention_mask, word_starts)
        mask = word_starts >= 0
        terms = {}
        if self.weights.prediction:
            if labels.dim() == 2:
                labels = of_words(labels, word_starts).where(mask, IGNORE)
            terms["prediction"] = self._prediction(
                found["logits"], labels, alpha, temperature, teacher_share, weight, teacher.get("teacher_logits")
            )
        if self.layers.hidden_states:
            terms |= self._representation(found["hidden_states"], self._of(teacher, "hidden_states", found), mask)
        if self.layers.attention:
            names = ("queries", "keys", "values")
            terms |= self._attention(
                [found[name] for name in names], [self._of(teacher, name, found) for name in names], mask
            )
        loss = sum(getattr(self.weights, name) * term for name, term in terms.items())
        return {"loss": loss, "logits": found["logits"]} | terms

    def _prediction(self, logits, labels, alpha, temperature, teacher_share, weight, teacher_logits):
        if weight is not None and labels.dim() == 2:
            weight = weight[:, None].expand_as(labels)
        if teacher_logits is None:
            return losses.cross_entropy(logits, labels, weight)
        if teacher_share < 1:
            teacher_logits = losses.joint_target(teacher_logits, logits, teacher_share, temperature)
        return losses.mixture(logits, teacher_logits, labels, alpha, temperature, weight)

    def _representation(self, student: Tensor, teacher: Tensor, mask: Tensor) -> dict[str, Tensor]:
        pairs = list(zip(student.unbind(2), teacher.unbind(2), strict=True))
        terms = {}
        if self.weights.embedding:
            terms["embedding"] = losses.hidden_states(self._lifted("embedding", pairs[0][0]), pairs[0][1], mask)
            pairs = pairs[1:]
        pairs = [(self._lifted("hidden", mine), theirs) for mine, theirs in pairs]
        for name, loss in (("hidden", losses.hidden_states), ("cosine", losses.cosine), ("patient", losses.patient)):
            if getattr(self.weights, name):
                terms[name] = torch.stack([loss(mine, theirs, mask) for mine, theirs in pairs]).mean()
        return terms

    def _attention(self, student: list[Tensor], teacher: list[Tensor], mask: Tensor) -> dict[str, Tensor]:
        terms = {}
        if self.weights.attention:
            by_layer = []
            for n in range(student[0].shape[2]):
                scores = [
                    losses.attention_scores(q[:, :, n], k[:, :, n], self.own[n]) for q, k, _ in (student, teacher)
                ]
                by_layer.append(losses.attention(*scores, mask))
            terms["attention"] = torch.stack(by_layer).mean()
        last = [[vectors[:, :, -1] for vectors in side] for side in (student, teacher)]
        if self.weights.relations:
            each = [losses.relations(mine, theirs, self.heads, mask) for mine, theirs in zip(*last, strict=True)]
            terms["relations"] = torch.stack(each).mean()
        if self.weights.minilm:
            terms["minilm"] = losses.minilm(*last, self.own[-1], mask)
        return terms

    def _lifted(self, name: str, states: Tensor) -> Tensor:
        return self.lift[name](states) if name in self.lift else states

    def _of(self, teacher: dict[str, Tensor], name: str, found: dict[str, Tensor]) -> Tensor:
        signal = teacher.get(f"teacher_{name}")
        wanted = found[name].shape[2]
        if signal is None or signal.shape[2] != wanted:
            stored = "none" if signal is None else signal.shape[2]
            raise RunError(
                f"the losses look at {name.replace('_', ' ')} of {wanted} layers, and the samples bring {stored}; "
                "make them with samples.with_teacher(…, layers=weights.teacher_layers(…))"
            )
        return signal


def _heads(config: PreTrainedConfig) -> list[int]:
    """The number of attention heads of every layer; a pruned model has its own in each."""
    return getattr(config, "heads_by_layer", None) or [config.num_attention_heads] * config.num_hidden_layers
