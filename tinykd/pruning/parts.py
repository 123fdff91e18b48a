"""The parts of a BERT that can go: where they are, how many, and a model of other shapes. Taught in lesson 08."""

from torch import Tensor, nn
from transformers import BertForSequenceClassification, BertForTokenClassification, PreTrainedModel

from tinykd import models
from tinykd.errors import ModelError
from tinykd.models.loading import HEADS
from tinykd.models.pruned_bert import PrunedBertConfig


def layers_of(model: PreTrainedModel) -> nn.ModuleList:
    """Return the Transformer layers of a BERT with a task head; a ModelError for any other, or an adapted one."""
    if not isinstance(model, BertForTokenClassification | BertForSequenceClassification):
        raise ModelError(f"heads and neurons are known of BERT with a task head, not of {type(model).__name__}")
    layers = model.bert.encoder.layer
    if type(layers[0].attention.self.query) is not nn.Linear or type(layers[0].attention.self.value) is not nn.Linear:
        raise ModelError("this model carries adapters or is quantized; prune a plain one, then do that")
    return layers


def shape_of(model: PreTrainedModel) -> list[tuple[int, int]]:
    """Return how many heads and feed-forward neurons each layer has; errors as :func:`layers_of`."""
    return [
        (layer.attention.self.num_attention_heads, layer.intermediate.dense.out_features) for layer in layers_of(model)
    ]


def reshaped(model: PreTrainedModel, shapes: dict, weights: dict[str, Tensor]) -> PreTrainedModel:
    """Return such a model in other ``shapes`` (those of a ``PrunedBertConfig``), with ``weights`` in its own type."""
    of_both = model.config.to_dict() | shapes | {"model_type": PrunedBertConfig.model_type}
    other = HEADS[models.task_of(model)].from_config(PrunedBertConfig.from_dict(of_both)).to(model.dtype)
    other.load_state_dict(weights)
    other.config.architectures = [type(other).__name__]
    return other.eval()
