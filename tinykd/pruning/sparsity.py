"""Zeros inside the matrices: magnitude sparsity, free or two in four. Taught in lesson 07.

It saves nothing by itself. A matrix with zeros has as many numbers as before, and an ordinary multiplication takes as
long; 2:4 is the pattern that the sparse cores of some GPUs are built for. Compare :func:`tinykd.pruning.prune`.
"""

import copy
import weakref

import torch
from torch import Tensor, nn
from torch.nn.utils import prune
from transformers import PreTrainedModel

from tinykd.adapters import refuse_adapted
from tinykd.errors import ModelError
from tinykd.internals import stack_of_layers


def sparsify(model: PreTrainedModel, amount: float | str) -> PreTrainedModel:
    """Return a copy of ``model`` whose Transformer layers have their smallest weights set to zero.

    The zeros are held while the copy is trained: see :func:`hold_zeros`. Embeddings, biases and the head stay whole.

    Args:
        model: any encoder; it is left as it is.
        amount: the share of zeros, in [0, 1), over all matrices together (Han et al. 2015); or ``"2:4"``: in every four
            neighbouring inputs of an output, the two smallest (Mishra et al. 2021).

    Raises:
        ModelError: another amount, a matrix whose width is no multiple of four for ``"2:4"``, or an adapted model.
    """
    if amount != "2:4" and not (isinstance(amount, int | float) and 0 <= amount < 1):
        raise ModelError(f"amount is {amount}; expected a share of zeros in [0, 1), or '2:4'")
    with_masks = copy.deepcopy(model)
    matrices = _matrices(with_masks)
    if amount == "2:4":
        for name, module in matrices.items():
            if module.in_features % 4:
                raise ModelError(f"2:4 needs inputs in fours, and {name} has {module.in_features}")
        for module in matrices.values():
            prune.custom_from_mask(module, "weight", _two_of_four(module.weight))
    else:
        weights = [(module, "weight") for module in matrices.values()]
        prune.global_unstructured(weights, prune.L1Unstructured, amount=float(amount))
    for module in matrices.values():
        prune.remove(module, "weight")  # the zeros stay, the mask goes
    model = copy.deepcopy(model)  # with_masks has its parameters in another order now
    model.load_state_dict(with_masks.state_dict())
    return hold_zeros(model)


def hold_zeros(model: PreTrainedModel) -> PreTrainedModel:
    """Let no gradient reach the zeros of the Transformer layers, so that training keeps them; returns ``model`` itself.

    Hooks are neither saved nor copied: call it again on a sparse model that was loaded, or that
    ``quantization.prepare`` gave back. AdamW leaves a weight of 0 with gradient 0 where it is, weight decay included.

    Raises:
        ModelError: an adapted model: what it adds begins at zero, and merged it fills the zeros.
    """
    for module in _matrices(model).values():
        if module.weight.requires_grad:
            weight = weakref.ref(module.weight)  # or the hook would keep alive what it hangs on
            module.weight.register_hook(lambda gradient, weight=weight: gradient * (weight().detach() != 0))
    return model


def sparsity(model: PreTrainedModel) -> float:
    """Return the share of zeros in the matrices of the Transformer layers, in [0, 1]."""
    weights = [module.weight for module in _matrices(model).values()]
    return sum(int((weight == 0).sum()) for weight in weights) / sum(weight.numel() for weight in weights)


def _matrices(model: PreTrainedModel) -> dict[str, nn.Linear]:
    """Return the linear modules of all Transformer layers, by name."""
    refuse_adapted(model)
    found = stack_of_layers(model).named_modules()
    return {name: module for name, module in found if isinstance(module, nn.Linear)}


def _two_of_four(weight: Tensor) -> Tensor:
    groups = weight.detach().abs().unflatten(1, (-1, 4))  # (out, in / 4, 4)
    return torch.zeros_like(groups).scatter(2, groups.topk(2).indices, 1).flatten(1)
