"""What every lesson begins with: quiet libraries, sharp figures, and the way to what is recorded.

``from course import RUNS, recorded`` is the first line of a lesson, before torch is imported.
"""

import importlib.util
import json
import logging
import os
import sys
from pathlib import Path
from types import ModuleType

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # implicit, of lesson 13, asks for it

import datasets
from IPython import get_ipython
from matplotlib_inline.backend_inline import set_matplotlib_formats

ROOT = Path(os.path.relpath(Path(__file__).resolve().parent.parent))  # a path that is the same on every machine
RUNS = ROOT / "runs"  #: where the lessons keep what they train

sys.path.insert(0, str(ROOT))  # where the scenarios are
datasets.disable_progress_bars()
logging.getLogger("tinykd").setLevel(logging.ERROR)
if shell := get_ipython():
    shell.run_line_magic("matplotlib", "inline")
    set_matplotlib_formats("retina")


def recorded(name: str) -> dict:
    """Return ``experiments/results/NAME.json``: what an experiment recorded. The results page shows all of them."""
    return json.loads((ROOT / "experiments" / "results" / f"{name}.json").read_text(encoding="utf-8"))


def experiment(name: str) -> ModuleType:
    """Import ``experiments/NAME.py``, for its tables."""
    spec = importlib.util.spec_from_file_location(f"{name}_experiment", ROOT / "experiments" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
