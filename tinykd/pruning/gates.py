"""The loss of a model on a corpus, and its derivatives by gates. Taught in lesson 07.

Every head and every neuron gets a *gate*, a factor ξ = 1 on its output. ξ = 0 is the model without it, so that the
derivative of the loss by ξ tells, for all of them in one backward pass, what removing each would cost.
"""

import contextlib
import math
from collections import defaultdict
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from tqdm.auto import tqdm
from transformers import PreTrainedModel

from tinykd import data, losses, models
from tinykd.hardware import placed
from tinykd.objective import Objective
from tinykd.pruning.parts import layers_of, shape_of


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

    hooks = []
    for number, (layer, (heads, neurons)) in enumerate(zip(layers_of(model), shape_of(model), strict=True)):
        for name, count, module in (
            ("heads", heads, layer.attention.output.dense),
            ("neurons", neurons, layer.output.dense),
        ):
            hooks.append(module.register_forward_pre_hook(multiply((number, name), count)))
    try:
        yield gates
    finally:
        for hook in hooks:
            hook.remove()


class Corpus:
    """A model and the batches of a corpus, in any order and as often as wanted."""

    def __init__(self, model, tokenizer, dataset, by, temperature, max_length, batch_size, progress):
        signals = {"teacher_logits"} if by == "distillation" else set()  # without a teacher, the loss is that of labels
        dataset = dataset.select_columns(
            [name for name in dataset.column_names if name in signals or not name.startswith("teacher_")]
        )
        self.model, self.objective, self.temperature = placed(model), Objective(model).eval(), temperature
        self.encoded = data.encode(dataset, tokenizer, max_length)
        models.check_length(model, max(self.encoded["length"][:]), max_length)
        self.collate = data.collate(tokenizer, dataset)
        order = np.argsort(self.encoded["length"][:], kind="stable")  # rows of like length together: little padding
        self.batches = np.array_split(order, math.ceil(len(order) / batch_size))
        passes = 2 + len(layers_of(model))
        self.bar = tqdm(total=passes * len(self.batches), desc=progress, unit="batch", disable=progress is None)

    def losses(self) -> Iterator[tuple[Tensor, Tensor, Tensor | None]]:
        """Yield for each batch the loss, summed over its words (or texts), and their logits, then the teacher's.

        Both are (words, classes); without a teacher, the last is None.
        """
        for rows in self.batches:
            batch = self.collate([self.encoded[int(i)] for i in rows])
            batch = {name: tensor.to(self.model.device) for name, tensor in batch.items()}
            outputs = self.objective(**batch, alpha=0.0, temperature=self.temperature)
            logits, said = outputs["logits"], batch.get("teacher_logits")
            if logits.dim() == 3:
                words = batch["word_starts"] >= 0
                logits, said = logits[words], said[words] if said is not None else None
            yield outputs["loss"] * len(logits), logits, said
            self.bar.update()


def by_gates(corpus: Corpus, by: str, generator: torch.Generator) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Return the importance of heads and of neurons, a tensor a layer; see :func:`tinykd.pruning.importance`."""
    cost, words = defaultdict(float), 0
    with torch.inference_mode(False), torch.enable_grad(), gated(corpus.model) as gates:
        for loss, logits, said in corpus.losses():
            if by == "distillation":
                loss = _loss_of_drawn_labels(logits, said, corpus.temperature, generator)
            gradients = torch.autograd.grad(loss, gates.values())  # each (batch, heads) or (batch, neurons)
            for key, gradient in zip(gates, map(Tensor.float, gradients), strict=True):
                cost[key] += (gradient**2 / 2 if by == "distillation" else gradient.abs()).sum(0)
            words += len(logits)
    depth = range(len(layers_of(corpus.model)))
    heads, neurons = [tuple(cost[n, name] / words for n in depth) for name in ("heads", "neurons")]
    return heads, neurons


def _loss_of_drawn_labels(student: Tensor, teacher: Tensor, temperature: float, generator: torch.Generator) -> Tensor:
    """Return ``-T Σ log q(y)``, y drawn from the teacher: its squared gradient is the curvature of T² KL, on average.

    Exactly so where student and teacher agree; where they do not, it also holds the square of the gradient of T² KL.
    """
    labels = torch.multinomial((teacher / temperature).softmax(-1).cpu(), 1, generator=generator)[:, 0]
    return temperature * len(labels) * losses.cross_entropy(student / temperature, labels.to(student.device))


@torch.no_grad()
def by_skipping(corpus: Corpus) -> Tensor:
    """Return (layers,), the rise of the mean loss without each layer."""

    def mean() -> float:
        sums = [(loss.item(), len(logits)) for loss, logits, _ in corpus.losses()]
        return sum(loss for loss, _ in sums) / sum(words for _, words in sums)

    whole, rises = mean(), []
    for layer in layers_of(corpus.model):
        with layer.register_forward_hook(lambda module, inputs, output: inputs[0]):
            rises.append(mean() - whole)
    return torch.tensor(rises)
