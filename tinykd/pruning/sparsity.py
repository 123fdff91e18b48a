"""Zeros inside the matrices: magnitude sparsity, free or two in four. Taught in lesson 07.

It saves nothing by itself. A matrix with zeros has as many numbers as before, and an ordinary multiplication takes as
long; 2:4 is the pattern that the sparse cores of some GPUs are built for. Compare :func:`tinykd.pruning.prune`.
"""

import copy

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from tinykd import models
from tinykd.errors import ModelError, SettingError
from tinykd.models.hooks import stack_of_layers


@torch.no_grad()
def sparsify(model: PreTrainedModel, amount: float | str) -> PreTrainedModel:
    """Return a copy of ``model`` whose Transformer layers have their smallest weights set to zero.

    The zeros stay while the copy is trained: see :func:`mask_gradients`. Embeddings, biases and the head stay whole.

    Args:
        model: any encoder; it is left as it is.
        amount: the share of zeros, in [0, 1), over all matrices together (Han et al. 2015); or ``"2:4"``: in every four
            neighbouring inputs of an output, the two smallest (Mishra et al. 2021).

    Raises:
        SettingError: another amount.
        ModelError: a matrix whose width is no multiple of four for ``"2:4"``, or an adapted model.
    """
    if amount != "2:4" and not (isinstance(amount, int | float) and 0 <= amount < 1):
        raise SettingError(f"amount is {amount}; expected a share of zeros in [0, 1), or '2:4'")
    model = copy.deepcopy(model)
    matrices = _matrices(model)
    sizes = {name: module.weight.abs() for name, module in matrices.items()}
    kept = _two_of_four(sizes) if amount == "2:4" else _largest(sizes, amount)
    for name, module in matrices.items():
        module.weight.mul_(kept[name])
    return mask_gradients(model)


def mask_gradients(model: PreTrainedModel) -> PreTrainedModel:
    """Let no gradient reach the zeros of the Transformer layers, so that training keeps them; returns ``model`` itself.

    Hooks are neither saved nor copied: call it again on a sparse model that was loaded, or that
    ``quantization.prepare`` gave back. AdamW leaves a weight of 0 with gradient 0 where it is, weight decay included.

    Raises:
        ModelError: an adapted model: what it adds begins at zero, and merged it fills the zeros.
    """
    for module in _matrices(model).values():
        if module.weight.requires_grad:
            kept = module.weight.detach() != 0
            module.weight.register_hook(lambda gradient, kept=kept: gradient * kept.to(gradient.device))
    return model


def sparsity(model: PreTrainedModel) -> float:
    """Return the share of zeros in the matrices of the Transformer layers, in [0, 1]."""
    weights = [module.weight for module in _matrices(model).values()]
    return sum(int((weight == 0).sum()) for weight in weights) / sum(weight.numel() for weight in weights)


def _matrices(model: PreTrainedModel) -> dict[str, nn.Linear]:
    """Return the linear modules of all Transformer layers, by name."""
    models.refuse_adapted(model)
    named = stack_of_layers(model).named_modules()
    return {name: module for name, module in named if isinstance(module, nn.Linear)}


def _largest(sizes: dict[str, Tensor], amount: float) -> dict[str, Tensor]:
    """Return masks that are False at the smallest numbers of all matrices together."""
    every = torch.cat([size.flatten() for size in sizes.values()])
    kept = torch.ones_like(every, dtype=torch.bool)
    kept[every.topk(round(amount * len(every)), largest=False).indices] = False
    parts = kept.split([size.numel() for size in sizes.values()])
    return {name: part.view_as(size) for (name, size), part in zip(sizes.items(), parts, strict=True)}


def _two_of_four(sizes: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return masks that are True at the two largest of every four numbers of a row."""
    kept = {}
    for name, size in sizes.items():
        if size.shape[1] % 4:
            raise ModelError(f"2:4 needs inputs in fours, and {name} has {size.shape[1]}")
        groups = size.unflatten(1, (-1, 4))  # (out, in / 4, 4)
        kept[name] = torch.zeros_like(groups).scatter(2, groups.topk(2).indices, 1).flatten(1).bool()
    return kept
