import itertools
import random
import statistics
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from datasets import ClassLabel, Dataset, Features, List, Value
from hypothesis import given
from hypothesis import strategies as st

from tests.untrained import LABELS, tagger
from tinykd import evaluation
from tinykd.errors import ModelError
from tinykd.evaluation import entity_scores, evaluate, predictions, token_accuracy, token_report
from tinykd.text import decode

GOLD = [["B-PER", "I-PER", "O", "O"], ["B-LOC", "O"]]
FOUND = [["B-PER", "O", "O", "O"], ["B-LOC", "B-LOC"]]


TAGS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]


def allowed(tags):
    pairs = zip(["O", *tags], tags, strict=False)
    return all(tag[0] != "I" or before[2:] == tag[2:] for before, tag in pairs)


@given(st.lists(st.lists(st.integers(-50, 50), min_size=5, max_size=5), min_size=1, max_size=4))
def test_the_best_sequence_is_the_best_of_all_that_are_allowed(rows):
    found = decode(np.array(rows, np.float32), TAGS)
    assert allowed([TAGS[k] for k in found])

    def worth(path):
        return sum(row[k] for row, k in zip(rows, path, strict=True))

    every = itertools.product(range(5), repeat=len(rows))
    assert worth(found) == max(worth(path) for path in every if allowed([TAGS[k] for k in path]))
    alone = np.argmax(rows, -1).tolist()
    if allowed([TAGS[k] for k in alone]):
        assert worth(found) == worth(alone)
    shifted = np.array(rows) + np.arange(len(rows))[:, None]  # a constant a row, as between logits and probabilities
    assert worth(decode(shifted, TAGS)) == worth(found)


@pytest.mark.parametrize("names", [["cat", "dog", "I-5"], ["O", "I-PER", "I-LOC"]])
def test_labels_that_are_not_iob2_are_free(names):
    logits = np.random.default_rng(0).normal(size=(20, 3))
    assert decode(logits, names) == logits.argmax(-1).tolist()


def test_word_by_word_takes_the_likeliest_tag_of_each_word(tokenizer):
    model = tagger(tokenizer, always="I-PER")
    dataset = corpus(LABELS)
    assert predictions(model, tokenizer, dataset, word_by_word=True)[1] == [["I-PER", "I-PER"], ["I-PER"]]
    assert predictions(model, tokenizer, dataset)[1] == [["B-PER", "I-PER"], ["O"]]
    alone = evaluate(model, tokenizer, dataset, word_by_word=True)
    assert alone["token_accuracy"] == 0 and evaluate(model, tokenizer, dataset)["token_accuracy"] > 0


def conlleval(gold, found):
    """Chunks right, found and gold, by the rules of the shared task's conlleval.pl."""

    def ends(before, tag):
        return before != "O" and (tag[0] in "BO" or before[2:] != tag[2:])

    def starts(before, tag):
        return tag != "O" and (tag[0] == "B" or before == "O" or before[2:] != tag[2:])

    right = chunks_found = chunks_gold = 0
    agree = False
    gold_before = found_before = "O"
    for gold_tag, found_tag in zip([*gold, "O"], [*found, "O"], strict=True):
        gold_ends, found_ends = ends(gold_before, gold_tag), ends(found_before, found_tag)
        if agree and gold_ends and found_ends:
            right, agree = right + 1, False
        elif agree and (gold_ends != found_ends or gold_tag[2:] != found_tag[2:]):
            agree = False
        gold_starts, found_starts = starts(gold_before, gold_tag), starts(found_before, found_tag)
        agree = agree or (gold_starts and found_starts and gold_tag[2:] == found_tag[2:])
        chunks_gold, chunks_found = chunks_gold + gold_starts, chunks_found + found_starts
        gold_before, found_before = gold_tag, found_tag
    return right, chunks_found, chunks_gold


def random_pairs(n):
    draw = random.Random(0)
    tags = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
    for _ in range(n):
        gold = draw.choices(tags, k=draw.randint(1, 9))
        yield gold, [tag if draw.random() < 0.7 else draw.choice(tags) for tag in gold]


def test_entity_scores_are_those_of_conlleval():
    pairs = list(random_pairs(1000))
    for gold, found in pairs:
        right, n_found, n_gold = conlleval(gold, found)
        scores = entity_scores([gold], [found])
        assert scores["entity_precision"] == (right / n_found if n_found else 0)
        assert scores["entity_recall"] == (right / n_gold if n_gold else 0)
        assert scores["entity_f1"] == (2 * right / (n_found + n_gold) if n_found + n_gold else 0)
    totals = [sum(column) for column in zip(*(conlleval(*pair) for pair in pairs), strict=True)]
    assert entity_scores(*zip(*pairs, strict=True))["entity_f1"] == 2 * totals[0] / (totals[1] + totals[2])


def test_entity_scores_by_type():
    assert entity_scores(GOLD, FOUND) == {
        "entity_precision": 1 / 3,
        "entity_recall": 1 / 2,
        "entity_f1": 2 / 5,
        "by_type": {
            "LOC": {"precision": 1 / 2, "recall": 1.0, "f1": 2 / 3, "support": 1},
            "PER": {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 1},
        },
    }


def test_no_entity_at_all_scores_zero():
    nothing = {"entity_precision": 0.0, "entity_recall": 0.0, "entity_f1": 0.0, "by_type": {}}
    assert entity_scores([["O"]], [["O"]]) == entity_scores([], []) == nothing
    assert token_accuracy([], []) == 0
    assert token_accuracy([["O"]], [["O"]]) == 1


def test_high_token_accuracy_can_hide_an_entity_f1_of_zero():
    gold, found = [["O"] * 18 + ["B-PER", "I-PER"]], [["O"] * 18 + ["B-PER", "O"]]
    assert token_accuracy(gold, found) == 0.95
    assert entity_scores(gold, found)["entity_f1"] == 0


@pytest.mark.filterwarnings("error")
def test_macro_f1_counts_a_class_that_is_never_right_as_zero():
    gold, found = [[name] for name in "aabc"], [[name] for name in "abba"]
    # a: 1 of 2 found, 1 of 2 right; b: 1 of 1, 1 of 2; c: never found
    assert evaluation.scores("classification", gold, found) == pytest.approx(
        {"accuracy": 0.5, "macro_f1": (1 / 2 + 2 / 3 + 0) / 3}
    )


@pytest.mark.parametrize("score", [entity_scores, token_accuracy])
def test_sentences_must_pair_up(score):
    with pytest.raises(ValueError, match="zip"):
        score(GOLD, FOUND[:1])


def test_words_must_pair_up():
    with pytest.raises(ValueError, match="zip"):
        token_accuracy([["O", "O"]], [["O"]])


class Watched(torch.nn.Module):
    """Says nothing, and remembers how many pieces it was shown."""

    device = torch.device("cpu")

    def __init__(self):
        super().__init__()
        self.seen = []

    def forward(self, input_ids, **others):
        assert not self.training and len(input_ids) == 1
        self.seen.append(input_ids.shape[1])
        return SimpleNamespace(logits=torch.zeros(*input_ids.shape, 2))


@pytest.mark.parametrize(
    ("rows", "sentences", "drawn"),
    [(25, 100, list(range(25))), (39, 20, list(range(0, 39, 2))), (6, 4, [0, 2, 3, 5]), (1, 100, [0])],
)
def test_latency_is_the_median_of_sentences_drawn_evenly_after_a_warm_up(
    tokenizer, monkeypatch, rows, sentences, drawn
):
    tokens = [["word"] * (i + 1) for i in range(rows - 1)] + [["word"] * 100]
    features = Features({"tokens": List(Value("string")), "labels": List(ClassLabel(names=["O", "B-X"]))})
    dataset = Dataset.from_dict({"tokens": tokens, "labels": [[0] * len(row) for row in tokens]}, features)
    warm_up = drawn[:10]
    milliseconds = [float(k * k) for k in range(len(drawn))]
    clock = iter([0.0 for _ in warm_up] + [time for k in milliseconds for time in (1.0, 1.0 + k / 1000)])
    monkeypatch.setattr(evaluation.time, "perf_counter", lambda: next(clock))
    model = Watched()
    found = evaluation.latency(model, tokenizer, dataset, 64, sentences)
    assert found == pytest.approx(statistics.median(milliseconds))
    assert model.seen == [min(64, len(tokens[i]) + 2) for i in warm_up + drawn]
    for rows, sentences in ((dataset.select([]), 5), (dataset, 0)):
        with pytest.raises(ValueError, match="a latency is that of sentences"):
            evaluation.latency(model, tokenizer, rows, 64, sentences)


def test_token_report():
    assert token_accuracy(GOLD, FOUND) == 4 / 6
    assert token_report(GOLD, FOUND) == (
        "              precision    recall  f1-score   support\n"
        "\n"
        "       B-LOC      0.500     1.000     0.667         1\n"
        "       B-PER      1.000     1.000     1.000         1\n"
        "       I-PER      0.000     0.000     0.000         1\n"
        "           O      0.667     0.667     0.667         3\n"
        "\n"
        "   micro avg      0.667     0.667     0.667         6\n"
        "   macro avg      0.542     0.667     0.583         6\n"
        "weighted avg      0.583     0.667     0.611         6"
    )


def corpus(names):
    features = Features({"tokens": List(Value("string")), "labels": List(ClassLabel(names=names))})
    columns = {"tokens": [["Mara", "won"], ["Nice"]], "labels": [[names.index("B-PER"), 0], [0]]}
    return Dataset.from_dict(columns, features=features)


def test_several_seeds_are_written_with_their_spread_and_one_without():
    assert evaluation.mean_and_spread([0.85, 0.86, 0.87]) == "0.860\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}0.010"
    assert evaluation.mean_and_spread([95.0, 98.0], digits=1) == "96.5\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}2.1"
    assert evaluation.mean_and_spread([0.85]) == "0.850"
    with pytest.raises(statistics.StatisticsError):
        evaluation.mean_and_spread([])


def test_evaluate_matches_labels_by_name(tokenizer):
    model, other_order = tagger(tokenizer, always="B-PER"), ["O", "I-PER", "B-PER"]
    for names in (LABELS, other_order):
        gold, found = predictions(model, tokenizer, corpus(names))
        assert (gold, found) == ([["B-PER", "O"], ["O"]], [["B-PER", "B-PER"], ["B-PER"]])
        scores = evaluate(model, tokenizer, corpus(names))
        assert scores == entity_scores(gold, found) | {"token_accuracy": 1 / 3}


def test_evaluate_refuses_other_labels(tokenizer):
    with pytest.raises(ModelError, match="the model and the corpus have other labels"):
        evaluate(tagger(tokenizer), tokenizer, corpus(["O", "B-PER"]))
