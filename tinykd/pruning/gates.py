"""The loss of a model on a corpus, and its derivatives by gates. Taught in lesson 07.

Every head and every neuron gets a *gate*, a factor ξ = 1 on its output. ξ = 0 is the model without it, so that the
derivative of the loss by ξ tells, for all of them in one backward pass, what removing each would cost.
"""

import contextlib
from collections import defaultdict
from collections.abc import Iterator

import numpy as np
import torch
from datasets import Dataset
from torch import Tensor
from torch.utils.data import DataLoader
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tinykd import data, losses, models, progress
from tinykd.pruning.parts import layers_of, shape_of

BATCH = 32  #: rows that the model sees at once


@contextlib.contextmanager
def gated(model: PreTrainedModel) -> Iterator[dict[tuple[int, str], Tensor]]:
    """Give every head and neuron a gate for every row of a batch, so that one backward pass serves all rows.

    Yields:
        The gates of the last forward pass, by ``(layer, "heads")`` and ``(layer, "neurons")``: ones of shape
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
    """Yield per batch the loss, summed over its words (or texts), their logits and their targets.

    The logits are (words, classes). With a ``temperature`` T the targets are the teacher's logits, and the loss is
    ``T² KL(teacher ‖ model)``; without, the targets are labels, (words,), and the loss is the cross-entropy.
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
    """Return the importance of heads and of neurons, a tensor per layer; see :mod:`tinykd.pruning.importance`."""
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
    """Return ``-T Σ log q(y)``, y drawn from the teacher: its squared gradient is the curvature of T² KL, on average.

    Exactly so where student and teacher agree; where they do not, it also holds the square of the gradient of T² KL.

    Args:
        student, teacher: (words, classes), logits.
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
