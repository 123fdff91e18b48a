"""What the lessons share: dials that move with a kernel and without one."""

import html
import importlib.util
import json
import logging
import re
import sys
from pathlib import Path

import pytest
from matplotlib.figure import Figure

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def course():
    spec = importlib.util.spec_from_file_location("course", ROOT / "notebooks" / "course.py")
    logger = logging.getLogger("tinykd")
    level, path = logger.level, sys.path[:]
    spec.loader.exec_module(module := importlib.util.module_from_spec(spec))
    logger.setLevel(level)  # lessons are quiet; the tests of the log are not
    sys.path[:] = path
    return module


def test_a_dial_holds_every_position_and_begins_in_the_middle(course):
    dial = course.Dial(lambda a, b: f"{a} < {b}", a=(1, 2, 3), b=("x", "y"))
    page = dial.html()
    assert list(dial.pages) == [(1, "x"), (1, "y"), (2, "x"), (2, "y"), (3, "x"), (3, "y")]
    assert '<div class="dial-view" aria-live="polite"><pre>2 &lt; y</pre></div>' in page
    told = re.search(r'<script type="application/json">(.*?)</script>', page, re.DOTALL)[1]
    assert json.loads(told) == list(dial.pages.values())
    values = re.findall(r"data-values='(.*?)'", page)
    assert [json.loads(html.unescape(value)) for value in values] == [["1", "2", "3"], ["x", "y"]]


def test_a_dials_figure_is_told_to_those_who_do_not_see_it(course):
    dial = course.Dial(lambda size: Figure(figsize=(size, 1)), 'a "blank" sheet', size=(1, 2))
    assert all('alt="a &quot;blank&quot; sheet"' in page for page in dial.pages.values())
    assert 'style="width: 144px"' in dial.pages[2,]


def test_a_dial_turns_its_widget(course):
    dial = course.Dial(lambda n: str(n), n=(1, 2, 3))
    slider, view = dial.widgets().children
    assert view.value == "<pre>2</pre>"
    slider.value = 3
    assert view.value == "<pre>3</pre>"
    assert {"text/html", "application/vnd.jupyter.widget-view+json"} <= set(dial._repr_mimebundle_())
