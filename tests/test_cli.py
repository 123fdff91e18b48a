import io
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

import tinykd
from tests import tiny
from tinykd import cli, commands, data, evaluation, models
from tinykd.commands.predict import lines
from tinykd.errors import DataError


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli")
    tiny.base_model(folder / "base")
    tiny.corpus(folder / "corpus")
    tiny.copy(folder / "corpus", folder / "slips")
    text = (folder / "corpus" / "train.conll").read_text(encoding="utf-8")
    (folder / "slips" / "train.conll").write_text(f"In O\nNice I-LOC\n\n{text}", encoding="utf-8")
    models.save(*models.teacher(str(folder / "base"), tiny.LABELS), folder / "model")
    return folder


@pytest.fixture
def run(capsys, monkeypatch):
    monkeypatch.setenv("CI", "true")
    monkeypatch.setenv("TQDM_DISABLE", "1")

    def call(*arguments, stdin: bytes = b""):
        stream = io.BytesIO(stdin)
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=stream))
        code = cli.main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return SimpleNamespace(code=code, out=out, err=err)

    return call


def test_distill_evaluate_predict_end_to_end(run, place, tmp_path):
    options = ["--teacher", place / "base", "--student", "cut:1", "--epochs", 1, "--teacher-epochs", 1, "--seed", 3]
    done = run("distill", "--data", place / "corpus", "--out", tmp_path / "run", *options)
    assert done.code == 0
    assert "retention" in json.loads((tmp_path / "run" / "report.json").read_text())
    assert [line.split()[0] for line in done.out.splitlines()[1:4]] == ["teacher", "student", "twin"]
    assert f"open next: {tmp_path / 'run' / 'scoreboard.png'}" in done.out

    scores = run("evaluate", "--model", tmp_path / "run" / "student", "--data", place / "corpus", "--split", "valid")
    assert scores.code == 0 and 0 <= json.loads(scores.out)["token_accuracy"] <= 1

    said = run("predict", "--model", tmp_path / "run" / "student", "Mara Hope left Jordan.", "Nice.")
    rows = [json.loads(line) for line in said.out.splitlines()]
    assert [row["text"] for row in rows] == ["Mara Hope left Jordan.", "Nice."]


def test_predict_reads_standard_input_and_gives_character_offsets(run, place):
    text = "Zoë flew to Nice ✈ twice, in März."
    said = run("predict", "--model", place / "model", stdin=text.encode() + b"\nagain\n")
    rows = [json.loads(line) for line in said.out.splitlines()]
    assert len(rows) == 2 and rows[0]["text"] == text
    for entity in rows[0]["entities"]:
        assert text[entity["start"] : entity["end"]] == entity["text"]
        assert 0 < entity["score"] <= 1
    assert "✈" in said.out  # not escaped


def test_lines_that_have_arrived_are_predicted_together(run, place, monkeypatch):
    calls, open_ = [], tinykd.open

    def counted(*arguments):
        predictor = open_(*arguments)
        predict = predictor.predict
        predictor.predict = lambda texts: calls.append(len(texts)) or predict(texts)
        return predictor

    monkeypatch.setattr(tinykd, "open", counted)
    said = run("predict", "--model", place / "model", stdin=70 * b"Mara won.\n")
    assert calls == [32, 32, 6] and len(said.out.splitlines()) == 70
    run("predict", "--model", place / "model", "--batch-size", 50, stdin=70 * b"Mara won.\r\n" + b"Nice")
    assert calls[3:] == [50, 20, 1], "the last line does not end"


def test_nobody_waits_for_a_batch_to_be_full():
    """Through a pipe: one line alone, then what came while that one was predicted, a line in two parts, a long one."""
    end, other = os.pipe()
    with open(end, "rb") as stream, open(other, "wb", buffering=0) as writer:
        batches = lines(stream, 4)
        writer.write(b"one\n")
        assert next(batches) == ["one"]
        writer.write(b"1\n2\n3\n4\n5\nhal")
        assert [next(batches), next(batches)] == [["1", "2", "3", "4"], ["5"]]
        writer.write("f Z\u00fcri".encode()[:-2])
        writer.write(b"ri\n")
        assert next(batches) == ["half Z\u00fcri"]
        long = threading.Thread(target=lambda: writer.write(300_000 * b"x" + b"\nend") and writer.close())
        long.start()  # longer than a pipe holds
        assert [len(text) for text in next(batches)] == [300_000]
        long.join()
        assert list(batches) == [["end"]]


def test_a_program_gets_each_prediction_before_it_writes_the_next_line(place):
    command = [sys.executable, "-m", "tinykd", "predict", "--model", str(place / "model")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) as process:
        watch = threading.Timer(120, process.kill)
        watch.start()
        for text in ("Mara won.", "Nice lost."):
            process.stdin.write(f"{text}\n")
            assert json.loads(process.stdout.readline())["text"] == text
        process.stdin.close()
        assert process.wait() == 0
        watch.cancel()


def test_what_came_before_the_fault_is_yielded_first():
    batches = lines(io.BytesIO(b"one\ntwo\n \nfour\n"), 2)
    assert next(batches) == ["one", "two"]
    with pytest.raises(DataError, match="line 3 is empty"):
        next(batches)


def test_what_came_before_a_fault_is_answered_and_a_byte_order_mark_is_no_text(run, place):
    ended = run("predict", "--model", place / "model", stdin="\ufeffMara won.\nAgain.\n\nthree\n".encode())
    assert ended.code == 1 and "standard input, line 3 is empty" in ended.err
    assert [json.loads(line)["text"] for line in ended.out.splitlines()] == ["Mara won.", "Again."]


@pytest.mark.parametrize(
    ("arguments", "stdin", "says"),
    [
        (["predict", "--model", "{place}/model", ""], b"", "text 1 is empty"),
        (["predict", "--model", "{place}/model", "Mara \udcff"], b"", "text 1: not UTF-8"),
        (["predict", "--model", "{place}/model"], b"one\n\nthree\n", "standard input, line 2 is empty"),
        (["predict", "--model", "{place}/model", "--batch-size", "0"], b"one\n", "batch_size is 0"),
        (["predict", "--model", "{place}/model"], b"caf\xe9\n", "standard input, line 1: not UTF-8 (byte 0xe9)"),
        (["predict", "--model", "{place}/nothing", "x"], b"", "nothing: not a model folder"),
        (["predict", "--model", "{place}/base", "x"], b"", "was not fine-tuned"),
        (["evaluate", "--model", "{place}/model", "--data", "{place}/corpus", "--split", "dev"], b"", "no split 'dev'"),
        (["evaluate", "--model", "{place}/model", "--data", "nowhere"], b"", "no corpus 'nowhere'"),
        (["distill", "--data", "{place}", "--out", "{place}/x"], b"", "no train split"),
        (["distill", "--data", "{place}/corpus", "--teacher", "{place}/base", "--out", "{place}/base"],
         b"", "base holds something else (no run.json is there)"),
        (["distill", "--data", "{place}/corpus", "--teacher", "{place}/base", "--student", "cut:9",
          "--out", "{place}/y"], b"", "cannot be mapped"),
        (["distill", "--data", "{place}/corpus", "--alpha", "2", "--out", "{place}/z"], b"", "alpha is 2.0"),
        (["distill", "--data", "{place}/corpus", "--learning-rate", "0", "--out", "{place}/z"],
         b"", "learning_rate is 0.0"),
        (["distill", "--data", "{place}/corpus", "--method", "magic", "--out", "{place}/z"], b"", "method"),
        (["distill", "--data", "{place}/slips", "--strict", "--out", "{place}/z"], b"", "train.conll:2"),
        (["distill", "--data", "{place}/corpus", "--max-train", "0", "--out", "{place}/w"], b"", "max_train is 0"),
        (["distill", "--data", "{place}/corpus", "--copies", "0", "--out", "{place}/u"], b"", "copies is 0"),
        (["distill", "--data", "{place}/corpus", "--select", "random:9999", "--out", "{place}/v"], b"", "size is 9999"),
        (["distill", "--data", "{place}/corpus", "--select", "best:9", "--out", "{place}/v"], b"", "rule is 'best'"),
        (["distill", "--data", "{place}/corpus", "--dynamic", "0", "--out", "{place}/v"], b"", "candidates 0.0"),
        (["distill", "--data", "{place}/corpus", "--mixing", "0.5:7", "--out", "{place}/v"], b"", "mixing_end is 7.0"),
        (["distill", "--data", "{place}/corpus", "--dropout", "2", "--out", "{place}/t"], b"", "dropout is 2.0"),
        (["distill", "--data", "{place}/corpus", "--texts", "{place}/more.txt", "--out", "{place}/s"],
         b"", "more.txt: no such file"),
    ],
)  # fmt: skip
def test_bad_input_is_one_clear_line_and_exit_code_1(run, place, arguments, stdin, says):
    ended = run(*[argument.format(place=place) for argument in arguments], stdin=stdin)
    assert ended.code == 1
    lines = [line for line in ended.err.splitlines() if line.startswith("tinykd: ")]
    assert len(lines) == 1 and says in lines[0]
    assert "Traceback" not in ended.err


def test_a_model_of_other_labels_is_refused_by_evaluate(run, place, tmp_path):
    models.save(*models.teacher(str(place / "base"), ["O", "B-GENE", "I-GENE"]), tmp_path / "gene")
    ended = run("evaluate", "--model", tmp_path / "gene", "--data", place / "corpus")
    assert ended.code == 1 and "B-GENE" in ended.err and "B-LOC" in ended.err


def test_evaluate_opens_whatever_predicts(run, place, tmp_path):
    assert run("export", "--model", place / "model", "--out", tmp_path / "onnx", "--max-length", 64).code == 0
    said = run("evaluate", "--model", tmp_path / "onnx", "--data", place / "corpus")
    assert said.code == 0, said.err
    test = data.load(str(place / "corpus"))["test"]
    assert json.loads(said.out) == evaluation.score(tinykd.open(tmp_path / "onnx"), test)


def test_how_the_models_are_trained_is_said_and_recorded(run, place, tmp_path, caplog):
    options = ["--data", place / "slips", "--teacher", place / "base", "--student", "cut:1", "--epochs", 1]
    options += ["--teacher-epochs", 1, "--out", tmp_path / "run"]
    done = run("distill", *options, "--no-speed", "--precision", "fp32", "--learning-rate", 1e-3)
    assert done.code == 0, done.err
    assert "training in fp32, without the tricks of tinykd.training.speed" in caplog.text
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    told = {"precision": "fp32", "speed": False, "learning_rate": 1e-3, "strict": False, "method": "logits"}
    assert told.items() <= report["setup"].items()


def test_the_articles_program_from_the_command_line(run, place, tmp_path):
    options = ["--data", place / "corpus", "--teacher", place / "base", "--student", "cut:1", "--epochs", 1]
    options += ["--teacher-epochs", 1, "--out", tmp_path / "run", "--select", "random:16", "--dynamic"]
    done = run("distill", *options, "--mixing", "0.5:1", "--fuse", "parallel", "--report", "article")
    assert done.code == 0, done.err
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    setup = {"select": ["random", 16], "dynamic": 2.0, "mixing": [0.5, 1.0], "fuse": "parallel"}
    assert setup.items() <= report["setup"].items()
    for name in ("teacher", "student", "twin", "fusion"):
        table = report[name]["token_report"]
        assert f"{name}\n\n{table}" in done.out
        said = run("evaluate", "--model", tmp_path / "run" / name, "--data", place / "corpus", "--report", "article")
        assert said.out == table + "\n"


@pytest.mark.parametrize("wrong", [["--select", "random"], ["--select", "random:x"], ["--mixing", "0:1:0"]])
def test_what_cannot_be_read_is_wrong_usage(run, place, wrong, capsys):
    with pytest.raises(SystemExit, match="2"):
        run("distill", "--data", place / "corpus", "--out", place / "w", *wrong)
    assert f"argument {wrong[0]}: {wrong[1]!r}; expected" in capsys.readouterr().err


def test_ctrl_c_says_that_the_same_command_goes_on(run, place, monkeypatch):
    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("tinykd.recipes.run", interrupt)
    ended = run("distill", "--data", place / "corpus", "--out", place / "v")
    assert ended.code == 130 and "the same command goes on" in ended.err


@pytest.mark.parametrize("error", [ValueError("ours"), ImportError("ours"), FileNotFoundError(2, "ours", "a")])
def test_a_defect_shows_its_traceback(run, monkeypatch, error):
    def fail(*_):
        raise error

    monkeypatch.setattr("tinykd.open", fail)
    with pytest.raises(type(error)):
        run("predict", "--model", "x", "Mara won.")


def test_a_defect_shows_its_traceback_and_ends_with_1_in_a_process():
    code = "import sys, tinykd\nfrom tinykd import cli\ntinykd.open = None\n"
    code += "sys.exit(cli.main(['predict', '--model', 'x', 'a']))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1 and "Traceback" in done.stderr and "TypeError" in done.stderr


def test_what_the_user_can_mend_is_one_line(run, monkeypatch):
    def fail(*_):
        raise DataError("a.conll:3: no label")

    monkeypatch.setattr("tinykd.open", fail)
    ended = run("predict", "--model", "x", "Mara won.")
    assert (ended.code, ended.out, ended.err) == (1, "", "tinykd: a.conll:3: no label\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a full disk of Linux")
def test_standard_output_on_a_full_disk_is_one_line(place):
    command = [sys.executable, "-m", "tinykd", "predict", "--model", str(place / "model"), "Mara won."]
    with open("/dev/full", "wb") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    lines = [line for line in done.stderr.splitlines() if "tinykd" in line]
    assert done.returncode == 1 and lines == ["tinykd: cannot write to standard output: No space left on device"]
    assert "Traceback" not in done.stderr and "Exception" not in done.stderr


def test_a_reader_that_has_gone_is_no_fault(place):
    command = [sys.executable, "-m", "tinykd", "predict", "--model", str(place / "model"), "Mara won."]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        process.stdout.close()
        assert process.wait() == 0 and "Error" not in process.stderr.read()


def test_no_bars_in_continuous_integration(run, monkeypatch):
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    run("predict", "--model", "nowhere", "a")
    assert os.environ["TQDM_DISABLE"] == "1"


def test_help_names_every_command_and_needs_no_torch():
    code = (
        "import sys; sys.argv = ['tinykd', '--help']\n"
        "from tinykd.cli import main\n"
        "try: main()\n"
        "except SystemExit: print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert all(name in done.stdout for name in commands.NAMES)
    assert done.stdout.splitlines()[-1] == "False"
