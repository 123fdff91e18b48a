"""How much a model would miss a head, a neuron or a layer. Taught in lesson 08.

Three measures. ``"magnitude"`` looks at the weights alone: the Frobenius norm of what a part computes,
``‖W_out [W_in, b_in]‖`` (of a head: through its values), without a unit; of a layer, the norm of all these. The other
two are in nats per word, of a loss L on a corpus. Every head and every neuron gets a *gate*, a factor ξ = 1 on its
output; ξ = 0 removes it. One backward pass gives the derivatives of L by all gates:

- ``"gradient"``: ``Σ |∂L/∂ξ|`` over the sentences, L being the cross-entropy with the labels: gradient times activation
  (Michel et al. 2019, equation 2; Molchanov et al. 2019 take squares).
- ``"distillation"``: how far ``L = T² KL(teacher ‖ model)`` rises without the part, by the second-order term of its
  Taylor series, ``½ T² Σ (∂ log q(y)/∂ξ)²`` over the sentences: q is the model's softmax at T, and the labels y are
  drawn from the teacher's (Fisher pruning, Theis et al. 2018, who take the corpus's labels). The first-order term
  ``-∂L/∂ξ`` is left out: it improves the estimate for one part, but not for the many that are removed together.

A derivative says nothing of a step as large as a layer: there the last two measure the rise of L without the layer.
"""

import contextlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from datasets import Dataset
from torch import Tensor, nn
from torch.utils.data import DataLoader
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tinykd import data, losses, models, progress
from tinykd.errors import DataError, ModelError, SettingError
from tinykd.models.precision import placed
from tinykd.pruning.parts import layers_of, shape_of

MEASURES = ("magnitude", "gradient", "distillation")
BATCH = 32  #: rows that the model sees at once


@dataclass(frozen=True)
class Importance:
    """A number for each part of a model, in float32; the lowest goes first.

    ``heads`` and ``neurons`` hold a tensor per layer, (heads,) and (neurons,); ``layers`` is (layers,).
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
    """Measure every head, neuron and layer of a BERT; the module's docstring explains how. Taught in lesson 08.

    Args:
        dataset: a validation split, never the test split; for ``"gradient"`` with labels, for ``"distillation"`` with
            the column ``teacher_logits`` of :func:`tinykd.samples.with_teacher`; ``"magnitude"`` needs none.
        measure: one of :data:`MEASURES`.
        temperature: T of ``"distillation"``.
        max_length: subword tokens in a window.

    Raises:
        SettingError: an unknown measure, or a temperature that is not above 0.
        ModelError: not a BERT, other labels than the corpus has, or a ``max_length`` that the model cannot take.
        DataError: no labels, or no ``teacher_logits``.
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


@contextlib.contextmanager
def gated(model: PreTrainedModel) -> Iterator[dict[tuple[int, str], Tensor]]:
    """Give every head and neuron a gate for every row of a batch.

    Yields the gates of the last forward pass, by ``(layer, "heads")`` and ``(layer, "neurons")``: ones of shape
    (batch, heads) and (batch, neurons).
    """
    gates: dict[tuple[int, str], Tensor] = {}

    def multiply(key: tuple[int, str], count: int):
        def hook(module, inputs):
            gates[key] = inputs[0].new_ones(len(inputs[0]), count, requires_grad=True)
            parts = inputs[0].unflatten(-1, (count, -1))  # (batch, length, count, size)
            return (parts * gates[key][:, None, :, None]).flatten(-2)

        return hook

    with contextlib.ExitStack() as hooks:
        for n, (layer, (heads, neurons)) in enumerate(zip(layers_of(model), shape_of(model), strict=True)):
            out = layer.attention.output.dense
            hooks.enter_context(out.register_forward_pre_hook(multiply((n, "heads"), heads)))
            hooks.enter_context(layer.output.dense.register_forward_pre_hook(multiply((n, "neurons"), neurons)))
        yield gates


def batches_of(dataset: Dataset, tokenizer: PreTrainedTokenizerBase, max_length: int) -> DataLoader:
    """Return the batches of a corpus, rows of like length together: little padding."""
    encoded = data.encode(dataset, tokenizer, max_length)
    order = np.argsort(encoded["length"][:], kind="stable")
    parts = [part.tolist() for part in np.array_split(order, -(-len(order) // BATCH))]
    return DataLoader(encoded, batch_sampler=parts, collate_fn=data.collate(tokenizer, dataset))


def losses_on(
    model: PreTrainedModel, batches: DataLoader, temperature: float | None
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Yield per batch the loss, summed over its words (or texts), their logits (words, classes) and their targets.

    With a ``temperature`` T these are the teacher's logits, and the loss is ``T² KL(teacher ‖ model)``; without, they
    are labels, (words,), and the loss is the cross-entropy.
    """
    hooks = models.FeatureHooks(model)
    for batch in progress.bar(batches, desc="importance", leave=False):
        batch = {name: tensor.to(model.device) for name, tensor in batch.items()}
        first = batch["first_subwords"]
        logits = hooks(batch["input_ids"], batch["attention_mask"], first)["logits"]
        targets = batch["labels"] if temperature is None else batch["teacher_logits"]
        if logits.dim() == 3:
            targets = models.of_words(targets, first) if temperature is None else targets
            logits, targets = logits[first >= 0], targets[first >= 0]
        if temperature is None:
            yield losses.cross_entropy(logits, targets) * len(logits), logits, targets
        else:
            yield temperature**2 * losses.kl_divergence(logits, targets, temperature).sum(), logits, targets


def by_gates(model: PreTrainedModel, batches: DataLoader, temperature: float | None) -> list[tuple[Tensor, ...]]:
    """Return the importance of heads and of neurons, a tensor per layer."""
    cost, words, generator = defaultdict(float), 0, torch.Generator().manual_seed(0)
    with torch.inference_mode(False), torch.enable_grad(), gated(model) as gates:
        for loss, logits, targets in losses_on(model, batches, temperature):
            if temperature is not None:
                loss = loss_of_drawn_labels(logits, targets, temperature, generator)
            gradients = torch.autograd.grad(loss, gates.values())  # each (batch, heads) or (batch, neurons)
            for key, gradient in zip(gates, map(Tensor.float, gradients), strict=True):
                cost[key] += (gradient.abs() if temperature is None else gradient**2 / 2).sum(0)
            words += len(logits)
    return [tuple(cost[n, name] / words for n in range(len(layers_of(model)))) for name in ("heads", "neurons")]


def loss_of_drawn_labels(student: Tensor, teacher: Tensor, temperature: float, generator: torch.Generator) -> Tensor:
    """Return ``-T Σ log q(y)``, y drawn from the teacher; both logits are (words, classes).

    Its mean squared gradient is the curvature of T² KL where student and teacher agree; where they do not, the square
    of the first derivative is added.
    """
    labels = torch.multinomial((teacher / temperature).softmax(-1).cpu(), 1, generator=generator)[:, 0]
    return temperature * len(labels) * losses.cross_entropy(student / temperature, labels.to(student.device))


@torch.no_grad()
def by_skipping(model: PreTrainedModel, batches: DataLoader, temperature: float | None) -> Tensor:
    """Return (layers,), the rise of the mean loss without each layer."""

    def mean() -> float:
        sums = [(loss.item(), len(logits)) for loss, logits, _ in losses_on(model, batches, temperature)]
        return sum(loss for loss, _ in sums) / sum(words for _, words in sums)

    whole, rises = mean(), []
    for layer in layers_of(model):
        with layer.register_forward_hook(lambda module, inputs, output: inputs[0]):
            rises.append(mean() - whole)
    return torch.tensor(rises)
