import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
from datasets import DatasetDict

from tests.fusion.pair import LABELS, member, sentences
from tinykd import models
from tinykd.fusion import Cascade, confidence_of_row, logits_by_name, score_logits

ROOT = Path(__file__).resolve().parent.parent
spec = importlib.util.spec_from_file_location("fusion_experiment", ROOT / "experiments" / "fusion.py")
experiment = importlib.util.module_from_spec(spec)
spec.loader.exec_module(experiment)

CORPUS = DatasetDict({"valid": sentences(24, seed=1), "test": sentences(30, seed=2)})


@pytest.fixture(scope="module")
def pair(tokenizer):
    return member(tokenizer, 1, layers=4), member(tokenizer, 2)


@pytest.fixture(scope="module")
def predicted(pair, tmp_path_factory):
    """What both members predict in the experiment, in a folder of their own."""
    folder = tmp_path_factory.mktemp("runs")
    experiment.RUNS = folder / "runs"
    for name, (model, tokenizer) in zip(("teacher", "student"), pair, strict=True):
        models.save(model, tokenizer, folder / name)
    return [experiment.predict(folder / name, CORPUS) for name in ("teacher", "student")]


def run_of(seed, score, milliseconds=5.0, refused=True):
    """A recorded pair, as far as the table needs it."""
    met = {"refused": "no"} if refused else {"test": {"cost": 0.6, "score": score, "deferral_rate": 0.2}}
    goals = {name: {"test": {"cost": 0.7, "score": score, "deferral_rate": 0.2}} for name in experiment.GOALS}
    return {
        "student": "cut:3",
        "seed": seed,
        "members": {
            "teacher": {"test": 0.8, "cost": 1.0, "milliseconds": 10.0},
            "student": {"test": 0.6, "cost": 0.5, "milliseconds": milliseconds},
        },
        "cascade": {"entropy": goals | {"budget 0.35": met}},
        "parallel": {name: {"test": 0.7} for name in ("halves", *experiment.SPACES)},
    }


def test_the_table_of_one_seed():
    rows = experiment.table({"a": run_of(0, 0.76)}, "cut:3").replace("\N{NO-BREAK SPACE}", " ").splitlines()
    assert rows[2] == "| teacher alone | 1.00 | 1.00 | 0.800 | 100.0 % |"
    assert rows[3] == "| student alone | 0.50 | 0.50 | 0.600 | 75.0 % |"
    assert rows[6] == "| cascade, budget 0.35 | out of reach | | | |"
    assert rows[7] == "| cascade, budget 0.6 | 0.70 | 0.70 | 0.760 | 95.0 % |"
    assert rows[10] == "| parallel, plain halves | 1.50 | 1.50 | 0.700 | 87.5 % |"


def test_the_table_of_two_seeds():
    results = {"a": run_of(0, 0.76, refused=False), "b": run_of(1, 0.78, milliseconds=6.0), "c": {"student": "other"}}
    rows = experiment.table(results, "cut:3").replace("\N{NO-BREAK SPACE}", " ").splitlines()
    assert rows[3].startswith("| student alone | 0.50 ± 0.00 | 0.55 ± 0.07 |")
    assert "out of reach" in rows[6]  # of one seed is of none
    assert "| 0.770 ± 0.014 | 96.2 ± 1.8 % |" in rows[7]


def test_predicted_once_and_kept(pair, predicted):
    for member_, known in zip(pair, predicted, strict=True):
        for split in ("valid", "test"):
            again = logits_by_name(member_, LABELS, CORPUS[split])
            for row, kept in zip(again, known.logits[split], strict=True):
                np.testing.assert_allclose(row, kept, atol=1e-4)
    assert len(list((experiment.RUNS / "fusion").iterdir())) == 2


def test_counts_give_the_packages_score(predicted):
    found = experiment.counts(predicted[0].logits["test"], CORPUS["test"])
    assert experiment.f1(found.sum(0)) == pytest.approx(score_logits(predicted[0].logits["test"], CORPUS["test"]))
    assert experiment.interval(found, found) == [0, 0]
    better = found.copy()
    better[:, 0] = better[:, 1] = better[:, 2]
    low, high = experiment.interval(better, found)
    assert 0 < low < 1 - experiment.f1(found.sum(0)) < high < 1


@pytest.mark.parametrize("by", ["entropy", "lowest", "product", "word"])
def test_rows_are_deferred_as_by_the_cascade(pair, predicted, by):
    teacher, student = (known.logits["test"] for known in predicted)
    threshold = float(np.median([confidence_of_row(row, by) for row in student]))
    rows, mask = experiment.route(student, teacher, threshold, by)
    theirs, their_mask = Cascade(*pair, threshold, by).route(CORPUS["test"]["tokens"][:])
    np.testing.assert_array_equal(mask, their_mask)
    for row, other in zip(rows, theirs, strict=True):
        np.testing.assert_allclose(row, other, atol=1e-4)


def test_a_whole_pair(predicted):
    found = experiment.one_pair(*predicted, {"teacher": 2.0, "student": 1.0}, CORPUS)
    found = json.loads(json.dumps(found, allow_nan=False)) | {"student": "cut:3", "seed": 0}
    check(found)
    assert found["cascade"]["entropy"]["budget 0.35"]["valid"]["cost"] <= 0.35  # the student costs 0.25
    assert len(experiment.table({"cut:3, seed 0": found}, "cut:3").splitlines()) == 13


def test_the_recorded_pairs():
    results = json.loads(experiment.RESULTS.read_text(encoding="utf-8"))
    for run in results.values():
        check(run)
        assert run["oracle"]["score"] > run["members"]["teacher"]["test"]
        assert run["processor"] and run["versions"]["torch"] and run["corpus"] and len(run["weights"]) == 2


def check(run):
    """What must hold of any pair, whatever the models."""
    teacher, student = (run["members"][name] for name in ("teacher", "student"))
    assert teacher["cost"] == pytest.approx(1)
    for by, found in run["cascade"].items():
        ends = [{key: column[i] for key, column in found["curve"].items()} for i in (0, -1)]
        assert [end["deferral_rates"] for end in ends] == pytest.approx([0, 1])
        assert [end["scores"] for end in ends] == pytest.approx([student["test"], teacher["test"]])
        assert [end["costs"] for end in ends] == pytest.approx([student["cost"], 1 + student["cost"]])
        for name, goal in experiment.GOALS.items():
            assert ("refused" in found[name]) == ("test" not in found[name]), by
            if "refused" not in found[name] and "budget" in goal:
                assert found[name]["valid"]["cost"] <= goal["budget"] + 1e-9
    for space in experiment.SPACES:
        sweep = run["parallel"][space]["sweep"]
        assert [sweep[0], sweep[-1]] == pytest.approx([teacher["test"], student["test"]])
        assert sum(run["parallel"][space]["weights"]) == pytest.approx(1)
    assert run["rows"]["same answer"] + run["rows"]["teacher better"] + run["rows"]["student better"] <= 1
