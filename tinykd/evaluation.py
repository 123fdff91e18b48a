"""What a model is worth: entity F1, and the token report of the article. Taught in lesson 07.

The decoded sequence (:func:`tinykd.text.decode`) is scored. All scores come from the counts of each row
(:func:`counts`), which a cascade's curve needs; seqeval gives rates of the whole corpus only.
"""

import statistics

import numpy as np
from datasets import Dataset
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tinykd import data, models
from tinykd.deploy.plain import PlainPredictor
from tinykd.deploy.predictor import Predictor, Rows
from tinykd.text import decode, entities

Names = list[list[str]]  #: label names: a list per row, one name per word; a single name for classification


def evaluate(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, dataset: Dataset, max_length: int = 128
) -> dict:
    """Score a model on a corpus split: what :func:`score` returns and raises."""
    return score(PlainPredictor(model, tokenizer, max_length), dataset)


def score(predictor: Predictor, dataset: Dataset) -> dict:
    """Score whatever ``tinykd.open`` returns on a corpus split; a ModelError if their labels differ.

    Returns:
        For tagging ``entity_f1`` (strict: type and both borders), ``entity_precision``, ``entity_recall``,
        ``token_accuracy`` and ``by_type``; for classification ``accuracy`` and ``macro_f1``. All in [0, 1].
    """
    return scores(data.task(dataset), gold(dataset), predicted(predictor, dataset))


def predicted(predictor: Predictor, dataset: Dataset) -> Names:
    """Return the predicted label names of every row; a ModelError if the corpus has other labels."""
    models.check_labels(predictor.labels, data.label_names(dataset), "the model", "the corpus")
    return [decoded(logits, predictor.labels) for logits in predictor.logits(rows_of(dataset))]


def gold(dataset: Dataset) -> Names:
    """Return the label names of every row, as the corpus has them."""
    names = data.label_names(dataset)
    rows = dataset["labels"][:] if data.task(dataset) == "tagging" else [[label] for label in dataset["label"][:]]
    return [[names[k] for k in row] for row in rows]


def rows_of(dataset: Dataset) -> Rows:
    """Return what a predictor takes: the lists of words of a corpus split, or its texts; read as they are needed."""
    return dataset["tokens" if data.task(dataset) == "tagging" else "text"]


def decoded(logits: np.ndarray, labels: list[str]) -> list[str]:
    """Return the label names of one row by :func:`tinykd.text.decode`, from its logits (words, classes)."""
    return [labels[k] for k in decode(logits, labels)]


def scores(task: str, gold: Names, predicted: Names) -> dict:
    """Return the scores of :func:`score` from label names."""
    if task == "tagging":
        return entity_scores(gold, predicted) | {"token_accuracy": token_accuracy(gold, predicted)}
    by_label = np.stack(list(_summed(task, gold, predicted).values()))
    return {"accuracy": float(f1(by_label.sum(0))), "macro_f1": float(f1(by_label).mean())}


def main_score(scores: dict) -> str:
    """Return the name of the score that counts: ``"entity_f1"`` or, for classification, ``"accuracy"``."""
    return "entity_f1" if "entity_f1" in scores else "accuracy"


def counts(task: str, gold: list[str], predicted: list[str]) -> dict[str, np.ndarray]:
    """Count one row: by entity type, or by label, how many are right, predicted and gold, (3,).

    An entity is right only if its type and both its borders are. In classification each position is counted by itself,
    so that the F1 of the sums over all labels is the accuracy.

    Args:
        gold, predicted: label names, one per word; IOB2 for tagging.
    """
    spans = entities if task == "tagging" else lambda row: [(label, i) for i, label in enumerate(row)]
    of_gold, of_predicted = set(spans(gold)), set(spans(predicted))
    by_kind: dict[str, np.ndarray] = {}
    for column, group in enumerate((of_gold & of_predicted, of_predicted, of_gold)):
        for kind, *_ in group:
            by_kind.setdefault(kind, np.zeros(3, int))[column] += 1
    return by_kind


def precision_recall_f1(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the three rates of counts of right, predicted and gold, (…, 3); 0 where there is nothing to divide by."""
    right, predicted, gold = np.moveaxis(np.asarray(counts), -1, 0)
    return right / np.maximum(predicted, 1), right / np.maximum(gold, 1), 2 * right / np.maximum(predicted + gold, 1)


def f1(counts: np.ndarray) -> np.ndarray:
    """Return F1 of counts of right, predicted and gold, (…, 3)."""
    return precision_recall_f1(counts)[2]


def entity_scores(gold: Names, predicted: Names) -> dict:
    """Return strict entity precision, recall and F1, over all entities and by type, of IOB2 tags per sentence."""
    by_type = _summed("tagging", gold, predicted)
    total = sum(by_type.values(), np.zeros(3, int))
    rates = {type_: _rates(by_type[type_]) | {"support": int(by_type[type_][2])} for type_ in sorted(by_type)}
    return {f"entity_{name}": value for name, value in _rates(total).items()} | {"by_type": rates}


def token_accuracy(gold: Names, predicted: Names) -> float:
    """Return the share of words, ``O`` among them, whose tag is right: what the article calls F1."""
    right = sum(sum(g == p for g, p in zip(*tags, strict=True)) for tags in zip(gold, predicted, strict=True))
    return right / max(1, sum(map(len, gold)))


def token_report(gold: Names, predicted: Names) -> str:
    """Return the report of the article's section 5.4: every tag is a class, and "micro avg" is token accuracy."""
    flat = [[tag for tags in rows for tag in tags] for rows in (gold, predicted)]
    by_tag = counts("classification", *flat)
    names = sorted(by_tag, key=lambda tag: (tag == "O", tag[2:], tag))
    table = np.array([by_tag[name] for name in names])
    support, rates = table[:, 2], np.stack(precision_recall_f1(table))
    averages = {
        "micro avg": precision_recall_f1(table.sum(0)),
        "macro avg": rates.mean(1),
        "weighted avg": np.average(rates, axis=1, weights=support),
    }
    lines = ["", *(_line(*row) for row in zip(names, *rates, support, strict=True)), ""]
    lines += [_line(name, *three, support.sum()) for name, three in averages.items()]
    return "\n".join([" " * 14 + "precision    recall  f1-score   support", *lines])


def mean_and_spread(values: list[float], digits: int = 3) -> str:
    """Write the results of several seeds as ``0.860 ± 0.003``: mean and sample standard deviation. Lesson 07.

    A single value is written alone. The spaces do not break.
    """
    spread = ["±", f"{statistics.stdev(values):.{digits}f}"] if len(values) > 1 else []
    return "\N{NO-BREAK SPACE}".join([f"{statistics.mean(values):.{digits}f}", *spread])


def _summed(task: str, gold: Names, predicted: Names) -> dict[str, np.ndarray]:
    total: dict[str, np.ndarray] = {}
    for pair in zip(gold, predicted, strict=True):
        for kind, three in counts(task, *pair).items():
            total[kind] = total.get(kind, 0) + three
    return total


def _line(name: str, precision: float, recall: float, f1: float, support: int) -> str:
    return f"{name:>12}{precision:>11.3f}{recall:>10.3f}{f1:>10.3f}{support:>10d}"


def _rates(counts: np.ndarray) -> dict[str, float]:
    return dict(zip(("precision", "recall", "f1"), map(float, precision_recall_f1(counts)), strict=True))
