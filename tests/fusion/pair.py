"""A teacher and a student that disagree, a corpus, and logits drawn by hypothesis."""

import numpy as np
import torch
from datasets import ClassLabel, Dataset, Features, List, Value
from hypothesis import strategies as st
from scipy.special import softmax
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import BertConfig, BertForSequenceClassification, BertForTokenClassification, PreTrainedTokenizerFast

from tinykd.fusion import logits_by_name

LABELS = ["O", "B-PER", "I-PER"]
WORDS = ["Mara", "Low", "won", "2-1", "in", "Nice", "Łódź", "."]


def member(tokenizer, seed, layers=1, labels=LABELS, kind=BertForTokenClassification, vocabulary=None):
    """Return a random model, sure of some words and not of others, with its tokenizer."""
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=vocabulary or len(tokenizer),
        hidden_size=32,
        num_hidden_layers=layers,
        num_attention_heads=2,
        intermediate_size=48,
        id2label=dict(enumerate(labels)),
        label2id={name: i for i, name in enumerate(labels)},
        architectures=[kind.__name__],
    )
    model = kind(config).eval()
    model.classifier.weight.data.mul_(15)
    return model, tokenizer


def permuted(member, order):
    """Return the same model with the labels of its head in another order."""
    model, tokenizer = member
    model.classifier.weight.data = model.classifier.weight.data[order]
    model.classifier.bias.data = model.classifier.bias.data[order]
    names = [model.config.id2label[i] for i in order]
    model.config.id2label = dict(enumerate(names))
    model.config.label2id = {name: i for i, name in enumerate(names)}
    return model, tokenizer


def letters():
    """Return a tokenizer for which each letter is a word piece."""
    alphabet = sorted(set("".join(WORDS)))
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *alphabet, *("##" + letter for letter in alphabet)]
    core = Tokenizer(models.WordPiece({piece: i for i, piece in enumerate(pieces)}, unk_token="[UNK]"))
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    core.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", None, [("[CLS]", 2), ("[SEP]", 3)])
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    return PreTrainedTokenizerFast(tokenizer_object=core, **names)


def sentences(rows=20, seed=0):
    """Return a tagging corpus of random words, of 1 to 12 words a row, with random labels."""
    draw = np.random.default_rng(seed)
    tokens = [draw.choice(WORDS, draw.integers(1, 13)).tolist() for _ in range(rows)]
    return tagged(tokens, [draw.integers(0, len(LABELS), len(row)).tolist() for row in tokens])


def tagged(tokens, labels):
    features = Features({"tokens": List(Value("string")), "labels": List(ClassLabel(names=LABELS))})
    return Dataset.from_dict({"tokens": tokens, "labels": labels}, features=features)


def texts(rows=20, labels=("bad", "good"), seed=0):
    """Return a classification corpus of random words and labels."""
    draw = np.random.default_rng(seed)
    columns = {
        "text": [" ".join(draw.choice(WORDS, draw.integers(1, 13))) for _ in range(rows)],
        "label": draw.integers(0, len(labels), rows).tolist(),
    }
    features = Features({"text": Value("string"), "label": ClassLabel(names=list(labels))})
    return Dataset.from_dict(columns, features=features)


def rows_of(dataset):
    """Return what a predictor takes: lists of words, or texts."""
    return dataset["tokens" if "tokens" in dataset.column_names else "text"][:]


def mixture(members, rows=60):
    """Return a corpus whose labels are drawn from the members' mean prediction, so that none explains it alone."""
    dataset, draw = sentences(rows), np.random.default_rng(0)
    answers = zip(*(logits_by_name(one, LABELS, dataset) for one in members), strict=True)
    odds = [softmax(np.mean(row, 0), -1) for row in answers]
    labels, goes_on = [], LABELS.index("I-PER")
    for row in odds:
        labels.append([])
        for p in row:
            if not labels[-1] or labels[-1][-1] == 0:  # "O": no name can go on, in a corpus
                p = p * (np.arange(len(p)) != goes_on) / (1 - p[goes_on])
            labels[-1].append(int(draw.choice(len(LABELS), p=p)))
    return tagged(dataset["tokens"][:], labels)


@st.composite
def disagreeing(draw):
    """Draw a small corpus with student and teacher logits, many confidences tied."""
    lengths = draw(st.lists(st.integers(1, 4), min_size=1, max_size=5))
    numbers = st.lists(st.sampled_from([0.0, 1.0, 2.0, 5.0]), min_size=3, max_size=3)

    def logits():
        return [np.array(draw(st.lists(numbers, min_size=n, max_size=n)), np.float32) for n in lengths]

    labels = [draw(st.lists(st.integers(0, 2), min_size=n, max_size=n)) for n in lengths]
    return tagged([["x"] * n for n in lengths], labels), logits(), logits()


def classifier_pair(tokenizer):
    kind = BertForSequenceClassification
    return [member(tokenizer, seed, labels=["bad", "good"], kind=kind) for seed in (1, 2)]
