"""The recorded pruning and small changes, on a model and a corpus so small that they take seconds."""

import json
import sys
from dataclasses import replace

from tests import tiny
from tests.test_experiments import load
from tinykd import data, models


def test_every_measure_cuts_and_is_distilled_again(tmp_path, monkeypatch):
    experiment, corpus = load("pruning"), data.load(str(tiny.corpus(tmp_path / "corpus")))
    model, tokenizer = models.teacher(str(tiny.base_model(tmp_path / "base")), tiny.LABELS)
    monkeypatch.setattr(experiment, "SHARES", (0.25, 0.5))  # of four heads, one a layer has to stay
    for name in ("teacher", "student"):
        models.save(model, tokenizer, tmp_path / name)
    scores = experiment.one(tmp_path / "teacher", tmp_path / "student", tmp_path / "out", 0, corpus)
    assert set(scores["cut"]) == set(scores["gap"]) == set(experiment.MEASURES)
    assert set(scores["again"]) == {"nothing cut", *experiment.MEASURES}
    for measure in experiment.MEASURES:
        again, _ = models.load(tmp_path / "out" / measure.replace(" ", "-"))
        assert sum(again.config.heads_by_layer) == 2 and sum(again.config.neurons_by_layer) == 16
        assert all(len(scores["cut"][measure][part]) == len(experiment.SHARES) for part in ("heads", "neurons"))
    lines = experiment.table({"0": scores, "1": scores}).splitlines()
    assert len(lines) == 2 + 5 and lines[2].startswith("| nothing cut | ") and "±\N{NO-BREAK SPACE}0.000" in lines[2]


def test_every_way_is_searched_and_scored_once(tmp_path, monkeypatch):
    experiment, original = load("small_changes"), models.teacher
    base, corpus = tiny.base_model(tmp_path / "base"), str(tiny.corpus(tmp_path / "corpus"))
    monkeypatch.setattr(models, "teacher", lambda name, labels, seed: original(str(base), labels, seed=seed))
    monkeypatch.setattr(experiment, "data", type("data", (), {**vars(data), "load": lambda name: data.load(corpus)}))
    monkeypatch.setattr(experiment, "RUNS", tmp_path / "runs")
    monkeypatch.setattr(experiment, "RESULTS", tmp_path / "results.json")
    monkeypatch.setattr(experiment, "SETTINGS", replace(experiment.SETTINGS, epochs=1))
    monkeypatch.setattr(experiment, "RATES", dict.fromkeys(experiment.RATES, (1e-3,)))
    monkeypatch.setattr(sys, "argv", ["small_changes.py", "0"])
    experiment.main()
    results = json.loads(experiment.RESULTS.read_text(encoding="utf-8"))
    assert len(results["search"]) == len(results["runs"]) == 5
    assert all("test" not in run and run["seed"] == experiment.SEARCH for run in results["search"].values())
    shares = {run["way"]: run["share"] for run in results["runs"].values()}
    assert shares["fine-tuning"] == 1 and 0 < shares["head only"] < min(shares["lora"], shares["bitfit"]) < 0.1
    before = experiment.RESULTS.read_bytes()
    experiment.main()
    assert experiment.RESULTS.read_bytes() == before
    tried = {"a": {"way": "lora", "rate": 1.0, "valid": 0.3}, "b": {"way": "lora", "rate": 2.0, "valid": 0.4}}
    assert experiment.best_rate("lora", {"search": tried}) == 2.0
