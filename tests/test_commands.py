"""From a teacher and a student to a smaller student, an export, a fusion and the ladder: through the command line."""

import json

import pytest

from tests import tiny
from tests.test_cli import run  # noqa: F401  (a fixture)
from tinykd import ladder, models


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("commands")
    tiny.base_model(folder / "base")
    tiny.corpus(folder / "corpus")
    teacher, tokenizer = models.teacher(str(folder / "base"), tiny.LABELS)
    models.save(teacher, tokenizer, folder / "teacher")
    models.save(models.student("cut:1", teacher), tokenizer, folder / "student")
    return folder


TEXT = "Mara Hope left Jordan for Nice."


def test_compress_export_predict_and_bench(run, place, tmp_path):  # noqa: F811
    both = ["--model", place / "student", "--teacher", place / "teacher", "--data", place / "corpus"]
    done = run("compress", *both, "--out", tmp_path / "small", "--rounds", 1, "--epochs", 1, "--rank", 8)
    assert done.code == 0, done.err
    assert [line.split()[0] for line in done.out.splitlines()[:2]] == ["before", "after"]
    small = models.load(tmp_path / "small" / "student")[0]
    assert small.config.table_rank == 8
    assert small.num_parameters() < 0.2 * models.load(place / "student")[0].num_parameters()  # mostly vocabulary

    rungs = [place / "teacher", tmp_path / "small" / "student"]
    for name, options in (("onnx", []), ("int8", ["--int8"])):
        done = run("export", "--model", rungs[-1], "--out", tmp_path / name, *options)
        assert done.code == 0, done.err
    rungs += [tmp_path / "onnx", tmp_path / "int8"]
    said = [json.loads(run("predict", "--model", folder, TEXT).out) for folder in rungs[1:3]]
    assert said[0]["text"] == said[1]["text"] == TEXT
    refused = run("predict", "--model", rungs[2], "--max-length", 9999, TEXT)
    assert refused.code == 1 and "max_length is 9999" in refused.err
    for mine, theirs in zip(*(answer["entities"] for answer in said), strict=True):
        assert mine.pop("score") == pytest.approx(theirs.pop("score"), abs=2e-4)
        assert mine == theirs

    done = run("bench", *rungs, "--data", place / "corpus", "--rounds", 1, "--out", tmp_path / "ladder.json")
    assert done.code == 0, done.err
    measured = json.loads((tmp_path / "ladder.json").read_text())["rungs"]
    assert [rung["name"] for rung in measured] == [str(folder) for folder in rungs]
    assert ladder.table(measured) in done.out
    _, plain, exported, rounded = measured
    assert exported["entity_f1"] == pytest.approx(plain["entity_f1"])
    assert exported["token_accuracy"] == pytest.approx(plain["token_accuracy"])
    assert exported["memory_bytes"] < 0.7 * plain["memory_bytes"]  # no torch in that process
    assert rounded["size_bytes"] < exported["size_bytes"]
    assert 0 < plain["products_ms"] < plain["latency_ms"] and exported["products_ms"] is None


@pytest.mark.parametrize("how", [["--how", "parallel"], ["--how", "cascade", "--target", "0.9"], ["--budget", "1.0"]])
def test_fuse_makes_a_folder_that_answers(run, place, tmp_path, how):  # noqa: F811
    members = ["--teacher", place / "teacher", "--student", place / "student", "--data", place / "corpus"]
    done = run("fuse", *members, "--out", tmp_path / "fused", *how)
    assert done.code == 0, done.err
    assert json.loads(run("predict", "--model", tmp_path / "fused", TEXT).out)["text"] == TEXT
    scores = json.loads(run("evaluate", "--model", tmp_path / "fused", "--data", place / "corpus").out)
    if "--budget" in how:  # no threshold is better than the teacher on every sentence, and that is what may be spent
        assert 0 <= scores["entity_f1"] <= 1 and scores["token_accuracy"] > 0
    assert set(scores) == set(json.loads(run("evaluate", "--model", place / "teacher", "--data", place / "corpus").out))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["compress", "--heads", "1.0"], "heads is 1.0"),
        (["compress", "--rank", "99"], "rank is 99; it must lie between 1 and 16"),
        (["compress", "--rank", "0"], "rank is 0; it must lie between 1 and 16"),
        (["compress", "--epochs", "0"], "epochs is 0; it must be above 0"),
        (["compress", "--vocabulary", "3"], "size is 3; special tokens and single characters alone are"),
        (["export", "--max-length", "9999"], "max_length is 9999"),
        (["bench"], "nowhere: not a model folder; no config.json and no export.json in"),
    ],
)
def test_what_cannot_work_is_one_clear_line(run, place, tmp_path, arguments, says):  # noqa: F811
    command, *rest = arguments
    asked = {
        "compress": ["--model", place / "student", "--teacher", place / "teacher", "--data", place / "corpus"],
        "export": ["--model", place / "student"],
        "bench": [place / "student", place / "base" / "nowhere", "--data", place / "corpus"],
    }[command]
    out = [] if command == "bench" else ["--out", tmp_path / "out"]
    ended = run(command, *asked, *out, *rest)
    assert ended.code == 1
    lines = [line for line in ended.err.splitlines() if line.startswith("tinykd: ")]
    assert len(lines) == 1 and says in lines[0]
