"""Two heads on one body: the topic and the sentiment of a text in one pass. Taught in lesson 14.

The model is an ordinary classifier whose labels stand in two blocks, nine topics and three sentiments. A text's target
gives half of its mass to its topic and half to its sentiment. By the chain rule of the divergence the one loss over
twelve labels is then half the loss of each head, plus a term that only keeps the two blocks in balance:

    KL(p ‖ q) = KL(blocks) + ½ KL(topic) + ½ KL(sentiment)

The halves are those of the target: a trained teacher has them only roughly, and a temperature moves them.

So multi-task distillation needs no trainer and no model class of its own: what is saved reloads, exports and
quantizes like any other classifier.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from datasets import Array2D, ClassLabel, Dataset, DatasetDict, Features, Value, concatenate_datasets
from scipy.special import softmax

from tinykd.data import label_names
from tinykd.errors import DataError, ModelError

HEADS = ("topic", "sentiment")
FLOOR = 1e-4  #: what a label leaves to each class that it is not; a logarithm wants a number


class Opinion(NamedTuple):
    """What a text is about, whether it is good or bad, and the probability that it is bad."""

    topic: str
    sentiment: str
    negative: float


def labels_of(corpus: DatasetDict) -> list[str]:
    """Return the labels of both heads, ``topic: …`` before ``sentiment: …``, as they occur in train."""
    _check(corpus["train"])
    topics = sorted(set(corpus["train"]["topic"]))
    return [f"topic: {name}" for name in topics] + [f"sentiment: {name}" for name in label_names(corpus)]


def block(labels: Sequence[str], head: str) -> list[int]:
    """Return where the labels of one head stand among all.

    Raises:
        ModelError: the model has no such head.
    """
    places = [i for i, label in enumerate(labels) if label.startswith(f"{head}: ")]
    if not places:
        raise ModelError(f"the model has no label '{head}: …': it knows {', '.join(labels)}; train one for both heads")
    return places


def with_both(part: Dataset, labels: Sequence[str]) -> Dataset:
    """Return a split with its labels as a signal: ``text``, ``label``, and ``teacher_logits`` of both heads.

    The signal is what a teacher without mistakes would predict: half of its mass on the topic, half on the sentiment.
    ``training.distill`` with ``alpha=0`` trains on it as on a real teacher's.

    Args:
        part: columns ``text``, ``label`` (the sentiment) and ``topic``.
        labels: of :func:`labels_of`.

    Returns:
        ``teacher_logits`` is (1, labels) per row; ``label`` is the sentiment's place in ``labels``.

    Raises:
        DataError: a topic or sentiment that ``labels`` don't hold, or no column of topics.
    """
    _check(part)
    places, names = {label: i for i, label in enumerate(labels)}, label_names(part)
    topics = [f"topic: {topic}" for topic in part["topic"]]
    sentiments = [f"sentiment: {names[k]}" for k in part["label"]]
    if unknown := sorted((set(topics) | set(sentiments)) - set(labels)):
        raise DataError(f"{', '.join(unknown)}: never occurs in train, so no model can learn it")
    target = np.full((len(part), 1, len(labels)), FLOOR, np.float32)
    for column in (topics, sentiments):
        target[np.arange(len(part)), 0, [places[name] for name in column]] = 0.5
    columns = {"text": part["text"][:], "label": [places[name] for name in sentiments]}
    features = {"text": Value("string"), "label": ClassLabel(names=list(labels))}
    signal = Features({"teacher_logits": Array2D((1, len(labels)), "float16")})
    logits = Dataset.from_dict({"teacher_logits": list(np.log(target).astype(np.float16))}, features=signal)
    return concatenate_datasets([Dataset.from_dict(columns, features=Features(features)), logits], axis=1)


def opinions(logits: Sequence[np.ndarray], labels: Sequence[str]) -> list[Opinion]:
    """Read both heads: a softmax over each block.

    Args:
        logits: (1, labels) per text.
    """
    topics, sentiments = block(labels, "topic"), block(labels, "sentiment")
    bad = [labels[i] for i in sentiments].index("sentiment: negative")
    read = []
    for row in logits:
        topic, sentiment = (softmax(np.asarray(row[0], np.float64)[place]) for place in (topics, sentiments))
        names = (labels[topics[topic.argmax()]], labels[sentiments[sentiment.argmax()]])
        read.append(Opinion(*(name.split(": ", 1)[1] for name in names), round(float(sentiment[bad]), 4)))
    return read


def accuracy(read: Callable[[list[str]], list[Opinion]], part: Dataset) -> dict[str, float]:
    """Return the accuracy of each head on a split, and how often both are right; all in [0, 1]."""
    names = label_names(part)
    said = read(part["text"][:])
    topic = np.array([opinion.topic == gold for opinion, gold in zip(said, part["topic"], strict=True)])
    sentiment = np.array([opinion.sentiment == names[k] for opinion, k in zip(said, part["label"], strict=True)])
    right = {"topic": topic, "sentiment": sentiment, "both": topic & sentiment}
    return {name: values.mean().item() for name, values in right.items()}


def _check(part: Dataset) -> None:
    if not {"text", "label", "topic"} <= set(part.column_names):
        raise DataError(f"two heads need the columns text, label and topic; there are {', '.join(part.column_names)}")
