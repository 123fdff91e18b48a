"""Quantization-aware distillation: the student feels the rounding while it learns. Taught in lesson 08.

Only the ``forward`` of the layers changes. Their weights keep their names and stay exact between steps, so that
checkpoints, resuming and ``models.save`` work as with any model, and what is saved is a plain one.
"""

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedModel

from tinykd.adapters import refuse_adapted
from tinykd.errors import ModelError
from tinykd.quantization.rounding import fake_quantize, integer_range

ACTIVATION_BITS = 8  #: what ONNX Runtime's dynamic quantization gives activations


class RoundedLinear(nn.Linear):
    """``x W^T + b`` with ``W`` rounded a row at a time and, if ``activations``, ``x`` by the range it has now."""

    bits: int
    activations: bool

    def forward(self, input: Tensor) -> Tensor:
        """(…, in) to (…, out)."""
        if self.activations:
            input = fake_quantize(input, ACTIVATION_BITS, symmetric=False)
        return F.linear(input, self.rounded(self.bits), self.bias)

    def rounded(self, bits: int) -> Tensor:
        """(out, in), the weight on its grid."""
        return fake_quantize(self.weight, bits, channel_dim=0)


class RoundedEmbedding(nn.Embedding):
    """An embedding whose table is rounded as a whole, from its lowest to its highest value, as ONNX Runtime does."""

    bits: int
    activations: bool

    def forward(self, input: Tensor) -> Tensor:
        """(…) piece ids to (…, hidden)."""
        return F.embedding(input, self.rounded(self.bits), self.padding_idx)

    def rounded(self, bits: int) -> Tensor:
        """(vocabulary, hidden), the table on its grid."""
        return fake_quantize(self.weight, bits, symmetric=False)


_ROUNDED = {nn.Linear: RoundedLinear, nn.Embedding: RoundedEmbedding}
_PLAIN = {rounded: plain for plain, rounded in _ROUNDED.items()}


def prepare(model: PreTrainedModel, bits: int = 8, activations: bool = True) -> PreTrainedModel:
    """Return a copy of ``model`` that computes with rounded weights; train it with ``training.distill``.

    Gradients go straight through the rounding (:func:`~tinykd.quantization.fake_quantize`) to exact weights. Those are
    what ``distill`` saves: the saved model is plain, for ``export.to_onnx`` and :func:`dynamic_int8`, or for
    :func:`finish`. Use ``bits=7`` for the weights of ``dynamic_int8(…, reduce_range=True)``.

    Args:
        bits: of each weight of every linear layer (a scale for each output) and embedding (one scale), 2 to 16.
        activations: round what enters a linear layer too, to 8 bits.

    Raises:
        ModelError: the model is prepared already, or adapted, or has no such layer.
        ValueError: ``bits`` out of range.
    """
    integer_range(bits, symmetric=True)
    if is_prepared(model):
        raise ModelError("this model is prepared for quantization already; finish it first")
    refuse_adapted(model)  # W and B A would be rounded apart, and merged they are one matrix
    model = copy.deepcopy(model)
    for layer in _layers(model, _ROUNDED):
        layer.__class__ = _ROUNDED[type(layer)]
        layer.bits, layer.activations = bits, activations
    if not is_prepared(model):
        raise ModelError(f"{type(model).__name__}: no linear layer and no embedding to quantize")
    return model


@torch.no_grad()
def finish(model: PreTrainedModel, bits: int | None = None) -> PreTrainedModel:
    """Return a plain copy of ``model`` whose weights lie on their grid: it saves, reloads and runs anywhere.

    A model that was never prepared is simply rounded: quantization after training, to compare with. Activations are
    exact again.

    Args:
        bits: 2 to 16; by default what the model was prepared with.

    Raises:
        ModelError: a plain model and no ``bits``, or other ``bits`` than it was prepared with.
        ValueError: ``bits`` out of range.
    """
    prepared = [layer.bits for layer in _layers(model, _PLAIN)]
    if prepared and bits not in (None, prepared[0]):
        raise ModelError(f"the model was prepared with {prepared[0]} bits, not {bits}; leave bits out")
    if not prepared:
        if bits is None:
            raise ModelError("this model was not prepared for quantization; say how many bits its weights shall have")
        return finish(prepare(model, bits))
    model = copy.deepcopy(model)
    for layer in _layers(model, _PLAIN):
        layer.weight.copy_(layer.rounded(layer.bits))
        layer.__class__ = _PLAIN[type(layer)]
        del layer.bits, layer.activations
    return model


def is_prepared(model: nn.Module) -> bool:
    """Whether :func:`prepare` made this model, and :func:`finish` has not made it plain again."""
    return bool(_layers(model, _PLAIN))


def _layers(model: nn.Module, kinds: dict) -> list[nn.Module]:
    return [module for module in model.modules() if type(module) in kinds]
