"""What every lesson begins with: quiet libraries, sharp figures, and the way to what is recorded.

Its line stands in the set-up cell of every lesson: ``from course import RUNS, recorded``.
"""

import base64
import html
import importlib
import io
import itertools
import json
import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType

os.environ["TOKENIZERS_PARALLELISM"] = "false"
# implicit, of lesson 15, asks for it
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import datasets
import ipywidgets
from IPython import get_ipython
from IPython.display import Markdown
from matplotlib.figure import Figure
from matplotlib_inline.backend_inline import set_matplotlib_formats
from PIL import Image
from tinykd.models import best_precision

# relative: a printed path is the same on every machine
ROOT = Path(os.path.relpath(Path(__file__).resolve().parent.parent))
RUNS = ROOT / "runs"  #: where the lessons keep what they train
#: settings of a training that save time; lesson 03 explains them
FAST = {"speed": True, "precision": best_precision()}

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


def board_f1(variant: str, corpus: str = "newswire") -> list[float]:
    """Return the scoreboard's entity F1 of one variant on a corpus, a value per seed."""
    return [
        row["entity_f1"]
        for run in recorded("scoreboard")[corpus].values()
        for row in run["variants"]
        if row["name"] == variant
    ]


class Dial:
    """Sliders over what a function returns, computed once at every position: widgets in Jupyter, HTML on a page.

    ``book/_static/dial.js`` moves those of a page.

    Args:
        show: returns a figure or a text; its arguments are the sliders.
        alt: what the figure shows, for readers who do not see it.
        positions: the values of each argument; each slider starts at the one in the middle.
    """

    def __init__(
        self,
        show: Callable[..., Figure | str],
        alt: str = "",
        **positions: Sequence,
    ):
        self.positions = positions
        self.pages = {
            at: _page(show(**dict(zip(positions, at, strict=True))), alt)
            for at in itertools.product(*positions.values())
        }

    def widgets(self) -> ipywidgets.VBox:
        """Return the sliders, and below them what they show."""
        view = ipywidgets.HTML()
        sliders = [
            ipywidgets.SelectionSlider(
                options=[(str(value), value) for value in values],
                value=values[len(values) // 2],
                description=name,
            )
            for name, values in self.positions.items()
        ]

        def turn(_=None) -> None:
            view.value = self.pages[tuple(slider.value for slider in sliders)]

        turn()
        for slider in sliders:
            slider.observe(turn, "value")
        return ipywidgets.VBox([*sliders, view])

    def html(self) -> str:
        """Return the same without a kernel."""
        labels, middle = "", []
        for name, values in self.positions.items():
            at, told = len(values) // 2, json.dumps([*map(str, values)])
            middle.append(values[at])
            labels += (
                f'<label>{name} <input type="range" min="0" max="{len(values) - 1}"'
                f" value=\"{at}\" data-values='{html.escape(told)}'>"
                f"<output>{values[at]}</output></label>"
            )
        pages = json.dumps([*self.pages.values()]).replace("</", "<\\/")
        return (
            f'<form class="dial">{labels}<div class="dial-view" aria-live="polite">'
            f'{self.pages[tuple(middle)]}</div><script type="application/json">{pages}</script></form>'
        )

    def _repr_mimebundle_(self, **_) -> dict:
        told = f"dials: {', '.join(self.positions)}"
        also = {"text/plain": told, "text/html": self.html()}
        return self.widgets()._repr_mimebundle_() | also


def _page(shown: Figure | str, alt: str) -> str:
    if isinstance(shown, str):
        return f"<pre>{html.escape(shown)}</pre>"
    drawn, small = io.BytesIO(), io.BytesIO()
    shown.savefig(drawn, dpi=144)
    # few colours: a page holds a dozen of them
    Image.open(drawn).convert("RGB").quantize(48).save(small, "PNG")
    code = base64.b64encode(small.getvalue()).decode()
    width = round(shown.get_figwidth() * 72)
    return f'<img alt="{html.escape(alt)}" style="width: {width}px" src="data:image/png;base64,{code}">'
