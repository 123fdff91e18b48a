"""The case study on real CoNLL-2003: its parameters cell switched in one line, on a part of the corpus."""

import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parent.parent
LESSON = ROOT / "notebooks" / "06_case_study_ner.ipynb"
CORPUS = Path(os.environ.get("TINYKD_DATA", "/nowhere")) / "conll2003"


@pytest.mark.skipif(not CORPUS.is_dir(), reason="CoNLL-2003 is not at $TINYKD_DATA/conll2003")
def test_the_case_study_runs_on_conll2003():
    notebook = nbformat.read(LESSON, as_version=4)
    parameters = next(cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", []))
    assert 'CORPUS = "newswire"' in parameters.source
    parameters.source = 'CORPUS = "conll2003"\nMAX_TRAIN = 800'
    NotebookClient(
        notebook, timeout=1500, kernel_name="python3", resources={"metadata": {"path": LESSON.parent}}
    ).execute()
    text = str([cell.get("outputs") for cell in notebook.cells])
    assert "'output_type': 'error'" not in text
