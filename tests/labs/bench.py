"""Take the labs apart: solutions, graders, wrong answers; and run a grader on any of them in this process."""

import importlib.util
import re
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent.parent
LABS = ROOT / "labs"
sys.path.insert(0, str(LABS))  # the graders say: from grading import expect

import grading  # noqa: E402

NAMES = sorted(path.stem for path in (LABS / "solutions").glob("*.py"))


class Wrong(NamedTuple):
    """A seeded wrong answer: of which exercise, the misconception, and the code."""

    lab: str
    exercise: int
    misconception: str
    code: str

    def __str__(self) -> str:
        return f"{self.lab}-{self.exercise}-{self.misconception}"


def tool(name: str):
    """Import a script of ``tools/``."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def solution(lab: str) -> str:
    return (LABS / "solutions" / f"{lab}.py").read_text(encoding="utf-8")


def wrong_answers(lab: str) -> list[Wrong]:
    """Read a file of wrong answers; what stands above the first is put before each."""
    text = (LABS / "wrong" / f"{lab}.py").read_text(encoding="utf-8")
    head, *rest = re.split(r"^# %% exercise (\d+): (.+)\n", text, flags=re.MULTILINE)
    return [Wrong(lab, int(n), name, head + code) for n, name, code in zip(*[iter(rest)] * 3, strict=True)]


def grade(lab: str, *cells: str) -> dict[str, str]:
    """Run all tests of a lab's grader on these cells; return the message of each, empty where it passed."""
    work = grading.Work(lab, list(cells))
    return {name: _message(test, work) for name, test in _tests(lab).items()}


def _message(test, work) -> str:
    try:
        test(work)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


def _tests(lab: str) -> dict:
    file = LABS / lab / f"test_{lab[:2]}.py"
    spec = importlib.util.spec_from_file_location(file.stem, file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return {name: value for name, value in vars(module).items() if name.startswith("test_")}
