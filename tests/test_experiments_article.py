"""The article's program, mended row by row: its rows, one of them from end to end, and its table."""

import importlib.util
import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests import tiny
from tinykd import data, models

PATH = Path(__file__).resolve().parent.parent / "experiments" / "article.py"
sys.path.append(str(PATH.parent))  # where the experiments find each other
spec = importlib.util.spec_from_file_location("article", PATH)
experiment = importlib.util.module_from_spec(spec)
spec.loader.exec_module(experiment)


@pytest.mark.parametrize("student", experiment.STUDENTS)
def test_each_row_changes_one_thing_and_the_first_is_the_articles(student):
    rows, compared = experiment.rows(student), experiment.compared_with(student)
    first, settings = rows["as printed"], rows["as printed"].settings
    assert first.chosen == ("random", 100) and (settings.alpha, settings.temperature) == (0.8, 1.0)
    assert (settings.epochs, settings.batch_size, settings.learning_rate) == (5, 16, 2e-5)
    assert set(rows) - set(compared) == {"as printed"} and set(compared.values()) <= set(rows)
    base = rows[experiment.BASE].settings
    assert replace(base, mixing=0.5, mixing_end=1.0) == rows["joint output alone"].settings
    assert rows["disagreement alone"].settings.mixing == 1.0 and rows["disagreement alone"].settings.dynamic
    assert rows["both"].settings.dynamic and rows["both"].settings.mixing == 0.5
    assert all(rows[name].method is None for name in rows if name.startswith("twin"))


def test_a_row_and_a_fusion_from_end_to_end(tmp_path, monkeypatch):
    import distillation

    tiny.base_model(tmp_path / "base")
    corpus = data.load(str(tiny.corpus(tmp_path / "corpus")))
    original = models.teacher
    monkeypatch.setattr(
        models, "teacher", lambda name, labels, seed: original(str(tmp_path / "base"), labels, seed=seed)
    )
    for module in (distillation, experiment):
        monkeypatch.setattr(module, "RUNS", tmp_path / "runs")
    quick = replace(experiment.SHORT, epochs=2)
    rows = {"few": distillation.Row("cut:1", settings=quick, chosen=("random", 9))}
    rows["layers"] = distillation.Row("cut:1", "two-stage", quick)
    monkeypatch.setattr(experiment, "rows", lambda student: rows)
    monkeypatch.setattr(experiment, "other", lambda corpus: corpus)
    for name, read in (("few", 9), ("layers", len(corpus["train"]))):
        run = experiment.one_row("cut:1", name, 0, corpus)
        assert (run["student"], run["row"], run["read"]) == ("cut:1", name, read)
        assert run["test"] == run["elsewhere"] and run["agreement"]["test"] == run["agreement"]["elsewhere"]
        assert "weighted avg" in run["token_report"]
    assert not (tmp_path / "runs" / "signals-seed0").exists()
    fused = experiment.one_fusion("cut:1", "layers", 0, corpus)
    assert all(0 <= fused[how]["test"] <= 1 for how in ("cascade", "parallel", "halves"))


def test_the_table_says_what_each_row_adds():
    def run(row, seed, test):
        return {"student": "cut:3", "row": row, "seed": seed, "valid": test, "test": test}

    runs = [run("as printed", 0, 0.1), run("as many steps as below", 0, 0.3), run("as many steps as below", 1, 0.5)]
    runs += [run(experiment.BASE, 0, 0.6), run("both", 0, 0.5)]
    results = {"teachers": {"0": {"test": 0.8}, "1": {"test": 0.8}}, "students": dict(enumerate(runs))}
    lines = experiment.table(json.loads(json.dumps(results)), "cut:3").splitlines()[2:]
    assert [line.split(" | ")[3] for line in lines] == ["", "0.200", "", "-0.100"]
    assert "50.0" in lines[1] and len(lines) == 4
