"""From a teacher and a student to a smaller student, an export, a fusion and a benchmark: through the command line."""

import json

import pytest
from transformers import DistilBertConfig, DistilBertForTokenClassification

from tests import tiny
from tests.test_cli import run  # noqa: F401  (a fixture)
from tinykd import benchmark, models
from tinykd.deploy import runtime


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("commands")
    tiny.base_model(folder / "base")
    tiny.corpus(folder / "corpus")
    for split in ("train", "valid", "test"):
        (folder / "long").mkdir(exist_ok=True)
        (folder / "long" / f"{split}.conll").write_text(
            "".join(f"Mara B-{type_}\n" for type_ in tiny.TYPES) + 700 * "won O\n", encoding="utf-8"
        )
    teacher, tokenizer = models.teacher(str(folder / "base"), tiny.LABELS)
    models.save(teacher, tokenizer, folder / "teacher")
    models.save(models.student("cut:1", teacher), tokenizer, folder / "student")
    models.save(*models.teacher(str(folder / "base"), ["O", "B-GENE", "I-GENE"]), folder / "gene")
    return folder


TEXT = "Mara Hope left Jordan for Nice."


def test_compress_export_predict_and_bench(run, place, tmp_path):  # noqa: F811
    both = ["--model", place / "student", "--teacher", place / "teacher", "--data", place / "corpus"]
    done = run("compress", *both, "--out", tmp_path / "small", "--rounds", 1, "--epochs", 1, "--rank", 8)
    assert done.code == 0, done.err
    assert [line.split()[0] for line in done.out.splitlines()[:2]] == ["before", "after"]
    small = models.load(tmp_path / "small" / "student")[0]
    assert small.config.embedding_rank == 8
    assert small.num_parameters() < 0.2 * models.load(place / "student")[0].num_parameters()  # mostly vocabulary

    variants = [place / "teacher", tmp_path / "small" / "student"]
    for name, options in (("onnx", []), ("int8", ["--int8"])):
        done = run("export", "--model", variants[-1], "--out", tmp_path / name, *options)
        assert done.code == 0, done.err
    done = run("export", "--model", variants[-1], "--out", tmp_path / "weights", "--int8", "weights")
    assert done.code == 0, done.err
    assert [runtime.facts_of(tmp_path / name)["precision"] for name in ("onnx", "int8", "weights")] == [
        "fp32",
        "int8-dynamic",
        "int8-weights",
    ]
    variants += [tmp_path / "onnx", tmp_path / "int8"]
    said = [json.loads(run("predict", "--model", folder, TEXT).out) for folder in variants[1:3]]
    assert said[0]["text"] == said[1]["text"] == TEXT
    refused = run("predict", "--model", variants[2], "--max-length", 9999, TEXT)
    assert refused.code == 1 and "max_length is 9999" in refused.err
    for mine, theirs in zip(*(answer["entities"] for answer in said), strict=True):
        assert mine.pop("score") == pytest.approx(theirs.pop("score"), abs=2e-4)
        assert mine == theirs

    once = ["--rounds", 1, "--threads", 1]  # two threads wait for each other where other tests run beside them
    done = run("bench", *variants, "--data", place / "corpus", *once, "--out", tmp_path / "benchmark.json")
    assert done.code == 0, done.err
    measured = json.loads((tmp_path / "benchmark.json").read_text())["variants"]
    assert [one["name"] for one in measured] == [str(folder) for folder in variants]
    assert benchmark.table(measured) in done.out
    _, plain, exported, rounded = measured
    assert exported["entity_f1"] == pytest.approx(plain["entity_f1"])
    assert exported["token_accuracy"] == pytest.approx(plain["token_accuracy"])
    assert exported["memory_bytes"] < 0.7 * plain["memory_bytes"]  # no torch in that process
    assert rounded["size_bytes"] < exported["size_bytes"]
    assert 0 < plain["matmul_ms"] < plain["latency_ms"] and exported["matmul_ms"] is None


def test_compress_does_not_take_another_models_rounds_for_its_own(run, place, tmp_path):  # noqa: F811
    both = ["--model", place / "student", "--teacher", place / "teacher", "--data", place / "corpus"]
    how = ["--out", tmp_path / "small", "--rounds", 1, "--epochs", 1]
    assert run("compress", *both, *how).code == 0
    signals = (tmp_path / "small" / "signals-train" / "signal.json").read_bytes()
    again = run("compress", *both, *how)
    assert again.code == 0
    model, tokenizer = models.teacher(str(place / "base"), tiny.LABELS, seed=5)
    models.save(model, tokenizer, tmp_path / "other")
    models.save(models.student("cut:1", model), tokenizer, tmp_path / "twin")
    for name, other in (("model", tmp_path / "twin"), ("teacher", tmp_path / "other")):
        ended = run("compress", *both, f"--{name}", other, *how)
        assert ended.code == 1 and f"made with other settings or data ({name} is" in ended.err
    assert (tmp_path / "small" / "signals-train" / "signal.json").read_bytes() == signals


def test_bench_reads_long_documents_as_evaluate_does(run, place, tmp_path):  # noqa: F811
    corpus = tiny.copy(place / "corpus", tmp_path / "long")
    lines = [line for line in (corpus / "test.conll").read_text(encoding="utf-8").splitlines() if line.strip()]
    (corpus / "test.conll").write_text(
        "\n".join(6 * lines) + "\n", encoding="utf-8"
    )  # one document, 700 words and more
    variants = [place / "teacher", place / "student"]
    done = run("bench", *variants, "--data", corpus, "--rounds", 1, "--out", tmp_path / "benchmark.json")
    assert done.code == 0, done.err
    for folder, one in zip(variants, json.loads((tmp_path / "benchmark.json").read_text())["variants"], strict=True):
        scores = json.loads(run("evaluate", "--model", folder, "--data", corpus).out)
        assert one["token_accuracy"] == scores["token_accuracy"] and one["entity_f1"] == scores["entity_f1"]


def test_the_first_variant_may_find_nothing():
    variant = {"name": "a", "entity_f1": 0.0, "token_accuracy": 0.8, "size_bytes": 1, "latency_ms": 1.0}
    variant |= {"throughput": 1.0, "memory_bytes": 1, "matmul_ms": None}
    assert "| a | 0.000 |  |" in benchmark.table([variant])


def test_compress_refuses_a_strange_student_before_any_work(run, place, tmp_path):  # noqa: F811
    names = dict(enumerate(tiny.LABELS))
    config = DistilBertConfig(vocab_size=30522, dim=16, n_layers=1, n_heads=2, hidden_dim=32, id2label=names)
    tokenizer = models.load(place / "teacher")[1]
    models.save(DistilBertForTokenClassification(config), tokenizer, tmp_path / "student")
    asked = ["--model", tmp_path / "student", "--teacher", place / "teacher", "--data", place / "corpus"]
    done = run("compress", *asked, "--out", tmp_path / "small")
    assert done.code != 0 and "known of BERT with a task head, not of DistilBertForTokenClassification" in done.err
    assert not (tmp_path / "small").exists()


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
        (["compress", "--epochs", "0"], "epochs is 0; it must be a whole number, at least 1"),
        (["compress", "--vocabulary", "3"], "size is 3; special tokens and single characters alone are"),
        (["export", "--max-length", "9999"], "max_length is 9999"),
        (["bench", "{nowhere}"], "nowhere: not a model folder"),
        (["bench", "--split", "dev"], "has no split 'dev'; it has train, valid, test"),
        (["bench", "--rounds", "0"], "rounds is 0; it must be a whole number, at least 1"),
        (["bench", "--max-length", "0"], "max_length is 0; it must be a whole number, at least 1"),
        (["bench", "{base}"], "base: this model was not fine-tuned; it has no label names"),
        (["bench", "{gene}"], "have other labels, and labels are matched by name"),
        (["evaluate", "--max-length", "600"], "max_length is 600; this model takes at most 512 subword tokens"),
        (["fuse", "--how", "parallel", "--budget", "0.5"], "--budget is for --how cascade; --how is parallel"),
        (["fuse", "--space", "logits"], "--space is for --how parallel; --how is cascade"),
    ],
)
def test_what_cannot_work_is_one_clear_line(run, place, tmp_path, arguments, says):  # noqa: F811
    command, *rest = [
        argument.format(nowhere=place / "base" / "nowhere", base=place / "base", gene=place / "gene")
        for argument in arguments
    ]
    asked = {
        "compress": ["--model", place / "student", "--teacher", place / "teacher", "--data", place / "corpus"],
        "export": ["--model", place / "student"],
        "bench": [place / "student", *rest, "--data", place / "corpus"],
        "evaluate": ["--model", place / "student", "--data", place / "long"],
        "fuse": ["--teacher", place / "teacher", "--student", place / "student", "--data", place / "corpus"],
    }[command]
    out = [] if command in ("bench", "evaluate") else ["--out", tmp_path / "out"]
    ended = run(command, *asked, *out, *([] if command == "bench" else rest))
    assert ended.code == 1
    lines = [line for line in ended.err.splitlines() if line.startswith("tinykd: ")]
    assert len(lines) == 1 and says in lines[0]
