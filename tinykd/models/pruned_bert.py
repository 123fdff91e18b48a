"""BERT with its own number of heads and neurons in each layer, and with factorized embeddings. Taught in lesson 08.

Importing this module registers the architecture, so that a pruned model loads like any other.
"""

from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    BertConfig,
    BertForSequenceClassification,
    BertForTokenClassification,
)


class PrunedBertConfig(BertConfig):
    """A ``BertConfig`` with ``heads_by_layer`` and ``neurons_by_layer``, a number per layer, and ``embedding_rank``.

    ``num_attention_heads`` is the number before pruning: a head stays ``hidden_size / num_attention_heads`` wide.
    """

    model_type = "pruned-bert"
    heads_by_layer: list[int] | None = None
    neurons_by_layer: list[int] | None = None
    embedding_rank: int | None = None


class FactorizedEmbedding(nn.Module):
    """An embedding matrix (tokens, width) as a product: ``narrow`` (tokens, rank) times ``widen`` (rank, width).

    ALBERT's factorized embedding (Lan et al. 2020, section 3.1). :mod:`tinykd.training` trains ``widen`` alone, for a
    corpus would move only its own tokens' rows of ``narrow``.
    """

    def __init__(self, tokens: int, rank: int, width: int, padding_idx: int | None = None):
        super().__init__()
        self.narrow = nn.Embedding(tokens, rank, padding_idx)
        self.widen = nn.Linear(rank, width, bias=False)

    @property
    def weight(self) -> Tensor:
        """The whole matrix, (tokens, width)."""
        return self.widen(self.narrow.weight)

    def forward(self, input_ids: Tensor) -> Tensor:
        """(…) ids to (…, width)."""
        return self.widen(self.narrow(input_ids))


class _Shaped:
    def __init__(self, config: PrunedBertConfig):
        super().__init__(config)
        if config.embedding_rank:
            sizes = config.vocab_size, config.embedding_rank, config.hidden_size
            self.set_input_embeddings(FactorizedEmbedding(*sizes, padding_idx=config.pad_token_id))
        layers = self.bert.encoder.layer
        for layer, heads, neurons in zip(layers, config.heads_by_layer, config.neurons_by_layer, strict=True):
            attention = layer.attention.self
            width = heads * attention.attention_head_size
            attention.num_attention_heads, attention.all_head_size = heads, width
            for name in ("query", "key", "value"):
                setattr(attention, name, nn.Linear(config.hidden_size, width))
            layer.attention.output.dense = nn.Linear(width, config.hidden_size)
            layer.intermediate.dense = nn.Linear(config.hidden_size, neurons)
            layer.output.dense = nn.Linear(neurons, config.hidden_size)
        self.post_init()


class PrunedBertForTokenClassification(_Shaped, BertForTokenClassification):
    """A ``BertForTokenClassification`` in the shapes of its configuration."""

    config: PrunedBertConfig


class PrunedBertForSequenceClassification(_Shaped, BertForSequenceClassification):
    """A ``BertForSequenceClassification`` in the shapes of its configuration."""

    config: PrunedBertConfig


AutoConfig.register(PrunedBertConfig.model_type, PrunedBertConfig)
AutoModelForTokenClassification.register(PrunedBertConfig, PrunedBertForTokenClassification)
AutoModelForSequenceClassification.register(PrunedBertConfig, PrunedBertForSequenceClassification)
