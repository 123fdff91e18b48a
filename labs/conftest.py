"""Whose work the graders grade: the notebook beside them, or one that is named."""

from pathlib import Path

import pytest
from grading import open_work


def pytest_addoption(parser):
    """Let a teacher grade a notebook that lies elsewhere."""
    parser.addoption("--notebook", type=Path, help="the notebook to grade; by default the one beside the grader")


@pytest.fixture
def work(request):
    """Open the work anew for each test."""
    lab = request.path.parent
    named = request.config.getoption("--notebook")
    places = [named] if named else [lab / f"{lab.name}.ipynb", lab.parent / f"solutions/{lab.name}.py"]
    place = next((place for place in places if place.is_file()), None)
    assert place, f"there is no notebook {places[0]}; say which one with --notebook=FILE"
    return open_work(place)
