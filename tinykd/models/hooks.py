"""Look inside a model while it runs: hidden states, queries, keys and values, word by word. Taught in lesson 05.

Layers are numbered as in ``outputs.hidden_states``: 0 is the embedding layer, n the n-th Transformer layer.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from tinykd.errors import ModelError

#: Where a layer keeps its query, key and value projections
PROJECTIONS = (
    ("attention.self.query", "attention.self.key", "attention.self.value"),  # BERT, RoBERTa, ELECTRA, …
    ("attention.attn.q", "attention.attn.k", "attention.attn.v"),  # MPNet
    ("attention.q_lin", "attention.k_lin", "attention.v_lin"),  # DistilBERT
)


@dataclass(frozen=True)
class Layers:
    """Which layers to look at: ``hidden_states`` from 0 (the embeddings), ``attention`` from 1."""

    hidden_states: tuple[int, ...] = ()
    attention: tuple[int, ...] = ()


class FeatureHooks:
    """A model that also returns the features of its chosen layers. Call it like the model, with ``first_subwords``.

    Queries, keys and values come from forward hooks on the projections, because fused attention returns no attentions.
    A ModelError if the model lacks a layer, its projections are unknown, or layers are pruned to different widths.
    """

    def __init__(self, model: PreTrainedModel, layers: Layers = Layers()):
        self.model, self.layers = model, layers
        depth = model.config.num_hidden_layers
        for number in (*layers.hidden_states, *layers.attention):
            if not 0 <= number <= depth:
                raise ModelError(f"layer {number}: the model has layers 0 (embeddings) to {depth}")
        self.projections = {number: projections(model, number) for number in layers.attention}
        widths = {number: three[0].out_features for number, three in self.projections.items()}
        if len(set(widths.values())) > 1:
            listed = ", ".join(f"{width} in layer {number}" for number, width in widths.items())
            raise ModelError(f"the queries of this model are {listed}; layers of one attention width can be compared")
        self.width = next(iter(widths.values()), 0)  #: of queries, keys and values

    def __call__(self, input_ids: Tensor, attention_mask: Tensor, first_subwords: Tensor) -> dict[str, Tensor]:
        """Run the model once.

        Args:
            input_ids, attention_mask: (batch, length).
            first_subwords: (batch, words), the position of each word's first subword token; -1 for padding.

        Returns:
            ``logits`` (batch, words, classes), or (batch, classes) for classification; if wanted, ``hidden_states``
            (batch, words, layers, hidden), and ``queries``, ``keys``, ``values``, (batch, words, layers, width).
        """
        wanted = self.layers.hidden_states
        with self._hooks() as held:
            outputs = self.model(
                input_ids=input_ids, attention_mask=attention_mask, output_hidden_states=bool(wanted), return_dict=True
            )
        logits = outputs.logits
        features = {"logits": of_words(logits, first_subwords) if logits.dim() == 3 else logits}
        if wanted:
            states = [of_words(outputs.hidden_states[n], first_subwords) for n in wanted]
            features["hidden_states"] = torch.stack(states, dim=2)
        if self.projections:
            for kind, name in enumerate(("queries", "keys", "values")):
                states = [of_words(held[three[kind]], first_subwords) for three in self.projections.values()]
                features[name] = torch.stack(states, dim=2)
        return features

    @contextlib.contextmanager
    def _hooks(self) -> Iterator[dict[nn.Module, Tensor]]:
        """Keep what the projections return while the model runs once."""
        held: dict[nn.Module, Tensor] = {}

        def keep(module: nn.Module, inputs: tuple, output: Tensor) -> None:
            held[module] = output

        with contextlib.ExitStack() as hooks:
            for module in (module for three in self.projections.values() for module in three):
                hooks.callback(module.register_forward_hook(keep).remove)
            yield held


def of_words(states: Tensor, first_subwords: Tensor) -> Tensor:
    """Pick each word's first subword token: (batch, length, …) to (batch, words, …). A padding word repeats token 0."""
    rows = torch.arange(len(states), device=states.device)[:, None]
    return states[rows, first_subwords.clamp(min=0)]


def projections(model: PreTrainedModel, number: int) -> list[nn.Module]:
    """Return the query, key and value projections of layer ``number`` (from 1); a ModelError if we know none."""
    layers = stack_of_layers(model)
    if not 1 <= number <= len(layers):
        raise ModelError(f"{type(model).__name__} has layers 1 to {len(layers)}, and no layer {number}")
    for names in PROJECTIONS:
        with contextlib.suppress(AttributeError):
            return [layers[number - 1].get_submodule(name) for name in names]
    raise ModelError(f"{type(model).__name__}: its query, key and value projections are not known to tinykd")


def stack_of_layers(model: PreTrainedModel) -> nn.ModuleList:
    """Return the Transformer layers of a model, in order; a ModelError if we don't know where they are."""
    for name in ("encoder", "transformer"):
        if hasattr(layers := getattr(model.base_model, name, None), "layer"):
            return layers.layer
    raise ModelError(f"{type(model).__name__}: its Transformer layers are not known to tinykd")
