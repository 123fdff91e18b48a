"""What every lesson begins with: quiet libraries, sharp figures, and the way to what is recorded.

Its line stands in the set-up cell of every lesson: ``from course import RUNS, recorded``.
"""

import importlib
import json
import logging
import os
import sys
from pathlib import Path
from types import ModuleType

os.environ["TOKENIZERS_PARALLELISM"] = "false"
# implicit, of lesson 15, asks for it
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import datasets
from IPython import get_ipython
from IPython.display import Markdown
from matplotlib_inline.backend_inline import set_matplotlib_formats

# relative: a printed path is the same on every machine
ROOT = Path(os.path.relpath(Path(__file__).resolve().parent.parent))
RUNS = ROOT / "runs"  #: where the lessons keep what they train

# the scenarios, and the experiments
sys.path[:0] = [str(ROOT), str(ROOT / "experiments")]
datasets.disable_progress_bars()
logging.getLogger("tinykd").setLevel(logging.ERROR)
if shell := get_ipython():
    shell.run_line_magic("matplotlib", "inline")
    set_matplotlib_formats("retina")


def recorded(name: str) -> dict:
    """Return ``experiments/results/NAME.json``: what an experiment recorded. The results page shows all of them."""
    return json.loads(
        (ROOT / "experiments" / "results" / f"{name}.json").read_text(
            encoding="utf-8"
        )
    )


def experiment(name: str) -> ModuleType:
    """Import ``experiments/NAME.py``, for its tables."""
    return importlib.import_module(name)


def scoreboard(*variants: str) -> Markdown:
    """Return rows of the course's scoreboard, as ``experiments/scoreboard.py`` recorded them."""
    return Markdown(
        experiment("scoreboard").table(recorded("scoreboard"), variants)
    )
