"""The reference: docstrings room by room, linked with the lessons in both directions.

A docstring names the lesson that teaches it; that becomes a link. What a lesson calls is read off its code cells, and
stands at its end, in the table of all lessons, and under each function.
"""

import ast
import importlib
import inspect
import json
import pkgutil
import re
import sys
from functools import cache
from pathlib import Path

from docutils import nodes
from sphinx import addnodes

VALUE = 100  #: characters of a constant's value that the reference shows
ROOT = Path(__file__).resolve().parents[3]
OURS = ("tinykd", "scenarios")  #: the package, and the applications that stand beside it
sys.path.append(str(ROOT))  # these are not installed
_LESSON = re.compile(r"(?<![`/\w])([Ll]essons?) (\d\d)(?: and (\d\d))?(?!\w)")


@cache
def lessons() -> dict[str, str]:
    """Return number → page of the lessons in ``_toc.yml``: ``{"02": "notebooks/02_mathematics"}``."""
    contents = (ROOT / "_toc.yml").read_text(encoding="utf-8")
    return {page[10:12]: page for page in re.findall(r"notebooks/\d\d_\w+", contents)}


def room(*names: str) -> str:
    """Return the reference of some modules and packages: every documented name, with its signature.

    The name ``rest`` stands for the modules that no page of the reference names.
    """
    if "rest" in names:
        pages = " ".join(path.read_text(encoding="utf-8") for path in (ROOT / "book" / "api").glob("*.md"))
        known = set(re.findall(r"tinykd\.\w+", " ".join(re.findall(r"<!-- tinykd: room (.*?) -->", pages))))
        rest = [name for name in modules("tinykd")[1:] if name.count(".") == 1 and name not in known]
        names = (*(name for name in names if name != "rest"), *rest)
    return "\n".join(_one(module) for name in names for module in modules(name))


def modules(name: str) -> list[str]:
    """Return a module's name; for a package also those of its public modules, in alphabetical order."""
    path = getattr(importlib.import_module(name), "__path__", None)
    inner = sorted(module.name for module in pkgutil.iter_modules(path) if module.name[0] != "_") if path else []
    return [name, *(found for module in inner for found in modules(f"{name}.{module}"))]


def _one(name: str) -> str:
    module = importlib.import_module(name)
    text = [f"## `{name}`", ""]
    exported = [public for public in vars(module) if not public.startswith("_") and where(getattr(module, public))]
    moved = {public: where(getattr(module, public)) for public in exported}
    moved = {public: place for public, place in moved.items() if place.rsplit(".", 1)[0] != name}
    if hasattr(module, "__path__") and moved:
        links = ", ".join(_to(moved[public], public) for public in sorted(moved, key=str.lower))
        text += [f"`{name.rpartition('.')[2]}.` offers {links}.", ""]
    rest = ["   :members:", "   :member-order: bysource", "   :ignore-module-all:"]
    return "\n".join([*text, "```{eval-rst}", f".. automodule:: {name}", *rest, "```", ""])


def _to(place: str, text: str) -> str:
    return f"{{py:obj}}`{text} <{place}>`"


def where(thing: object) -> str:
    """Return where a function or class of ours is defined, ``tinykd.losses.prediction.kd_loss``; else ``""``."""
    if (inspect.isfunction(thing) or inspect.isclass(thing)) and (thing.__module__ or "").split(".")[0] in OURS:
        return f"{thing.__module__}.{thing.__qualname__}"
    return ""


def link(app, what: str, name: str, thing: object, options: dict, lines: list[str]) -> None:
    """Turn "lesson 05" in a docstring into a link, and say which lessons call it.

    Runs before napoleon, which would take "what a point: …" after ``#:`` or ``Returns:`` for a type; a colon in front
    tells it that there is none.
    """
    if what in ("attribute", "data", "property") and lines:
        lines[0] = f": {lines[0]}"
    for i, line in enumerate(lines[:-1]):
        if line.strip() == "Returns:":
            lines[i + 1] = re.sub(r"^(\s*)(?=\S)", r"\1: ", lines[i + 1])
    lines[:] = _LESSON.sub(_linked, "\n".join(lines)).split("\n")
    callers = [number for number, page in lessons().items() if name in called(page)]
    if callers and what in ("function", "class"):
        lines += ["", "Called in " + _and([_doc(number, f"lesson {number}") for number in callers]) + ".", ""]


def skip(app, what: str, name: str, thing: object, skipped: bool, options: dict) -> bool | None:
    """Leave out the fields of a named tuple, of which Python says no more than "Alias for field number 0"."""
    return True if (getattr(thing, "__doc__", None) or "").startswith("Alias for field number") else None


def brief(app, domain: str, kind: str, content: nodes.Element) -> None:
    """Leave out the value of a constant where it is longer than a line: it would fill half the page."""
    for signature in content.parent.findall(addnodes.desc_signature) if kind in ("data", "attribute") else ():
        for value in list(signature.findall(addnodes.desc_annotation)):
            if value.astext().startswith(" = ") and len(value.astext()) > VALUE:
                value.replace_self(addnodes.desc_annotation("", " = …"))


def resolve(app, env, node, text):
    """Follow a name that a package offers, as ``tinykd.fusion.choose``, to the module that defines it."""
    target = node.get("reftarget", "")
    package, *names = target.split(".")
    if node.get("refdomain") != "py" or package not in OURS or not names:
        return None
    thing = importlib.import_module(package)
    try:
        for i, name in enumerate(names):
            if not hasattr(thing, name) and inspect.ismodule(thing):
                importlib.import_module(".".join([package, *names[: i + 1]]))
            thing = getattr(thing, name)
    except (ImportError, AttributeError):
        return None  # Sphinx warns, and the build fails
    place = where(thing)
    if not place:  # a type variable, a constant: it has no entry, and says what it is
        return text
    return env.get_domain("py").resolve_xref(env, node["refdoc"], app.builder, "obj", place, node, text)


def _linked(found: re.Match) -> str:
    word, first, second = found.groups()
    text = _doc(first, f"{word} {first}")
    return f"{text} and {_doc(second, second)}" if second else text


def _doc(number: str, text: str) -> str:
    return f":doc:`{text} </{lessons()[number]}>`" if number in lessons() else text


def _and(words: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


@cache
def called(page: str) -> dict[str, str]:
    """Return what the code of a lesson calls or shows: where it is defined → as the lesson writes it."""
    cells = json.loads((ROOT / f"{page}.ipynb").read_text(encoding="utf-8"))["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    tree = ast.parse("\n".join(re.sub(r"^\s*[%!].*$", "", cell, flags=re.MULTILINE) for cell in code))
    names: dict[str, object] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in OURS:
            for alias in node.names:
                names[alias.asname or alias.name] = _imported(node.module, alias.name)
        elif isinstance(node, ast.Import) and any(alias.name == "tinykd" for alias in node.names):
            names["tinykd"] = importlib.import_module("tinykd")
    found = {}
    for node in ast.walk(tree):
        written = ast.unparse(node) if isinstance(node, (ast.Attribute, ast.Name)) else ""
        first, *rest = written.split(".")
        if first in names and all(part.isidentifier() for part in rest):
            thing = names[first]
            for part in rest:
                thing = getattr(thing, part, None)
            if where(thing) and not re.search(r"[.<]_|<locals>", where(thing)):
                found[where(thing)] = written
    return dict(sorted(found.items()))


def _imported(module: str, name: str) -> object:
    found = importlib.import_module(module)
    return getattr(found, name) if hasattr(found, name) else importlib.import_module(f"{module}.{name}")


def teaches(number: str) -> list[str]:
    """Return the modules whose first lines say that they are taught in this lesson."""
    found = []
    for name in [module for package in OURS for module in modules(package)]:
        text = " ".join((inspect.getdoc(importlib.import_module(name)) or "").split())
        if any(number in numbers.groups() for numbers in _LESSON.finditer(text)):
            found.append(name)
    return found


def calls(page: str) -> str:
    """Return the last section of a lesson: which modules it teaches, and which functions it calls."""
    names = called(page)
    taught = [f"{{py:mod}}`{name}`" for name in teaches(page.removeprefix("notebooks/")[:2])]
    functions = [_to(place, written) for place, written in names.items()]
    text = ["## In the reference", ""]
    if taught:
        text += [f"This lesson teaches {_and(taught)}.", ""]
    if functions:
        text += [f"It calls {_and(functions)}.", ""]
    return "\n".join([*text, "[All lessons and what they call](../book/api/index.md)"])


def table(*_: str) -> str:
    """Return the table of the lessons: what each teaches and calls."""
    rows = ["```{list-table} What each lesson teaches, and the functions that it calls", ":header-rows: 1", ""]
    rows += ["* - lesson", "  - teaches", "  - calls"]
    for number, page in lessons().items():
        taught = ", ".join(f"{{py:mod}}`{name.removeprefix('tinykd.')} <{name}>`" for name in teaches(number))
        functions = ", ".join(_to(place, written) for place, written in called(page).items())
        rows += [f"* - [{number}](/{page}.ipynb)", f"  - {taught or '—'}", f"  - {functions or '—'}"]
    return "\n".join([*rows, "```"])
