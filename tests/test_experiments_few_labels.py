"""Few labels: the parts are what they are called, the students take the same steps, and the whole runs."""

import importlib.util
import json
from pathlib import Path

import pytest

from tests import tiny
from tinykd import data, models, recipes, samples
from tinykd.training import Settings

PATH = Path(__file__).resolve().parent.parent / "experiments" / "few_labels.py"
spec = importlib.util.spec_from_file_location("few_labels", PATH)
experiment = importlib.util.module_from_spec(spec)
spec.loader.exec_module(experiment)


@pytest.mark.parametrize("fewer", [100, 702, 1404, 3510])
def test_the_steps_are_the_same(fewer):
    settings = Settings(epochs=3, batch_size=32)
    epochs = experiment.same_steps(settings, 14041, fewer)
    steps, wanted = epochs * -(-fewer // 32), 3 * -(-14041 // 32)
    assert abs(steps - wanted) <= -(-fewer // 32) / 2


def test_one_share_runs_and_the_teacher_labels_the_rest(tmp_path, monkeypatch):
    base, teacher = str(tiny.base_model(tmp_path / "base", layers=4)), models.teacher
    corpus = data.load(str(tiny.corpus(tmp_path / "corpus")))
    monkeypatch.setattr(experiment.models, "teacher", lambda _, *rest: teacher(base, *rest))
    monkeypatch.setattr(experiment, "RUNS", tmp_path / "runs")
    quick = Settings(epochs=1, learning_rate=1e-3, batch_size=8, alpha=0.2)
    monkeypatch.setattr(experiment.recipes, "suited", lambda size: (quick, quick))
    seen = {}
    monkeypatch.setattr(
        experiment, "all_texts", lambda *parts: seen.setdefault("all", all_texts(*parts)) and seen["all"]
    )
    run = experiment.one(0.25, 3, corpus)
    assert run["labelled"] == 12 and run["settings"]["few"]["epochs"] == 3
    assert set(run["scores"]) == {"teacher", *experiment.STUDENTS}
    labelled, _ = samples.few_labels(corpus["train"], 0.25, 3)
    assert len(seen["all"]) == len(corpus["train"])
    assert seen["all"]["labels"][:12] == labelled["labels"][:]
    assert seen["all"].features == labelled.features
    assert "±\N{NO-BREAK SPACE}0.000" in experiment.table({"a": run, "b": run})
    json.dumps(run | recipes.provenance())


all_texts = experiment.all_texts
