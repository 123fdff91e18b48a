"""Where a command runs: no home, no network, another locale, another alphabet in the paths."""

import json
import shlex
import subprocess
import sys

import pytest

from tests import tiny
from tests.faults import conftest as make


def command(*arguments, environment: dict, cwd, prefix=()) -> subprocess.CompletedProcess:
    line = [*prefix, sys.executable, "-m", "tinykd", *map(str, arguments)]
    return subprocess.run(line, cwd=cwd, env=environment, capture_output=True, timeout=600)


def test_no_home_and_a_user_whom_nobody_knows(room, whole, tmp_path):
    """As in a container: no HOME, and no entry in the list of users to say where it might be."""
    prefix = ["unshare", "--user", "--map-user=54321", "--map-group=54321"]
    options = make.distill(room, tmp_path / "run")[1:]
    done = command(*options, environment=make.environment(None), cwd=tmp_path, prefix=prefix)
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    assert [path.name for path in tmp_path.iterdir()] == ["run"], "no folder called ~"
    assert tiny.same_weights(whole[0] / "student", tmp_path / "run" / "student")


def test_without_a_network(room, tmp_path):
    """The embedded weights and corpora need none; what must come from the Hub is refused in one line, soon."""
    tiny_run = ["--epochs", 1, "--teacher-epochs", 1, "--out", tmp_path / "out"]
    runs = [
        ["distill", "--data", room / "corpus", "--teacher", "minilm", *tiny_run],
        ["evaluate", "--data", "newswire", "--split", "valid", "--model", tmp_path / "out" / "student"],
        ["distill", "--data", room / "corpus", "--teacher", "bert-base-uncased", "--out", tmp_path / "hub"],
    ]
    program = "import sys, time; from tinykd.cli import main\ntime.sleep = lambda seconds: None\n"  # between two tries
    program += "for run in eval(sys.argv[1]): print(main(run), file=sys.stderr)"
    line = ["unshare", "--user", "--map-root-user", "--net", sys.executable, "-c", program]
    line.append(repr([[str(argument) for argument in run] for run in runs]))
    done = subprocess.run(
        line, env=make.environment(tmp_path / "home"), cwd=tmp_path, capture_output=True, text=True, timeout=600
    )
    said = [row for row in done.stderr.splitlines() if row.startswith("tinykd: ") or row in ("0", "1")]
    assert [said[0], said[1], said[3]] == ["0", "0", "1"] and len(said) == 4, done.stderr
    assert "bert-base-uncased: not a model folder, and the Hub did not give it" in said[2]


@pytest.mark.parametrize("utf8", ["0", "1"])
def test_a_locale_without_utf_8(room, whole, tmp_path, utf8):
    text = "Zoë flew from 北京 to Łódź ✈ twice."
    plain = make.environment(tmp_path / "home", LC_ALL="C", PYTHONUTF8=utf8, PYTHONCOERCECLOCALE="0")
    line = [sys.executable, "-m", "tinykd", "predict", "--model", str(whole[0] / "student")]
    done = subprocess.run(line, env=plain, input=f"{text}\n".encode(), capture_output=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.decode("utf-8"))["text"] == text


def test_no_file_is_opened_in_the_encoding_of_the_locale():
    """Every ``open`` of ours names its encoding, so that no locale can change what is read or written."""
    found = subprocess.run(
        [
            sys.executable,
            "-m",
            "ruff",
            "check",
            "--isolated",
            "--preview",
            "--select",
            "PLW1514",
            str(make.ROOT / "tinykd"),
            str(make.ROOT / "scenarios"),
        ],
        capture_output=True,
        text=True,
    )
    assert found.returncode == 0, found.stdout


def test_paths_with_spaces_and_chinese_characters(forge, room, whole, watched, tmp_path):
    place = tmp_path / "第一课 a b" / "数据 [1] *"
    place.mkdir(parents=True)
    for name in ("base", "corpus"):
        tiny.copy(room / name, place / name)
    out, onnx, database = place / "结果 1", place / "出口", place / "新闻.duckdb"
    done, small, exported, plain, light, stream, alerts = forge.run(
        make.distill(place, out),
        make.compress(place, out, place / "小"),
        ["cli", "export", "--model", out / "student", "--out", onnx],
        ["cli", "predict", "--model", out / "student", "Mara Hope left Jordan for Nice."],
        ["cli", "predict", "--model", onnx, "Mara Hope left Jordan for Nice."],
        [*watched[0], database],
        ["scenarios", "finance", "alerts", "--database", database],
    )
    for step in (done, small, exported, plain, light, stream, alerts):
        assert step["code"] == 0, step["err"]
    for step, model in ((done, out / "student"), (small, place / "小" / "student"), (exported, onnx)):
        (copied,) = (line for line in step["out"].splitlines() if "tinykd " in line)
        assert str(model) in shlex.split(copied), "a line that a shell takes as it stands"
    assert tiny.same_weights(whole[0] / "student", out / "student")
    assert [one["text"] for one in json.loads(plain["out"])["entities"]] == [
        one["text"] for one in json.loads(light["out"])["entities"]
    ]
    assert alerts["out"] == watched[1]
    assert not make.leftovers(place)


def test_a_windows_1252_corpus(forge, room, tmp_path):
    corpus = tiny.copy(room / "corpus", tmp_path / "corpus")
    text = (corpus / "valid.conll").read_text(encoding="utf-8") + "\nZoë B-PER\nwon O\n"
    (corpus / "valid.conll").write_bytes(text.encode("windows-1252"))
    number = text[: text.index("ë")].count("\n") + 1
    (done,) = forge.run(make.distill(tmp_path, tmp_path / "out", "--teacher", room / "base"))
    assert f"valid.conll:{number}: not UTF-8 (byte 0xeb); convert it first, for example: iconv" in make.one_line(done)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("package", "arguments", "says"),
    [
        ("onnxruntime", ["predict", "--model", "{onnx}", "x"], "ONNX Runtime is not installed; run: pip install"),
        (
            "duckdb",
            ["finance", "alerts", "--database", "{file}"],
            "scenarios: duckdb is missing or not made for this machine; run: pip install -r requirements.txt",
        ),
        ("wandb", ["distill", "--report-to", "wandb"], "wandb is not installed; run: pip install wandb"),
    ],
)
def test_a_package_that_is_not_there(forge, room, exported, tmp_path, package, arguments, says):
    file = tmp_path / "file"
    file.write_bytes(b"")
    line = [argument.format(onnx=exported, file=file) for argument in arguments]
    program = "scenarios" if line[0] == "finance" else "cli"
    step = [program, *line] if line[0] != "distill" else [*make.distill(room, tmp_path / "out"), *line[1:]]
    done = forge.run(["without", package], step)[-1]
    assert says in make.one_line(done)
