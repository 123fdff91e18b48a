"""What a prediction costs, in multiply-accumulate operations: counted, not timed. Taught in lesson 11."""

import numpy as np
from datasets import Dataset
from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from tinykd import data
from tinykd.errors import ModelError
from tinykd.models import task_of

Member = tuple[PreTrainedModel, PreTrainedTokenizerBase]  #: what ``models.load`` returns


def macs(config: PreTrainedConfig, length: int | np.ndarray) -> int | np.ndarray:
    """Return the multiply-accumulate operations of one forward pass over ``length`` subword tokens.

    With L tokens, a model of width d, K labels, and in each layer heads of together width a (a = d unless heads were
    pruned) and f feed-forward neurons::

        sum over layers (4·L·d·a        +  2·L²·a      +  2·L·d·f)       +  head
                         Q, K, V and O     Q·Kᵀ, A·V      feed-forward

    The head is L·d·K for tagging, and d² + d·K for classification, which reads one token. A factorized embedding matrix
    of rank r adds L·r·d. Embedding lookups, normalization and activations are left out. An operation counts the same
    in 8 bits as in 32.

    Raises:
        ModelError: an architecture whose sizes have other names.
    """
    layers, width = getattr(config, "num_hidden_layers", None), getattr(config, "hidden_size", None)
    neurons = getattr(config, "intermediate_size", None) or getattr(config, "hidden_dim", None)  # of DistilBERT
    if not (layers and width and neurons):
        raise ModelError(f"{type(config).__name__}: its sizes are not known to tinykd; compare measured times instead")
    heads = config.num_attention_heads
    # A pruned BERT has a shape per layer.
    heads_by_layer = getattr(config, "heads_by_layer", None) or [heads] * layers
    neurons_by_layer = getattr(config, "neurons_by_layer", None) or [neurons] * layers
    attention = sum(heads_by_layer) * width // heads
    body = 4 * length * width * attention + 2 * length**2 * attention + 2 * length * width * sum(neurons_by_layer)
    body += length * width * (getattr(config, "embedding_rank", None) or 0)
    classes = config.num_labels
    return body + (length * width * classes if task_of(config) == "tagging" else width**2 + width * classes)


def row_macs(member: Member, dataset: Dataset, max_length: int = 128) -> np.ndarray:
    """Return the operations that each row costs this member, with its own tokenizer: (rows,).

    A long document costs all its windows. Padding is not counted.
    """
    model, tokenizer = member
    encoded = data.encode(dataset, tokenizer, max_length)
    operations = macs(model.config, np.asarray(encoded["length"][:], np.int64))
    return np.bincount(encoded["row"][:], operations, len(dataset))
