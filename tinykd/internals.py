"""Look inside a model while it runs: hidden states, queries, keys and values, a word at a time. Taught in lesson 03.

Layers are numbered as in ``outputs.hidden_states``: 0 is the embedding layer, n the n-th Transformer layer.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from tinykd.errors import ModelError

#: Where the three projections of one layer's attention live, by the first name that a layer has
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


class Watched:
    """A model that also returns what its chosen layers held. Call it as the model itself, with ``word_starts``.

    Queries, keys and values come from forward hooks on the projections, so that every attention implementation works,
    the fused ones (which return no attentions) too.

    Raises:
        ModelError: a layer that the model has not, or an architecture whose projections we do not know.
    """

    def __init__(self, model: PreTrainedModel, layers: Layers = Layers()):
        self.model, self.layers = model, layers
        depth = model.config.num_hidden_layers
        for number in (*layers.hidden_states, *layers.attention):
            if not 0 <= number <= depth:
                raise ModelError(f"layer {number}: the model has layers 0 (embeddings) to {depth}")
        if 0 in layers.attention:
            raise ModelError(f"attention of layer 0: the embeddings have none; the layers are 1 to {depth}")
        self.projections = {number: projections(model, number) for number in layers.attention}

    def __call__(self, input_ids: Tensor, attention_mask: Tensor, word_starts: Tensor) -> dict[str, Tensor]:
        """Run the model once.

        Args:
            input_ids, attention_mask: (batch, length).
            word_starts: (batch, words), the position of each word's first piece; -1 where a row has no more words.

        Returns:
            ``logits`` (batch, words, classes), or (batch, classes) for classification; if asked for, ``hidden_states``
            (batch, words, layers, hidden), and ``queries``, ``keys``, ``values``, of the same shape.
        """
        wanted = self.layers.hidden_states
        with self._hooks() as held:
            outputs = self.model(
                input_ids=input_ids, attention_mask=attention_mask, output_hidden_states=bool(wanted), return_dict=True
            )
        logits = outputs.logits
        found = {"logits": of_words(logits, word_starts) if logits.dim() == 3 else logits}
        if wanted:
            found["hidden_states"] = _stack([outputs.hidden_states[n] for n in wanted], word_starts)
        for kind, name in enumerate(("queries", "keys", "values")):
            if self.layers.attention:
                found[name] = _stack([held[n, kind] for n in self.layers.attention], word_starts)
        return found

    @contextlib.contextmanager
    def _hooks(self) -> Iterator[dict[tuple[int, int], Tensor]]:
        """Keep what the projections return while the model runs once; no hook of ours stays on it."""
        held: dict[tuple[int, int], Tensor] = {}
        with contextlib.ExitStack() as hooks:
            for number, three in self.projections.items():
                for kind, module in enumerate(three):
                    keep = partial(_keep, held, (number, kind))
                    hooks.callback(module.register_forward_hook(keep).remove)
            yield held


def _keep(held: dict, key: tuple[int, int], module: nn.Module, inputs: tuple, output: Tensor) -> None:
    held[key] = output


def of_words(pieces: Tensor, word_starts: Tensor) -> Tensor:
    """Pick each word's first piece: (batch, length, …) to (batch, words, …). A padding word repeats piece 0."""
    rows = torch.arange(len(pieces), device=pieces.device)[:, None]
    return pieces[rows, word_starts.clamp(min=0)]


def projections(model: PreTrainedModel, number: int) -> list[nn.Module]:
    """Return the query, key and value projections of layer ``number`` (from 1).

    Raises:
        ModelError: no such layer, or we do not know where this architecture keeps them.
    """
    layers = stack_of_layers(model)
    if not 1 <= number <= len(layers):
        raise ModelError(f"{type(model).__name__} has layers 1 to {len(layers)}, and no layer {number}")
    layer = layers[number - 1]
    for names in PROJECTIONS:
        try:
            return [layer.get_submodule(name) for name in names]
        except AttributeError:
            continue
    raise ModelError(f"{type(model).__name__}: its query, key and value projections are not known to tinykd")


def stack_of_layers(model: PreTrainedModel) -> nn.ModuleList:
    """Return the Transformer layers of a model, in their order.

    Raises:
        ModelError: we do not know where this architecture keeps them.
    """
    body = model.base_model
    for name in ("encoder", "transformer"):
        if hasattr(getattr(body, name, None), "layer"):
            return getattr(body, name).layer
    raise ModelError(f"{type(model).__name__}: its Transformer layers are not known to tinykd")


def _stack(layers: list[Tensor], word_starts: Tensor) -> Tensor:
    return torch.stack([of_words(layer, word_starts) for layer in layers], dim=2)
