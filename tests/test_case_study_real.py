"""The case study on real CoNLL-2003: its parameters cell switched in one line, on a part of the corpus."""

import ast
import os
import shutil
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tinykd import data

ROOT = Path(__file__).resolve().parent.parent
LESSON = ROOT / "notebooks" / "07_case_study_ner.ipynb"
CORPUS = Path(os.environ.get("TINYKD_DATA", "/nowhere")) / "conll2003"
TRAIN, REST = 150, 300  # how many sentences are learnt from; of how many valid and test consist

pytestmark = pytest.mark.skipif(not CORPUS.is_dir(), reason="CoNLL-2003 is not at $TINYKD_DATA/conll2003")


@pytest.fixture
def lesson():
    return nbformat.read(LESSON, as_version=4)


@pytest.fixture
def room(tmp_path, monkeypatch):
    """A folder to run the lesson in, with what it reads beside it. Its corpus is whole in train and short elsewhere."""
    (tmp_path / "notebooks").mkdir()
    shutil.copy(ROOT / "notebooks" / "course.py", tmp_path / "notebooks")
    (tmp_path / "notebooks" / "figures").symlink_to(ROOT / "notebooks" / "figures")
    (tmp_path / "experiments").symlink_to(ROOT / "experiments")
    part = tmp_path / "data" / "conll2003"
    part.mkdir(parents=True)
    (part / "train.txt").symlink_to(CORPUS / "train.txt")
    for split in ("valid", "test"):
        sentences = (CORPUS / f"{split}.txt").read_text(encoding="utf-8").split("\n\n")
        (part / f"{split}.txt").write_text("\n\n".join(sentences[:REST]) + "\n", encoding="utf-8")
    monkeypatch.setenv("TINYKD_DATA", str(part.parent))
    return tmp_path / "notebooks"


def repeated(corpus):
    """How many test sentences stand in train word for word, and of how many."""
    known = {tuple(words) for words in corpus["train"]["tokens"]}
    return sum(tuple(words) in known for words in corpus["test"]["tokens"]), len(corpus["test"])


def test_the_case_study_runs_on_conll2003(lesson, room):
    parameters = next(cell for cell in lesson.cells if "parameters" in cell.metadata.get("tags", []))
    assert parameters.source.startswith("SETUP = recipes.Run(")
    parameters.source = f'SETUP = recipes.Run("conll2003", max_train={TRAIN})'
    NotebookClient(lesson, timeout=1500, kernel_name="python3", resources={"metadata": {"path": room}}).execute()
    text = str([cell.get("outputs") for cell in lesson.cells])
    assert "'output_type': 'error'" not in text and "conll2003" in str(list((room.parent / "runs").iterdir()))


def test_the_case_study_counts_right_in_the_whole_of_conll2003(lesson):
    source = next(cell.source for cell in lesson.cells if "REPEATED, TEST_SENTENCES =" in cell.source)
    assignment = next(line for line in ast.parse(source).body if "REPEATED" in ast.unparse(line))
    assert repeated(data.load("conll2003")) == ast.literal_eval(assignment.value)
