import io
import json
import subprocess
import sys
from types import SimpleNamespace

import pytest

from tests import tiny
from tinykd import cli, commands, models


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli")
    tiny.base_model(folder / "base")
    tiny.corpus(folder / "corpus")
    models.save(*models.teacher(str(folder / "base"), tiny.LABELS), folder / "model")
    return folder


@pytest.fixture
def run(capsys, monkeypatch):
    monkeypatch.setenv("CI", "true")

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
    assert [line.split()[0] for line in done.out.splitlines()[1:4]] == ["teacher", "student", "baseline"]
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


def test_what_came_before_a_fault_is_answered_and_a_byte_order_mark_is_no_text(run, place):
    ended = run("predict", "--model", place / "model", stdin="\ufeffMara won.\nAgain.\n\nthree\n".encode())
    assert ended.code == 1 and "standard input, line 3: the text is empty" in ended.err
    assert [json.loads(line)["text"] for line in ended.out.splitlines()] == ["Mara won.", "Again."]


@pytest.mark.parametrize(
    ("arguments", "stdin", "says"),
    [
        (["predict", "--model", "{place}/model", ""], b"", "text 1 is empty"),
        (["predict", "--model", "{place}/model", "Mara \udcff"], b"", "text 1: not UTF-8"),
        (["predict", "--model", "{place}/model"], b"one\n\nthree\n", "standard input, line 2: the text is empty"),
        (["predict", "--model", "{place}/model"], b"caf\xe9\n", "standard input, line 1: not UTF-8 (byte 0xe9)"),
        (["predict", "--model", "{place}/nothing", "x"], b"", "nothing: not a model folder"),
        (["predict", "--model", "{place}/base", "x"], b"", "was not fine-tuned"),
        (["evaluate", "--model", "{place}/model", "--data", "{place}/corpus", "--split", "dev"], b"", "no split 'dev'"),
        (["evaluate", "--model", "{place}/model", "--data", "nowhere"], b"", "no corpus 'nowhere'"),
        (["distill", "--data", "{place}", "--out", "{place}/x"], b"", "no train split"),
        (["distill", "--data", "{place}/corpus", "--teacher", "{place}/base", "--out", "{place}/base"],
         b"", "not empty"),
        (["distill", "--data", "{place}/corpus", "--teacher", "{place}/base", "--student", "cut:9",
          "--out", "{place}/y"], b"", "cannot be mapped"),
        (["distill", "--data", "{place}/corpus", "--alpha", "2", "--out", "{place}/z"], b"", "alpha is 2.0"),
        (["distill", "--data", "{place}/corpus", "--max-train", "0", "--out", "{place}/w"], b"", "max_train is 0"),
        (["distill", "--data", "{place}/corpus", "--copies", "0", "--out", "{place}/u"], b"", "copies is 0"),
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


def test_ctrl_c_says_that_the_same_command_goes_on(run, place, monkeypatch):
    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("tinykd.recipes.run", interrupt)
    ended = run("distill", "--data", place / "corpus", "--out", place / "v")
    assert ended.code == 130 and "the same command goes on" in ended.err


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
