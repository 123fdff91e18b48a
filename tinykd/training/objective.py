"""What a student is trained to match: the losses of :mod:`tinykd.losses`, weighted and added. Taught in lesson 05."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import PreTrainedConfig, PreTrainedModel

from tinykd import losses
from tinykd.errors import ModelError, RunError, SettingError
from tinykd.losses.masking import IGNORE
from tinykd.models import FeatureHooks, Layers, layer_map, of_words


@dataclass(frozen=True)
class Weights:
    """The weight of each loss; 0 leaves the loss out, and the teacher's signals that it needs.

    ``prediction`` is ``losses.kd_loss`` with its own ``alpha``; ``embedding`` and ``hidden`` are TinyBERT's mean
    squared errors, ``attention`` that of its scores; ``cosine`` is DistilBERT's, ``pkd`` that of patient distillation;
    ``relations`` is MiniLMv2's (queries, keys and values of the last layer, a third each). A weight below 0 or
    infinite, or nothing but zeros, is a SettingError.
    """

    prediction: float = 1.0
    embedding: float = 0.0
    hidden: float = 0.0
    cosine: float = 0.0
    pkd: float = 0.0
    attention: float = 0.0
    relations: float = 0.0

    def __post_init__(self) -> None:
        """Refuse impossible weights."""
        for name, weight in vars(self).items():
            if not 0 <= weight < math.inf:
                raise SettingError(f"the weight of {name} is {weight}; it must be at least 0, and finite")
        if not any(vars(self).values()):
            raise SettingError("every loss has weight 0; there is nothing to learn")

    def layers(self, depth: int) -> Layers:
        """Return the layers of a student ``depth`` layers deep that these losses look at."""
        every = tuple(range(1, depth + 1))
        states = every if self.hidden or self.cosine or self.pkd else ()
        attention = every if self.attention else ((depth,) if self.relations else ())
        return Layers(((0,) if self.embedding else ()) + states, attention)

    def teacher_layers(
        self, teacher: PreTrainedConfig, student: PreTrainedConfig, kind: str | tuple[int, ...] = "uniform"
    ) -> Layers:
        """Return, in the student's order, the layers of the teacher that stand for them.

        Args:
            kind: as for :func:`tinykd.models.layer_map`.

        Raises:
            ModelError: the map does not fit, or ``attention`` counts and the numbers of attention heads differ.
        """
        own = self.layers(student.num_hidden_layers)
        chosen = layer_map(teacher.num_hidden_layers, student.num_hidden_layers, kind)
        for place, (layer, mine) in enumerate(zip(chosen, _heads(student), strict=True), 1):
            theirs = _heads(teacher)[layer]
            if self.attention and theirs != mine:
                both = f"layer {place} of the student has {mine} attention heads, the teacher's layer {layer + 1} has"
                raise ModelError(f"{both} {theirs}: attention needs as many in both; relations do not")
        stands_for = [0, *(layer + 1 for layer in chosen)]
        return Layers(*(tuple(stands_for[n] for n in part) for part in (own.hidden_states, own.attention)))


class Objective(nn.Module):
    """A student and what it is trained to match: ``forward`` takes a batch of ``data.collate`` and returns losses.

    Where the widths differ, a learned ``projection`` (TinyBERT's ``W_e`` for the embeddings, ``W_h`` for all hidden
    states) maps the student's states to the teacher's width. It is trained with the student, and not saved.

    Args:
        teacher_hidden: width of the teacher's states; the student's own by default.
        relation_heads: of ``relations``; by default as many of the student's attention heads as divide both widths.
    """

    def __init__(
        self,
        student: PreTrainedModel,
        weights: Weights = Weights(),
        teacher_hidden: int | None = None,
        relation_heads: int | None = None,
    ):
        super().__init__()
        self.student, self.weights, self.relation_heads = student, weights, relation_heads
        self.hooks = FeatureHooks(student, weights.layers(student.config.num_hidden_layers))
        self.projection = nn.ModuleDict()
        if teacher_hidden not in (None, student.config.hidden_size):
            states = weights.hidden or weights.cosine or weights.pkd
            for name in ["embedding"] * bool(weights.embedding) + ["hidden"] * bool(states):
                self.projection[name] = nn.Linear(student.config.hidden_size, teacher_hidden, bias=False)

    def forward(
        self, alpha: float = 1.0, temperature: float = 1.0, mixing: float = 1.0, **batch: Tensor
    ) -> dict[str, Tensor]:
        """Return each loss, unweighted, by its name; ``loss``, their weighted sum; and the ``logits``.

        Args:
            alpha, temperature: as in ``losses.kd_loss``.
            mixing: λ of ``losses.joint_target``; 1 leaves the student out of the target.
            batch: of ``data.collate``, with the columns ``teacher_logits``, ``teacher_hidden_states``, … of
                ``samples.with_teacher``. ``weight`` (batch,), if present, weights each row's prediction loss. Without
                ``labels`` the prediction loss compares with the teacher alone.

        Raises:
            RunError: a loss needs a signal that the batch does not bring.
        """
        features = self.hooks(batch["input_ids"], batch["attention_mask"], batch["first_subwords"])
        mask, terms = batch["first_subwords"] >= 0, {}
        if self.weights.prediction:
            terms["prediction"] = self._prediction(features["logits"], batch, alpha, temperature, mixing)
        if self.hooks.layers.hidden_states:
            states = (features["hidden_states"], self._signal(batch, "hidden_states", features))
            terms |= self._representation(*states, mask)
        if self.hooks.layers.attention:
            names = ("queries", "keys", "values")
            sides = [features[n] for n in names], [self._signal(batch, n, features) for n in names]
            terms |= self._attention(*sides, mask)
        loss = sum(getattr(self.weights, name) * term for name, term in terms.items())
        return {"loss": loss, "logits": features["logits"]} | terms

    def _prediction(self, logits: Tensor, batch: dict, alpha: float, temperature: float, mixing: float) -> Tensor:
        mask, labels, weight = batch["first_subwords"] >= 0, batch.get("labels"), batch.get("weight")
        if labels is None and "teacher_logits" not in batch:
            raise RunError("the prediction loss needs labels or the teacher's logits, and the samples bring neither")
        if labels is None:
            alpha, labels = 0.0, torch.zeros(logits.shape[:-1], dtype=torch.long, device=logits.device)
        elif labels.dim() == 2:
            labels = of_words(labels, batch["first_subwords"])
        if labels.dim() == 2:
            labels = labels.where(mask, IGNORE)
            weight = None if weight is None else weight[:, None].expand_as(labels)
        if (target := batch.get("teacher_logits")) is None:
            return losses.cross_entropy(logits, labels, weight)
        if mixing < 1:
            target = losses.joint_target(target, logits, mixing, temperature)
        return losses.kd_loss(logits, target, labels, alpha, temperature, weight)

    def _representation(self, student: Tensor, teacher: Tensor, mask: Tensor) -> dict[str, Tensor]:
        pairs, terms = list(zip(student.unbind(2), teacher.unbind(2), strict=True)), {}
        if self.weights.embedding:
            terms["embedding"] = losses.hidden_states(self._projected("embedding", pairs[0][0]), pairs[0][1], mask)
            pairs = pairs[1:]
        pairs = [(self._projected("hidden", mine), theirs) for mine, theirs in pairs]
        for name, loss in (("hidden", losses.hidden_states), ("cosine", losses.cosine), ("pkd", losses.pkd)):
            if getattr(self.weights, name):
                terms[name] = torch.stack([loss(mine, theirs, mask) for mine, theirs in pairs]).mean()
        return terms

    def _attention(self, student: list[Tensor], teacher: list[Tensor], mask: Tensor) -> dict[str, Tensor]:
        terms = {}
        if self.weights.attention:
            heads, each = _heads(self.student.config)[-1], []
            for n in range(student[0].shape[2]):
                pairs = [(queries[:, :, n], keys[:, :, n]) for queries, keys, _ in (student, teacher)]
                scores = [losses.attention_scores(*pair, heads) for pair in pairs]
                each.append(losses.attention(*scores, mask))
            terms["attention"] = torch.stack(each).mean()
        if self.weights.relations:
            widths = [side[0].shape[-1] for side in (student, teacher)]
            heads = self.relation_heads or math.gcd(self.student.config.num_attention_heads, *widths)
            last = zip(student, teacher, strict=True)
            each = [losses.relations(mine[:, :, -1], theirs[:, :, -1], heads, mask) for mine, theirs in last]
            terms["relations"] = torch.stack(each).mean()
        return terms

    def _projected(self, name: str, states: Tensor) -> Tensor:
        return self.projection[name](states) if name in self.projection else states

    def _signal(self, batch: dict[str, Tensor], name: str, features: dict[str, Tensor]) -> Tensor:
        signal, wanted = batch.get(f"teacher_{name}"), features[name].shape[2]
        if signal is None or signal.shape[2] != wanted:
            brought = f"the samples bring {'none' if signal is None else signal.shape[2]}"
            looked = f"the losses look at {name.replace('_', ' ')} of {wanted} layers, and {brought}"
            raise RunError(f"{looked}; make them with samples.with_teacher(…, layers=weights.teacher_layers(…))")
        return signal


def _heads(config: PreTrainedConfig) -> list[int]:
    """The number of attention heads of each layer."""
    return getattr(config, "heads_by_layer", None) or [config.num_attention_heads] * config.num_hidden_layers
