"""BERT with fewer heads and neurons in each layer than its neighbours have, or a table of lower rank. Lesson 07.

``transformers`` builds every layer of a BERT in one shape. Here the configuration tells how many heads and how many
feed-forward neurons each layer has, so that a pruned model reloads like any other. The size of a head stays
``hidden_size / num_attention_heads``, where ``num_attention_heads`` is the number before pruning. ``table_rank`` tells
the rank of the table of word pieces, if it is a product of two.

Importing this module registers the architecture; :mod:`tinykd.models` does. ``transformers`` alone refuses such a
folder by its ``model_type``.
"""

from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    BertConfig,
    BertForSequenceClassification,
    BertForTokenClassification,
    PreTrainedModel,
)


class PrunedBertConfig(BertConfig):
    """A ``BertConfig`` with ``heads_by_layer`` and ``neurons_by_layer``, one number a layer, and ``table_rank``."""

    model_type = "pruned-bert"
    heads_by_layer: list[int] | None = None
    neurons_by_layer: list[int] | None = None
    table_rank: int | None = None


class FactorizedTable(nn.Module):
    """A table of word pieces (pieces, width) as a product: ``pieces`` (pieces, rank) times ``widen`` (rank, width).

    ALBERT's factorized embedding (Lan et al. 2020, section 3.1). In our training ``pieces`` stays as it is
    (:func:`tinykd.embeddings.only_used`).
    """

    def __init__(self, pieces: int, rank: int, width: int, padding_idx: int | None = None):
        super().__init__()
        self.pieces = nn.Embedding(pieces, rank, padding_idx)
        self.widen = nn.Linear(rank, width, bias=False)

    @property
    def weight(self) -> Tensor:
        """The whole table, (pieces, width)."""
        return self.widen(self.pieces.weight)

    def forward(self, input_ids: Tensor) -> Tensor:
        """Look the pieces up, and widen what was found."""
        return self.widen(self.pieces(input_ids))


class PrunedBertForTokenClassification(BertForTokenClassification):
    """A ``BertForTokenClassification`` in the shapes of its configuration."""

    config: PrunedBertConfig

    def __init__(self, config: PrunedBertConfig):
        super().__init__(config)
        _shape(self)


class PrunedBertForSequenceClassification(BertForSequenceClassification):
    """A ``BertForSequenceClassification`` in the shapes of its configuration."""

    config: PrunedBertConfig

    def __init__(self, config: PrunedBertConfig):
        super().__init__(config)
        _shape(self)


def _shape(model: PreTrainedModel) -> None:
    """Give every layer its own number of heads and neurons, and the table its rank; all that is new in such a model."""
    config = model.config
    if config.table_rank:
        sizes = config.vocab_size, config.table_rank, config.hidden_size
        model.set_input_embeddings(FactorizedTable(*sizes, padding_idx=config.pad_token_id))
    layers = model.bert.encoder.layer
    for layer, heads, neurons in zip(layers, config.heads_by_layer, config.neurons_by_layer, strict=True):
        attention = layer.attention.self
        width = heads * attention.attention_head_size
        attention.num_attention_heads, attention.all_head_size = heads, width
        for name in ("query", "key", "value"):
            setattr(attention, name, nn.Linear(config.hidden_size, width))
        layer.attention.output.dense = nn.Linear(width, config.hidden_size)
        layer.intermediate.dense = nn.Linear(config.hidden_size, neurons)
        layer.output.dense = nn.Linear(neurons, config.hidden_size)
    model.post_init()


AutoConfig.register(PrunedBertConfig.model_type, PrunedBertConfig)
AutoModelForTokenClassification.register(PrunedBertConfig, PrunedBertForTokenClassification)
AutoModelForSequenceClassification.register(PrunedBertConfig, PrunedBertForSequenceClassification)
