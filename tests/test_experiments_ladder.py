"""The recorded compression, on a model and a corpus so small that it takes seconds; measuring has its own tests."""

import importlib.util
import json
from pathlib import Path

import pytest

from tests import tiny
from tinykd import benchmark, models, pruning
from tinykd.deploy import runtime
from tinykd.errors import RunError

PATH = Path(__file__).resolve().parent.parent / "experiments" / "ladder.py"
spec = importlib.util.spec_from_file_location("ladder_experiment", PATH)
experiment = importlib.util.module_from_spec(spec)
spec.loader.exec_module(experiment)


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """The experiment after its first call, with its measuring replaced by numbers that are known."""
    folder = tmp_path_factory.mktemp("ladder")
    corpus = tiny.corpus(folder / "corpus")
    model, tokenizer = models.teacher(str(tiny.base_model(folder / "base")), tiny.LABELS)
    for name in ("teacher", "student"):
        models.save(model, tokenizer, folder / name)
    arguments = []
    for name in ("data", "teacher", "student", "out", "results"):
        place = {"data": corpus, "results": folder / "results.json"}.get(name, folder / name)
        arguments += [f"--{name}", str(place)]
    with pytest.MonkeyPatch.context() as patch:
        small = experiment.PRUNING | {"rounds": 1, "heads": 0.5, "neurons": 0.5}
        patch.setattr(experiment, "NARROWED", {"pruned": small, "deeper": small | {"neurons": 0.75}})
        patch.setattr(experiment, "RANK", 8)
        patch.setattr(benchmark, "benchmark", measure)
        experiment.main(arguments)
        yield folder, arguments


def measure(variants, dataset, threads, rounds):
    figures = {"entity_f1": 0.5, "latency_ms": 2.0, "throughput": 100.0, "memory_bytes": 10**6, "matmul_ms": 1.0}
    return [{"name": name, "folder": str(folder), "size_bytes": 10**6} | figures for name, folder in variants.items()]


def test_every_variant_is_smaller_than_the_one_before(ran):
    folder, _ = ran
    student, table, pruned = (models.load(folder / f)[0] for f in ("student", "out/table", "out/pruned"))
    assert (table.config.vocab_size, table.config.embedding_rank) == (24_000, 8)
    assert pruning.shape_of(table) == pruning.shape_of(student) == [(2, 32), (2, 32)]
    assert [sum(counts) for counts in zip(*pruning.shape_of(pruned), strict=True)] == [2, 32]
    deeper, _ = models.load(folder / "out" / "deeper")
    assert [sum(counts) for counts in zip(*pruning.shape_of(deeper), strict=True)] == [2, 16]
    exported, small = (runtime.load(folder / "out" / name) for name in ("float32", "int8"))
    assert small.path.stat().st_size < exported.path.stat().st_size
    assert len(next(exported.logits([["Mara", "won"]]))) == 2


def test_what_is_recorded_makes_the_table_and_says_where_it_comes_from(ran):
    folder, _ = ran
    recorded = json.loads((folder / "results.json").read_text(encoding="utf-8"))["0"]
    names = ["teacher", "teacher, ONNX", "student", "table cut", "table cut, int8"]
    names += ["heads and neurons cut", "ONNX, float32", "ONNX, int8"]
    assert [variant["name"] for variant in recorded["variants"]] == names
    assert benchmark.table(recorded["variants"]).count("| 0.500 | 100.0 % |") == len(names)
    assert recorded["processor"] and recorded["corpus"]["digest"] and recorded["pruning"]["settings"]["epochs"]


def test_a_second_call_makes_only_what_is_missing(ran):
    folder, arguments = ran
    (folder / "results.json").unlink()
    (folder / "out" / "int8").rename(folder / "gone")
    before = {path: path.stat().st_mtime_ns for path in (folder / "out").rglob("*") if path.is_file()}
    experiment.main(arguments)
    after = {path: path.stat().st_mtime_ns for path in before}
    assert before == after and (folder / "out" / "int8").exists() and (folder / "results.json").exists()


def test_a_seed_is_added_to_those_that_are_recorded(ran):
    folder, arguments = ran
    experiment.main([*arguments, "--seed", "1"])
    recorded = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    assert {seed: run["seed"] for seed, run in recorded.items()} == {"0": 0, "1": 1}


def test_models_that_are_not_there_are_named(tmp_path):
    with pytest.raises(RunError, match=r"nowhere: not there; run experiments/conll2003\.py first"):
        experiment.main(["--data", "newswire", "--teacher", str(tmp_path / "nowhere"), "--student", str(tmp_path)])


def test_the_student_is_the_best_on_valid(tmp_path, monkeypatch):
    monkeypatch.setattr(experiment, "ROOT", tmp_path)
    monkeypatch.setattr(experiment, "RUNS", tmp_path)
    assert experiment.best_student(1) == tmp_path / "conll2003-seed1" / "student"
    rows = {"cut:3, hidden": (1, 0.8, 0.9), "cut:3, logits": (1, 0.7, 0.99), "cut:2, hidden": (2, 0.9, 0.9)}
    rows = {row: {"row": row, "seed": s, "valid": v, "test": t} for row, (s, v, t) in rows.items()}
    (tmp_path / "experiments" / "results").mkdir(parents=True)
    (tmp_path / "experiments" / "results" / "distillation.json").write_text(json.dumps({"students": rows}))
    for name in ("cut3-hidden-seed1", "cut3-logits-seed1", "cut2-hidden-seed2"):
        (tmp_path / "distillation" / name).mkdir(parents=True)
    assert experiment.best_student(1).name == "cut3-hidden-seed1"
