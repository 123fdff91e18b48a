"""Run every lesson top to bottom in a clean kernel and keep its outputs in the file.

python tools/run_notebooks.py [--fresh] [NOTEBOOK ...]
python tools/run_notebooks.py --together

With ``--fresh`` a lesson runs alone in a copy of this repository that holds no trained model, as on a reader's first
day. Its time goes to ``notebooks/minutes.json`` and into its own text, between ``<!-- minutes -->`` and
``<!-- /minutes -->``.

``--together`` checks all lessons as ``make test`` does, two at a time, each on one core, in one such copy, where a
lesson finds what another one trained. It keeps no outputs and records the time on the clock.
"""

import argparse
import contextlib
import json
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import filelock
import nbformat
from nbclient import NotebookClient

from tinykd.artifacts import write_json
from tinykd.recipes import processor

ROOT = Path(__file__).resolve().parent.parent
MINUTES = ROOT / "notebooks" / "minutes.json"
NOT_COPIED = shutil.ignore_patterns("runs", "_build", "build", "dist", ".*", "__pycache__", "*.egg-info")
MARKED = re.compile(r"(<!-- minutes -->).*?(<!-- /minutes -->)", re.DOTALL)
WORDS = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")


def run(path: Path, folder: Path | None = None) -> dict[str, float]:
    """Execute one notebook and write it back.

    Args:
        folder: where its kernel starts; the notebook's own folder by default.

    Returns:
        ``seconds`` that it takes at most where nothing else runs: those on the clock, or, if less, its own work. (On a
        busy machine the clock goes on while a lesson waits for its turn.) And both figures, ``clock_seconds`` and
        ``processor_seconds``, the work of all cores together.
    """
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
            cell.metadata.pop("execution", None)
    start, before = time.perf_counter(), os.times()
    client = NotebookClient(
        notebook,
        timeout=1800,
        kernel_name="python3",
        coalesce_streams=True,
        resources={"metadata": {"path": folder or path.parent}},
    )
    client.execute(env=os.environ | {"TQDM_DISABLE": "1"})  # a bar's outputs differ at every run
    seconds, after = time.perf_counter() - start, os.times()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # time stamps would change the file at every run
        for output in cell.get("outputs", []):  # a widget is dead without its kernel; its HTML is kept
            output.get("data", {}).pop("application/vnd.jupyter.widget-view+json", None)
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    nbformat.write(notebook, path)
    busy = sum(getattr(after, kind) - getattr(before, kind) for kind in ("children_user", "children_system"))
    least = min(seconds, busy or seconds)  # some systems do not tell how busy a process was
    return {"seconds": round(least, 1), "clock_seconds": round(seconds, 1), "processor_seconds": round(busy, 1)}


@contextlib.contextmanager
def fresh_copy() -> Iterator[Path]:
    """A copy of the repository without any trained model, gone afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "tinykd"
        shutil.copytree(ROOT, copy, ignore=NOT_COPIED)
        yield copy


def run_fresh(path: Path) -> dict[str, float]:
    """Execute one notebook in a copy of the repository without any trained model, and record what it took."""
    with fresh_copy() as copy:
        took = run(path, copy / "notebooks")
    record(path.stem, took)
    write_in(path, took["seconds"])
    return took


def run_together(notebooks: Path = ROOT / "notebooks") -> dict[str, float]:
    """Check all lessons in one copy without any trained model, two at a time, and record the time on the clock.

    Raises:
        subprocess.CalledProcessError: a lesson fails.
    """
    with fresh_copy() as copy:
        if notebooks != ROOT / "notebooks":
            shutil.rmtree(copy / "notebooks")
            shutil.copytree(notebooks, copy / "notebooks")
        # tests/conftest.py has no tests, but the order of the lessons
        pairs = ["--numprocesses", "2", "--dist", "loadfile", "--no-loadscope-reorder"]
        start = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "pytest", "--quiet", *pairs, "--nbval", "tests/conftest.py", "notebooks"],
            cwd=copy,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            check=True,
        )
        took = {"clock_seconds": round(time.perf_counter() - start, 1), "cores": 2}
    record("together", took)
    return took


def record(lesson: str, took: dict[str, float], file: Path = MINUTES) -> None:
    """Put the time of a lesson, or of all together, with the processor that it was measured on, beside the others."""
    with filelock.FileLock(Path(tempfile.gettempdir()) / "tinykd-minutes.lock"):
        known = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
        machine = {"processor": processor(), "cores": cores(), "date": date.today().isoformat()}
        write_json(file, dict(sorted((known | {lesson: machine | took}).items())))


def cores() -> int:
    """Return how many cores a lesson may use at once."""
    return int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count())


def write_in(path: Path, seconds: float) -> None:
    """Write a lesson's time between its marks; a lesson without marks stays as it is."""
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = MARKED.sub(rf"\g<1>{spoken(seconds)}\g<2>", cell.source)
    nbformat.write(notebook, path)


def spoken(seconds: float) -> str:
    """Return a time as one says it, rounded up.

    >>> spoken(12), spoken(50), spoken(61)
    ('half a minute', 'a minute', 'two minutes')
    """
    if seconds <= 30:
        return "half a minute"
    minutes = math.ceil(seconds / 60)
    if minutes == 1:
        return "a minute"
    return f"{WORDS[minutes - 2] if minutes <= 12 else minutes} minutes"


def main() -> None:
    """Run the notebooks named on the command line, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("notebooks", nargs="*", type=Path, metavar="NOTEBOOK")
    parser.add_argument("--fresh", action="store_true", help="without any trained model, and record the time")
    parser.add_argument("--together", action="store_true", help="check all, two at a time, and record the time")
    options = parser.parse_args()
    if options.together:
        print(f"together: {run_together()['clock_seconds']:.0f} s")
        return
    for path in options.notebooks or sorted((ROOT / "notebooks").glob("*.ipynb")):
        print(f"{path.name}: ", end="", flush=True)
        took = (run_fresh if options.fresh else run)(path)
        print(f"{took['seconds']:.0f} s")


if __name__ == "__main__":
    main()
