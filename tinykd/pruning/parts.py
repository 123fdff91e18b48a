"""The parts of a BERT that can go: where they are, and how many. Taught in lesson 07."""

from torch import nn
from transformers import BertForSequenceClassification, BertForTokenClassification, PreTrainedModel

from tinykd.errors import ModelError


def layers_of(model: PreTrainedModel) -> nn.ModuleList:
    """Return the Transformer layers of a BERT with a task head.

    Raises:
        ModelError: another architecture, or a model whose matrices are wrapped by adapters or quantization.
    """
    if not isinstance(model, BertForTokenClassification | BertForSequenceClassification):
        raise ModelError(f"heads and neurons are known of BERT with a task head, not of {type(model).__name__}")
    layers = model.bert.encoder.layer
    if type(layers[0].attention.self.query) is not nn.Linear or type(layers[0].attention.self.value) is not nn.Linear:
        raise ModelError("this model carries adapters or is quantized; prune a plain one, then do that")
    return layers


def shape_of(model: PreTrainedModel) -> list[tuple[int, int]]:
    """Return how many heads and feed-forward neurons each layer has.

    Raises:
        ModelError: as :func:`layers_of`.
    """
    return [
        (layer.attention.self.num_attention_heads, layer.intermediate.dense.out_features) for layer in layers_of(model)
    ]
