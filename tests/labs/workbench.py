"""Run a lab's grader in this process, on the solution, on the stub, on a wrong answer."""

import importlib.util
import sys
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
LABS = ROOT / "labs"
sys.path.append(str(LABS))  # the graders say: from grading import expect

import grading  # noqa: E402


def module(path: Path):
    """Import a file that lies outside of every package."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


build_labs = module(ROOT / "tools" / "build_labs.py")
ALL = {lab.name: lab for lab in build_labs.all_labs()}


@cache
def graders(lab: str) -> dict:
    """Return the tests of a lab's grader, by name."""
    found = module(LABS / lab / f"test_{lab[:2]}.py")
    return {name: value for name, value in vars(found).items() if name.startswith("test_")}


def of_exercise(lab: str, number: int) -> set[str]:
    """Return the names of the tests that grade one exercise."""
    return {name for name in graders(lab) if name.startswith(f"test_exercise_{number}_")}


def grade(lab: str, *cells: str) -> dict[str, str]:
    """Return the message of each test that fails on these cells, by the test's name."""
    work = grading.Work(lab, list(cells))
    messages = {name: _message(test, work) for name, test in graders(lab).items()}
    return {name: message for name, message in messages.items() if message}


def _message(test, work) -> str:
    try:
        test(work)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""
