import itertools
import json
import random
import statistics

import numpy as np
import pytest
from datasets import ClassLabel, Dataset, Features, List, Value
from hypothesis import given
from hypothesis import strategies as st

import tinykd
from tests.untrained import LABELS, classifier, tagger
from tinykd import evaluation, models
from tinykd.deploy import measuring
from tinykd.deploy.plain import PlainPredictor
from tinykd.deploy.predictor import Predictor
from tinykd.errors import ModelError, SettingError
from tinykd.evaluation import entity_scores, evaluate, predicted, score, token_accuracy, token_report
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


def test_what_is_scored_is_decoded(tokenizer):
    model, dataset = tagger(tokenizer, always="I-PER"), corpus(LABELS)
    assert predicted(PlainPredictor(model, tokenizer), dataset) == [["B-PER", "I-PER"], ["O"]]
    scores = evaluate(model, tokenizer, dataset)
    assert scores["token_accuracy"] == pytest.approx(2 / 3) and scores["by_type"]["PER"]["support"] == 1
    assert score(PlainPredictor(model, tokenizer), dataset) == scores


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


@pytest.mark.parametrize("scorer", [entity_scores, token_accuracy])
def test_sentences_must_pair_up(scorer):
    with pytest.raises(ValueError, match="zip"):
        scorer(GOLD, FOUND[:1])


def test_words_must_pair_up():
    with pytest.raises(ValueError, match="zip"):
        token_accuracy([["O", "O"]], [["O"]])


class Remembers(Predictor):
    """Predicts nothing, and remembers what it was shown."""

    def __init__(self):
        self.seen = []

    def logits(self, rows):
        self.seen += rows
        return []


@pytest.mark.parametrize(
    ("rows", "sentences", "drawn"),
    [(25, 100, list(range(25))), (39, 20, list(range(0, 39, 2))), (6, 4, [0, 2, 3, 5]), (1, 100, [0])],
)
def test_latency_is_the_median_of_sentences_drawn_evenly_after_a_warm_up(monkeypatch, rows, sentences, drawn):
    tokens = [["word"] * (i + 1) for i in range(rows)]
    milliseconds = [float(k * k) for k in range(len(drawn))]
    clock = iter([time for k in milliseconds for time in (1.0, 1.0 + k / 1000)])
    monkeypatch.setattr(measuring.time, "perf_counter", lambda: next(clock))
    predictor = Remembers()
    found = measuring.latency(predictor, tokens, sentences)
    assert found == pytest.approx(statistics.median(milliseconds))
    assert predictor.seen == [tokens[i] for i in drawn[:20] + drawn]
    for rows, sentences in (([], 5), (tokens, 0)):
        with pytest.raises(SettingError, match="a latency needs at least 1"):
            measuring.latency(predictor, rows, sentences)


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
        right, found = evaluation.gold(corpus(names)), predicted(PlainPredictor(model, tokenizer), corpus(names))
        assert (right, found) == ([["B-PER", "O"], ["O"]], [["B-PER", "B-PER"], ["B-PER"]])
        scores = evaluate(model, tokenizer, corpus(names))
        assert scores == entity_scores(right, found) | {"token_accuracy": 1 / 3}


def test_evaluate_refuses_other_labels(tokenizer):
    with pytest.raises(ModelError, match="the model and the corpus have other labels"):
        evaluate(tagger(tokenizer), tokenizer, corpus(["O", "B-PER"]))


def test_labels_are_read_by_their_ids_whatever_the_order_in_the_file(tokenizer, tmp_path):
    """JSON sorts keys as strings: "0", "1", "10", "11", "12", "2", …"""
    names = [f"class {chr(97 + i)}" for i in range(13)]
    model = classifier(tokenizer, {name: 0.4 if name == "class f" else 0.05 for name in names})
    models.save(model, tokenizer, tmp_path / "model")
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    config["id2label"] = {key: config["id2label"][key] for key in sorted(config["id2label"])}
    assert list(config["id2label"]) != [str(i) for i in range(13)]
    (tmp_path / "model" / "config.json").write_text(json.dumps(config))
    features = Features({"text": Value("string"), "label": ClassLabel(names=names)})
    dataset = Dataset.from_dict(
        {"text": ["Mara won", "Nice"], "label": [names.index("class f")] * 2}, features=features
    )
    loaded = models.load(tmp_path / "model")
    assert evaluate(*loaded, dataset)["accuracy"] == 1
    assert evaluation.gold(dataset) == predicted(PlainPredictor(*loaded), dataset)
    assert tinykd.open(tmp_path / "model").labels == names
