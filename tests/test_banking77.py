"""The experiment on customer service runs from end to end, goes on where it was, and its table reads."""

import importlib.util
import json
from dataclasses import replace
from pathlib import Path

import pytest

from scenarios.support import work
from tests import tiny
from tinykd import data, models

PATH = Path(__file__).resolve().parent.parent / "experiments" / "banking77.py"
spec = importlib.util.spec_from_file_location("banking77", PATH)
experiment = importlib.util.module_from_spec(spec)
spec.loader.exec_module(experiment)


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A tiny teacher, one epoch, a corpus of two labels; BANKING77 itself is not there on every machine."""
    base, train = tiny.base_model(tmp_path / "base"), work.train
    settings = tuple(replace(one, epochs=1, speed=True) for one in (work.TEACHER, work.STUDENT))
    rows = "".join(f"how do i {verb} my card {i},{verb}\n" for i in range(12) for verb in ("freeze", "order"))
    folder = tmp_path / "banking77"
    folder.mkdir()
    for split in ("train", "valid", "test"):
        (folder / f"{split}.csv").write_text("text,category\n" + rows, encoding="utf-8")
    monkeypatch.setenv("TINYKD_DATA", str(tmp_path))
    monkeypatch.setattr(experiment, "RUNS", tmp_path / "runs")
    monkeypatch.setattr(experiment, "SETTINGS", {"banking77": settings})
    monkeypatch.setattr(experiment, "STUDENTS", ("cut:1", "cut:2"))
    monkeypatch.setattr(experiment, "MODELS", ("teacher", "cut:1", "cut:2", "cut:1, int8"))
    monkeypatch.setattr(experiment, "timed", experiment.throughput)  # in this process: it is quicker
    monkeypatch.setattr(experiment, "precision_of", lambda out: "fp32")
    monkeypatch.setattr(experiment.work, "train", lambda *args, **kwargs: train(*args, teacher=str(base), **kwargs))
    return tmp_path


def test_one_seed_from_end_to_end(small):
    report = experiment.one_seed("banking77", 0)
    assert report["seed"] == report["settings"]["student"]["seed"] == 0
    assert report["corpus"] == {"train": 24, "valid": 24, "test": 24, "digest": data.digest(data.load("banking77"))}
    for name in experiment.MODELS:
        row = report[name]
        assert 0 <= row["accuracy"] <= 1 and 0 <= row["auroc"] <= 1
        assert 0 < row["median_ms"] <= row["p95_ms"] and row["messages_per_second"] > 0
    assert report["cut:1"]["macs"] == report["cut:1, int8"]["macs"] < report["teacher"]["macs"]
    assert report["cut:1, int8"]["size_bytes"] < report["cut:1"]["size_bytes"] < report["teacher"]["size_bytes"]
    out = small / "runs" / "banking77-seed0"
    assert models.load(out / "cut-2")[0].config.num_hidden_layers == 2
    finished = (out / "cut-1" / "model.safetensors").stat().st_mtime_ns
    assert experiment.trained(out, data.load("banking77"), tuple(experiment.SETTINGS["banking77"]))
    assert (out / "cut-1" / "model.safetensors").stat().st_mtime_ns == finished
    shown = experiment.table({"banking77": {"3": report, "4": report}}, "banking77")
    assert all(name in shown for name in experiment.MODELS) and "±\N{NO-BREAK SPACE}0.000" in shown
    json.dumps(report)


@pytest.mark.skipif(not experiment.RESULTS.exists(), reason="not recorded yet")
def test_recorded_results_say_where_they_come_from():
    for seeds in json.loads(experiment.RESULTS.read_text(encoding="utf-8")).values():
        for report in seeds.values():
            assert report["processor"] and report["versions"]["torch"] and report["date"] and report["corpus"]["digest"]
