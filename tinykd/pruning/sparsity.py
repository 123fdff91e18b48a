"""Zeros inside the matrices, by the magnitude of the weights: they save neither space nor time. Taught in lesson 08."""

import copy

import torch
from torch import nn
from transformers import PreTrainedModel

from tinykd import models
from tinykd.errors import SettingError
from tinykd.models.hooks import stack_of_layers


@torch.no_grad()
def sparsify(model: PreTrainedModel, amount: float) -> PreTrainedModel:
    """Return a copy of ``model`` whose Transformer layers have their smallest weights set to zero (Han et al. 2015).

    The zeros stay while the copy is trained: see :func:`mask_gradients`. Embeddings, biases and the head stay whole.

    Args:
        amount: the share of zeros, in [0, 1), over all matrices together; any other is a SettingError.

    Raises:
        ModelError: an adapted model.
    """
    if not (isinstance(amount, int | float) and 0 <= amount < 1):
        raise SettingError(f"amount is {amount}; expected a share of zeros in [0, 1)")
    model = copy.deepcopy(model)
    weights = _weights(model)
    every = torch.cat([weight.flatten() for weight in weights])
    every[every.abs().topk(round(amount * len(every)), largest=False).indices] = 0
    for weight, part in zip(weights, every.split([weight.numel() for weight in weights]), strict=True):
        weight.copy_(part.view_as(weight))
    return mask_gradients(model)


def mask_gradients(model: PreTrainedModel) -> PreTrainedModel:
    """Set the gradients of all zeros in the Transformer layers to 0, so that training keeps the zeros.

    Returns ``model`` itself. Hooks are neither saved nor copied: call it again on a sparse model that was loaded, or
    that ``quantization.prepare`` returned. An adapted model is a ModelError: merging it would fill the zeros.
    """
    for weight in _weights(model):
        if weight.requires_grad:
            kept = weight.detach() != 0
            weight.register_hook(lambda gradient, kept=kept: gradient * kept.to(gradient.device))
    return model


def sparsity(model: PreTrainedModel) -> float:
    """Return the share of zeros in the matrices of the Transformer layers, in [0, 1]."""
    weights = _weights(model)
    return sum(int((weight == 0).sum()) for weight in weights) / sum(weight.numel() for weight in weights)


def _weights(model: PreTrainedModel) -> list[nn.Parameter]:
    """Return the matrices of all Transformer layers."""
    models.refuse_adapted(model)
    return [module.weight for module in stack_of_layers(model).modules() if isinstance(module, nn.Linear)]
