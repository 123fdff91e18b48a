"""Quantization-aware distillation: the student computes with rounded weights while it learns. Taught in lesson 09.

Only the ``forward`` of the layers changes. Their weights keep their names and stay exact between steps.
"""

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedModel

from tinykd import models
from tinykd.errors import ModelError, SettingError
from tinykd.quantization.rounding import fake_quantize, integer_range

ACTIVATION_BITS = 8  #: what ONNX Runtime's dynamic quantization gives activations


class RoundedLinear(nn.Linear):
    """``x W^T + b`` with ``W`` rounded row by row and, if ``activations``, ``x`` by its present range."""

    bits: int
    activations: bool

    def forward(self, input: Tensor) -> Tensor:
        """(…, in) to (…, out)."""
        if self.activations:
            input = fake_quantize(input, ACTIVATION_BITS, symmetric=False)
        return F.linear(input, self.rounded(), self.bias)

    def rounded(self) -> Tensor:
        """(out, in), the weight on its grid."""
        return fake_quantize(self.weight, self.bits, channel_dim=0)


class RoundedEmbedding(nn.Embedding):
    """An embedding matrix rounded as a whole, from its lowest to its highest value, as ONNX Runtime does it."""

    bits: int
    activations: bool

    def forward(self, input: Tensor) -> Tensor:
        """(…) ids to (…, hidden)."""
        return F.embedding(input, self.rounded(), self.padding_idx)

    def rounded(self) -> Tensor:
        """(vocabulary, hidden), the matrix on its grid."""
        return fake_quantize(self.weight, self.bits, symmetric=False)


_ROUNDED = {nn.Linear: RoundedLinear, nn.Embedding: RoundedEmbedding}
_PLAIN = {rounded: plain for plain, rounded in _ROUNDED.items()}


def prepare(model: PreTrainedModel, bits: int = 8, activations: bool = True) -> PreTrainedModel:
    """Return a copy of ``model`` that computes with rounded weights; train it with ``training.distill``.

    Gradients go straight through the rounding to exact weights, and these are what ``distill`` saves. Use ``bits=7``
    for the weights of ``dynamic_int8(…, reduce_range=True)``.

    Args:
        bits: of each weight of every linear layer (one scale per output) and embedding (one scale), 2 to 16.
        activations: round the input of each linear layer too, to 8 bits.

    Raises:
        SettingError: ``bits`` out of range.
        ModelError: the model is prepared already, or adapted.
    """
    integer_range(bits, symmetric=True)
    if models.is_prepared(model):
        raise ModelError("this model is prepared for quantization already; finish it first")
    models.refuse_adapted(model)  # W and B A would be rounded apart, and merged they are one matrix
    model = copy.deepcopy(model)
    for layer in [module for module in model.modules() if type(module) in _ROUNDED]:
        layer.__class__ = _ROUNDED[type(layer)]
        layer.bits, layer.activations = bits, activations
    model.prepared_bits = bits
    return model


@torch.no_grad()
def finish(model: PreTrainedModel, bits: int | None = None) -> PreTrainedModel:
    """Return a plain copy of ``model`` whose weights lie on their grid: it saves, reloads and runs anywhere.

    A model that was never prepared is rounded too: quantization after training, as a baseline. It needs ``bits``, 2 to
    16, and a prepared one takes no others than it was prepared with: else a SettingError.
    """
    if not models.is_prepared(model):
        if bits is None:
            raise SettingError("this model was not prepared for quantization; say how many bits its weights shall have")
        return finish(prepare(model, bits))
    if bits not in (None, model.prepared_bits):
        raise SettingError(f"the model was prepared with {model.prepared_bits} bits, not {bits}; leave bits out")
    model = copy.deepcopy(model)
    for layer in [module for module in model.modules() if type(module) in _PLAIN]:
        layer.weight.copy_(layer.rounded())
        layer.__class__ = _PLAIN[type(layer)]
        del layer.bits, layer.activations
    del model.prepared_bits
    return model
