"""How much a model would miss a head, a neuron or a layer. Taught in lesson 07.

Three measures. ``"magnitude"`` looks at the weights alone: the Frobenius norm of what a part computes,
``‖W_out [W_in, b_in]‖`` (of a head: through its values), in no unit; of a layer, the norm of all these. The other two
are in nats per word, of a loss L on a corpus; ξ is a part's gate (:mod:`tinykd.pruning.gates`):

- ``"gradient"``: ``Σ |∂L/∂ξ|`` over the sentences, L being the cross-entropy with the labels: gradient times activation
  (Michel et al. 2019, equation 2; Molchanov et al. 2019 take squares). The bars hide a sign: what does harm counts as
  much as what does good.
- ``"distillation"``: how far ``L = T² KL(teacher ‖ model)`` rises without the part, by the second-order term of its
  Taylor series, ``½ T² Σ (∂ log q(y)/∂ξ)²`` over the sentences: q is the model's softmax at T, and the labels y are
  drawn from the teacher's (Fisher pruning, Theis et al. 2018, who take the corpus's labels). It needs no second
  derivative, and tells parts apart even where a teacher prunes itself and every ∂L/∂ξ is 0.

The first-order term ``-∂L/∂ξ`` is left out on purpose. With it the estimate is better for any one part and worse for
many: of a student that is not yet at its best, a hundred neurons would each help a little by going, and all go
together, far past the point where that was true.

A whole layer is too large a step for a derivative: with these two, ``layers`` is the rise of L measured when one layer
after the other is skipped.
"""

from dataclasses import dataclass

import torch
from datasets import Dataset
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tinykd import data, models
from tinykd.errors import DataError, ModelError, SettingError
from tinykd.models.precision import placed
from tinykd.pruning.gates import batches_of, by_gates, by_skipping
from tinykd.pruning.parts import layers_of, shape_of

MEASURES = ("magnitude", "gradient", "distillation")


@dataclass(frozen=True)
class Importance:
    """A number for each part of a model; the lowest goes first.

    ``heads`` and ``neurons`` hold a float32 tensor per layer, (heads,) and (neurons,); ``layers`` is (layers,).
    """

    heads: tuple[Tensor, ...]
    neurons: tuple[Tensor, ...]
    layers: Tensor


def importance(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    dataset: Dataset | None,
    measure: str = "distillation",
    temperature: float = 1.0,
    max_length: int = 128,
) -> Importance:
    """Measure every head, neuron and layer of a BERT; this module's first lines explain how. Taught in lesson 07.

    Args:
        dataset: a validation split, never the test split; for ``"gradient"`` with labels, for ``"distillation"`` with
            the column ``teacher_logits`` of :func:`tinykd.samples.with_teacher`. ``"magnitude"`` does not look at it.
        measure: one of the three.
        temperature: T of ``"distillation"``.
        max_length: subword tokens in a window.

    Raises:
        SettingError: an unknown measure, or a temperature that is not above 0.
        ModelError: not a BERT, labels in another order than the corpus has, or a ``max_length`` that the model cannot
            take.
        DataError: no rows, no labels, or no ``teacher_logits``.
    """
    shape_of(model)  # refuses what is not a BERT
    if measure not in MEASURES:
        raise SettingError(f"unknown importance {measure!r}; expected one of {', '.join(MEASURES)}")
    if measure == "magnitude":
        return _magnitude(model)
    if not temperature > 0:
        raise SettingError(f"temperature is {temperature}; it must be above 0")
    batches = batches_of(_read_by(measure, dataset, model), tokenizer, max_length)
    models.check_length(model, max(batches.dataset["length"][:]), max_length)
    was_training, how = model.training, (batches, temperature if measure == "distillation" else None)
    try:
        return Importance(*by_gates(placed(model), *how), by_skipping(model, *how))
    finally:
        model.train(was_training)


def _read_by(measure: str, dataset: Dataset, model: PreTrainedModel) -> Dataset:
    """Return the columns that a measure reads, if they are there and fit."""
    if not len(dataset):
        raise DataError("importance is measured on sentences, and the dataset has none")
    columns = dataset.column_names
    if measure == "distillation" and "teacher_logits" not in columns:
        raise DataError("the teacher-aware importance needs a column teacher_logits; make it with samples.with_teacher")
    if measure == "gradient" or {"labels", "label"} & set(columns):
        names, theirs = models.label_names(model.config), data.label_names(dataset)
        if names != theirs:
            raise ModelError(f"the model's labels are {names}, those of the corpus {theirs}")
    read = "teacher_logits" if measure == "distillation" else None
    return dataset.remove_columns([name for name in columns if name.startswith("teacher_") and name != read])


@torch.no_grad()
def _magnitude(model: PreTrainedModel) -> Importance:
    heads, neurons = [], []
    for layer, (count, _) in zip(layers_of(model), shape_of(model), strict=True):
        value, out = _with_bias(layer.attention.self.value), layer.attention.output.dense.weight.float()
        value = value.unflatten(0, (count, -1))  # (heads, size, hidden + 1)
        out = out.unflatten(1, (count, -1)).movedim(1, 0)  # (heads, hidden, size)
        heads.append(torch.linalg.matrix_norm(out @ value))
        neurons.append(_with_bias(layer.intermediate.dense).norm(dim=1) * layer.output.dense.weight.float().norm(dim=0))
    layers = torch.stack([torch.cat(parts).norm() for parts in zip(heads, neurons, strict=True)])
    return Importance(tuple(heads), tuple(neurons), layers)


def _with_bias(linear: nn.Linear) -> Tensor:
    return torch.cat([linear.weight, linear.bias[:, None]], dim=1).float()
