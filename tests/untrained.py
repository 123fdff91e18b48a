"""Untrained models so small that they predict at once; some always predict the same."""

import math

import torch
from transformers import BertConfig, BertForSequenceClassification, BertForTokenClassification

LABELS = ["O", "B-PER", "I-PER"]


def tagger(tokenizer, always=None, **shape):
    """Return a random tagger, or one that gives every word the tag ``always`` with probability 0.5."""
    model = _bert(tokenizer, BertForTokenClassification, LABELS, **shape)
    if always:
        return _constant(model, [0.5 if name == always else 0.25 for name in LABELS])
    model.classifier.weight.data.mul_(50)  # tags that change from word to word
    return model


def classifier(tokenizer, probabilities):
    """Return a classifier that gives every text these probabilities, by label name."""
    model = _bert(tokenizer, BertForSequenceClassification, list(probabilities))
    return _constant(model, list(probabilities.values()))


def _constant(model, probabilities):
    model.classifier.weight.data.zero_()
    model.classifier.bias.data = torch.tensor([math.log(p) for p in probabilities])
    return model


def _bert(tokenizer, kind, names, **shape):
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=shape.pop("vocab_size", len(tokenizer)),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        id2label=dict(enumerate(names)),
        label2id={name: i for i, name in enumerate(names)},
        architectures=[kind.__name__],
        **shape,
    )
    return kind(config).eval()
