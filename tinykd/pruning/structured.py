"""Cut heads, neurons and layers out of a BERT: rows and columns leave the matrices. Taught in lesson 08."""

import torch
from torch import Tensor
from transformers import PreTrainedModel
from transformers.pytorch_utils import prune_linear_layer

from tinykd.errors import ModelError, SettingError
from tinykd.models.students import cut
from tinykd.pruning.measures import Importance
from tinykd.pruning.parts import layers_of, reshaped, shape_of


def prune(
    model: PreTrainedModel,
    importance: Importance,
    heads: float = 0.0,
    neurons: float = 0.0,
    layers: float = 0.0,
    per_layer: bool = False,
) -> PreTrainedModel:
    """Return a smaller copy of ``model``, without its least important parts. Taught in lesson 08.

    Layers go first; ``heads`` and ``neurons`` are shares of what the other layers hold. What stays keeps its order and
    its weights. A model that lost only layers is a plain BERT.

    Args:
        importance: of this model, from :func:`tinykd.pruning.importance`.
        heads, neurons, layers: the share of each that goes, in [0, 1]; rounded to a whole number.
        per_layer: take the same share of every layer. By default the heads of all layers compete, and so do the
            neurons; the best of each layer always stays.

    Raises:
        SettingError: a share outside [0, 1], or one that leaves nothing of a layer.
        ModelError: importance of another model.
    """
    shape, measured = shape_of(model), [*zip(map(len, importance.heads), map(len, importance.neurons), strict=True)]
    if measured != shape:
        told = f"it has (heads, neurons) by layer {measured}, the model {shape}"
        raise ModelError(f"this importance is of another model: {told}")
    kept = _kept([importance.layers], layers, True, "layers")[0].tolist()
    kept_heads = _kept([importance.heads[n] for n in kept], heads, per_layer, "heads")
    kept_neurons = _kept([importance.neurons[n] for n in kept], neurons, per_layer, "neurons")
    pruned = cut(model, kept)
    return _narrowed(pruned, kept_heads, kept_neurons) if heads or neurons else pruned


def check_leaves(name: str, share: float, parts: int, layers: int) -> None:
    """Raise a SettingError for a share of heads, neurons or layers that is none, or leaves nothing of a layer."""
    if not 0 <= share <= 1:
        raise SettingError(f"{name} is {share}; the share that goes must lie in [0, 1]")
    if parts - round(share * parts) < layers:
        raise SettingError(f"{name} is {share}; this would leave nothing in a layer, and one of its {name} must stay")


def _kept(scores: list[Tensor], share: float, per_layer: bool, name: str) -> list[Tensor]:
    """Return for each layer the numbers of what stays, in order."""
    if per_layer and len(scores) > 1:
        return [_kept([layer], share, True, name)[0] for layer in scores]
    sizes = [len(layer) for layer in scores]
    check_leaves(name, share, sum(sizes), len(sizes))
    ranked = torch.cat([layer.index_fill(0, layer.argmax(), torch.inf) for layer in scores])  # the best are safe
    stays = torch.ones(sum(sizes), dtype=torch.bool)
    stays[ranked.argsort(stable=True)[: round(share * sum(sizes))].cpu()] = False
    return [layer.nonzero()[:, 0] for layer in stays.split(sizes)]


def _narrowed(model: PreTrainedModel, heads: list[Tensor], neurons: list[Tensor]) -> PreTrainedModel:
    """Return ``model`` with these heads and neurons of each layer only. It takes ``model`` apart: pass a copy."""
    for layer, some_heads, some_neurons in zip(layers_of(model), heads, neurons, strict=True):
        attention = layer.attention.self
        size = attention.attention_head_size
        rows = (some_heads[:, None] * size + torch.arange(size)).flatten()
        for name in ("query", "key", "value"):
            setattr(attention, name, prune_linear_layer(getattr(attention, name), rows, dim=0))
        layer.attention.output.dense = prune_linear_layer(layer.attention.output.dense, rows, dim=1)
        layer.intermediate.dense = prune_linear_layer(layer.intermediate.dense, some_neurons, dim=0)
        layer.output.dense = prune_linear_layer(layer.output.dense, some_neurons, dim=1)
    shapes = {"heads_by_layer": [len(n) for n in heads], "neurons_by_layer": [len(n) for n in neurons]}
    return reshaped(model, shapes, model.state_dict())
