"""What the site adds to Jupyter Book: generated parts of pages, descriptions, buttons that need an address.

A line ``<!-- tinykd: NAME ARGUMENTS -->`` in a page or a lesson is replaced, before it is read, by what the function of
that name returns as Markdown. Nothing is written into the sources.
"""

import gc
import json
import re

from pybtex.plugin import find_plugin, register_plugin

from . import drawings, front, labs, pages, recorded, reference, weight

GENERATED = {
    "draw": drawings.draw,
    "result": front.result,
    "cards": front.cards,
    "lab": labs.lab,
    "room": reference.room,
    "lessons": reference.table,
    "figure": front.figure,
    "minutes": recorded.minutes,
    "builds": recorded.builds,
    "everyday": recorded.everyday,
}
_PLACE = re.compile(r"^<!-- tinykd: (\w+) ?(.*?) -->$", re.MULTILINE)


def _filled(markdown: str) -> str:
    return _PLACE.sub(lambda found: GENERATED[found[1]](*found[2].split()), markdown)


def read(app, name: str, source: list[str]) -> None:
    """Fill the generated places of a page; end a lesson with the functions that it calls."""
    if name.startswith("notebooks/"):
        notebook = json.loads(source[0])
        captions = ((place, cell["metadata"].get("caption")) for place, cell in enumerate(notebook["cells"]))
        app.env.temp_data["captions"] = {place: text for place, text in captions if text}
        for cell in notebook["cells"]:
            if cell["cell_type"] == "markdown":
                cell["source"] = _filled("".join(cell["source"]))
        notebook["cells"][0]["source"] += f"\n\n{front.try_live(name)}"
        cell = {"cell_type": "markdown", "metadata": {}, "source": reference.calls(name)}
        if notebook["nbformat_minor"] >= 5:
            cell["id"] = "calls"
        notebook["cells"].append(cell)
        source[0] = json.dumps(notebook)
    else:
        source[0] = _filled(source[0])


def remember_plugins() -> None:
    """Register what every citation asks pybtex for; it would look through all installed packages, each time anew."""
    for name in ("docutils", "plaintext"):
        register_plugin("pybtex.backends", name, find_plugin("pybtex.backends", name), force=True)


def setup(app) -> dict:
    """Register with Sphinx."""
    gc.set_threshold(200_000, 20, 100)  # millions of nodes that all stay: looking for garbage takes a sixth of the time
    remember_plugins()
    app.connect("config-inited", pages.buttons)
    app.connect("config-inited", weight.formulas)
    app.connect("source-read", read)
    app.connect("autodoc-process-docstring", reference.link, priority=400)
    app.connect("autodoc-skip-member", reference.skip)
    app.connect("object-description-transform", reference.brief)
    app.connect("missing-reference", reference.resolve)
    app.connect("doctree-read", pages.caption)
    app.connect("doctree-read", pages.sources)
    app.connect("doctree-read", pages.link_terms)
    app.connect("doctree-read", pages.typography)
    app.connect("build-finished", front.pictures)
    app.connect("build-finished", weight.lighten)
    app.connect("build-finished", labs.archive)
    app.connect("html-page-context", pages.describe)
    app.connect("html-page-context", pages.fold, priority=400)  # before the theme makes them its own
    app.connect("html-page-context", pages.mend, priority=900)  # after the theme, which makes the contents
    return {"parallel_read_safe": True, "parallel_write_safe": True}
