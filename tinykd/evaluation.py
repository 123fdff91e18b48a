"""What a model is worth: entity F1, the token report of the article, size and speed. Taught in lesson 06."""

import statistics
import time
from pathlib import Path

import numpy as np
import torch
from datasets import Dataset
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tinykd import data
from tinykd.errors import is_whole
from tinykd.hardware import placed
from tinykd.inference import signals
from tinykd.models import check_labels
from tinykd.text import decode, entities, evenly


def evaluate(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    dataset: Dataset,
    max_length: int = 128,
    batch_size: int = 32,
    progress: str | None = None,
    word_by_word: bool = False,
) -> dict:
    """Score a model on a corpus split.

    Args:
        word_by_word: take the likeliest tag of each word alone; otherwise the best sequence (:func:`text.decode`),
            which is what ``predict`` answers.

    Returns:
        For tagging ``entity_f1`` (strict: type and both borders), ``entity_precision``, ``entity_recall``,
        ``token_accuracy`` and ``by_type``; for classification ``accuracy`` and ``macro_f1``. All in [0, 1].

    Raises:
        ModelError: the model and the corpus have other labels.
    """
    names = data.label_names(dataset)
    check_labels(list(model.config.id2label.values()), names, "the model", "the corpus")
    return scores(
        data.task(dataset), *predictions(model, tokenizer, dataset, max_length, batch_size, progress, word_by_word)
    )


def scores(task: str, gold: list[list[str]], found: list[list[str]]) -> dict:
    """Return the scores of :func:`evaluate` from label names, a list a row; one name a row for classification."""
    if task == "classification":
        from sklearn.metrics import accuracy_score, f1_score  # two seconds, which tagging does not need

        gold, found = [tags[0] for tags in gold], [tags[0] for tags in found]
        return {
            "accuracy": accuracy_score(gold, found),
            "macro_f1": f1_score(gold, found, average="macro"),
        }
    return entity_scores(gold, found) | {"token_accuracy": token_accuracy(gold, found)}


def predictions(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    dataset: Dataset,
    max_length: int = 128,
    batch_size: int = 32,
    progress: str | None = None,
    word_by_word: bool = False,
) -> tuple[list[list[str]], list[list[str]]]:
    """Return the gold and the predicted label names of every row (one name a row for classification).

    Args:
        word_by_word: as in :func:`evaluate`.
    """
    rows = signals(model, tokenizer, dataset, max_length=max_length, batch_size=batch_size, progress=progress)
    names = list(model.config.id2label.values())
    return gold(dataset), [
        [names[k] for k in (row["logits"].argmax(-1) if word_by_word else decode(row["logits"], names))] for row in rows
    ]


def gold(dataset: Dataset) -> list[list[str]]:
    """Return the label names of every row, as the corpus has them (one name a row for classification)."""
    names = data.label_names(dataset)
    rows = dataset["labels"][:] if data.task(dataset) == "tagging" else [[label] for label in dataset["label"][:]]
    return [[names[k] for k in row] for row in rows]


def entity_scores(gold: list[list[str]], found: list[list[str]]) -> dict:
    """Return strict entity precision, recall and F1, over all entities and by type.

    An entity counts as found only if its type and both its borders are right. ``O`` is not an entity and is not
    counted.

    Args:
        gold, found: IOB2 tags, a list a sentence.
    """
    counts: dict[str, np.ndarray] = {}  # by type: right, found, gold
    for gold_tags, found_tags in zip(gold, found, strict=True):
        right, wrong = set(entities(gold_tags)), set(entities(found_tags))
        for column, group in enumerate((right & wrong, wrong, right)):
            for type_, _, _ in group:
                counts.setdefault(type_, np.zeros(3, int))[column] += 1
    total = sum(counts.values(), np.zeros(3, int))
    by_type = {type_: _precision_recall_f1(counts[type_]) for type_ in sorted(counts)}
    return _precision_recall_f1(total, "entity_") | {"by_type": by_type}


def token_accuracy(gold: list[list[str]], found: list[list[str]]) -> float:
    """Return the share of words, ``O`` among them, whose tag is right: what the article calls F1."""
    right = sum(sum(g == f for g, f in zip(*tags, strict=True)) for tags in zip(gold, found, strict=True))
    return right / max(1, sum(map(len, gold)))


def token_report(gold: list[list[str]], found: list[list[str]]) -> str:
    """Return the article's report (its section 5.4), in its own format: every tag is a class, ``O`` too.

    With every tag counted, "micro avg" is nothing but token accuracy.
    """
    from sklearn.metrics import precision_recall_fscore_support

    flat_gold, flat_found = [t for tags in gold for t in tags], [t for tags in found for t in tags]
    names = sorted(set(flat_gold) | set(flat_found), key=lambda t: (t == "O", t[2:], t))
    rows = zip(
        names,
        *precision_recall_fscore_support(flat_gold, flat_found, labels=names, zero_division=0),
        strict=True,
    )
    lines = [" " * 14 + "precision    recall  f1-score   support", ""]
    lines += [_report_line(*row) for row in rows]
    lines.append("")
    for average in ("micro", "macro", "weighted"):
        scores = precision_recall_fscore_support(flat_gold, flat_found, labels=names, average=average, zero_division=0)[
            :3
        ]
        lines.append(_report_line(f"{average} avg", *scores, len(flat_gold)))
    return "\n".join(lines)


def mean_and_spread(values: list[float], digits: int = 3) -> str:
    """Write what several seeds found as ``0.860 ± 0.003``: mean and sample standard deviation. Read in lesson 06.

    Args:
        digits: after the point.

    Returns:
        One value is written alone, for it has no spread. No line breaks within.

    Raises:
        StatisticsError: no value.
    """
    spread = ["±", f"{statistics.stdev(values):.{digits}f}"] if len(values) > 1 else []
    return "\N{NO-BREAK SPACE}".join([f"{statistics.mean(values):.{digits}f}", *spread])


def profile(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    dataset: Dataset,
    folder: Path,
    max_length: int = 128,
    sentences: int = 100,
) -> dict:
    """Return ``parameters``, ``size_bytes`` (of the weights in ``folder``) and ``latency_ms``.

    The latency is that of :func:`latency`.
    """
    return {
        "parameters": sum(p.numel() for p in model.parameters()),
        "size_bytes": sum(f.stat().st_size for f in Path(folder).glob("*.safetensors")),
        "latency_ms": latency(model, tokenizer, dataset, max_length, sentences),
    }


@torch.inference_mode()
def latency(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    dataset: Dataset,
    max_length: int = 128,
    sentences: int = 100,
) -> float:
    """Return the median milliseconds a sentence, one at a time, tokenization included.

    The sentences are evenly drawn from ``dataset``; what is longer than ``max_length`` pieces is cut. Ten warm up.

    Raises:
        ValueError: no sentences.
    """
    if not len(dataset) or not is_whole(sentences, 1):
        raise ValueError(f"a latency is that of sentences; {len(dataset)} are there, and {sentences} were asked for")
    column = dataset["tokens"][:] if data.task(dataset) == "tagging" else [text.split() for text in dataset["text"][:]]
    texts = evenly(column, sentences)
    warm_up = texts[:10]
    placed(model)
    times = []
    for i, tokens in enumerate(warm_up + texts):
        start = time.perf_counter()
        batch = tokenizer(tokens, is_split_into_words=True, truncation=True, max_length=max_length, return_tensors="pt")
        model(**batch.to(model.device)).logits.argmax(-1).cpu()
        if i >= len(warm_up):
            times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times)


def _precision_recall_f1(counts: np.ndarray, prefix: str = "") -> dict:
    right, found, gold = (int(n) for n in counts)
    scores = {
        "precision": right / found if found else 0.0,
        "recall": right / gold if gold else 0.0,
        "f1": 2 * right / (found + gold) if found + gold else 0.0,
    }
    return {prefix + key: value for key, value in scores.items()} | ({} if prefix else {"support": gold})


def _report_line(name: str, precision: float, recall: float, f1: float, support: int) -> str:
    return f"{name:>12}{precision:>11.3f}{recall:>10.3f}{f1:>10.3f}{support:>10d}"
