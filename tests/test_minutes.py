"""How long each lesson runs: measured, recorded, and said in the lesson as it was recorded."""

import importlib.util
import json
import re
import subprocess
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parent.parent
LESSONS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("run_notebooks", ROOT / "tools" / "run_notebooks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def lesson(tmp_path):
    """A lesson of two cells: it says how long it takes, and looks for a model of an earlier run."""
    says = nbformat.v4.new_markdown_cell("**It takes** an hour. It runs for <!-- minutes -->ages<!-- /minutes -->.")
    looks = nbformat.v4.new_code_cell(
        "from pathlib import Path\nfound = Path('../runs').exists()\nPath('../runs/new').mkdir(parents=True)\n"
        "print(found, Path('../README.md').exists(), sum(range(3_000_000)) > 0)"
    )
    path = tmp_path / "99_lesson.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[says, looks]), path)
    return path


def test_a_fresh_run_finds_no_trained_model_and_is_recorded(tool, lesson, tmp_path, monkeypatch):
    recorded = []
    monkeypatch.setattr(tool, "record", lambda name, took: recorded.append((name, took)))
    before = (ROOT / "runs" / "new").exists()
    took = tool.run_fresh(lesson)
    assert recorded == [("99_lesson", took)]
    assert 0 < took["seconds"] == min(took["clock_seconds"], took["processor_seconds"]) < 60
    cells = nbformat.read(lesson, as_version=4).cells
    assert cells[1].outputs[0].text == "False True True\n"
    assert "<!-- minutes -->half a minute<!-- /minutes -->" in cells[0].source
    assert (ROOT / "runs" / "new").exists() == before  # what it trained is gone with the copy


def test_all_together_are_checked_in_one_copy_and_the_clock_is_recorded(tool, lesson, tmp_path, monkeypatch):
    recorded, asked = [], []
    monkeypatch.setattr(tool, "record", lambda name, took: recorded.append((name, took)))
    folder = tmp_path / "notebooks"
    folder.mkdir()
    tool.run(lesson.rename(folder / lesson.name))
    shown = nbformat.read(folder / lesson.name, as_version=4)
    shown.cells[1].outputs[0].text = "another text\n"
    nbformat.write(shown, folder / lesson.name)
    with pytest.raises(subprocess.CalledProcessError):
        tool.run_together(folder)
    assert not recorded
    monkeypatch.setattr(tool.subprocess, "run", lambda command, **how: asked.append((command, how)))
    took = tool.run_together(folder)
    assert recorded == [("together", took)] and took["clock_seconds"] >= 0 and took["cores"] == 2
    ((command, how),) = asked
    assert command[-1] == "notebooks" and "--nbval" in command and how["env"]["OMP_NUM_THREADS"] == "1" and how["check"]


def test_a_record_keeps_those_of_the_other_lessons(tool, tmp_path):
    file = tmp_path / "minutes.json"
    tool.record("02_b", {"seconds": 2.0}, file)
    tool.record("01_a", {"seconds": 1.0}, file)
    tool.record("02_b", {"seconds": 3.0}, file)
    found = json.loads(file.read_text(encoding="utf-8"))
    assert list(found) == ["01_a", "02_b"]
    assert found["02_b"]["seconds"] == 3.0 and found["01_a"]["processor"]


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(3, "half a minute"), (31, "a minute"), (60, "a minute"), (61, "two minutes"), (3000, "50 minutes")],
)
def test_minutes_are_rounded_up(tool, seconds, said):
    assert tool.spoken(seconds) == said


def test_every_record_is_of_a_lesson(tool):
    recorded = json.loads(tool.MINUTES.read_text(encoding="utf-8"))
    assert set(recorded) == {path.stem for path in LESSONS} | {"together"}
    del recorded["together"]
    for took in recorded.values():
        assert took["clock_seconds"] >= took["seconds"] > 0 and took["processor"] and took["cores"] > 0 and took["date"]


def test_two_cores_run_all_lessons_in_a_quarter_of_an_hour(tool):
    took = json.loads(tool.MINUTES.read_text(encoding="utf-8"))["together"]
    assert took["cores"] == 2 and took["clock_seconds"] <= 15 * 60


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_a_lesson_says_what_was_recorded(tool, path):
    text = "\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "markdown")
    said = re.findall(r"<!-- minutes -->(.*?)<!-- /minutes -->", text, re.DOTALL)
    recorded = json.loads(tool.MINUTES.read_text(encoding="utf-8"))
    if said:
        assert path.stem in recorded, f"{path.name} was never measured: run_notebooks.py --fresh {path.name}"
        assert set(said) == {tool.spoken(recorded[path.stem]["seconds"])}
