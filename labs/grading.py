"""What the graders share: read a student's functions, compare a result, name the misconception behind a wrong one."""

import ast
import json
import linecache
from pathlib import Path
from typing import Any

import numpy as np

KEPT = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)


class Work:
    """The functions that a student's notebook defines, by name."""

    def __init__(self, name: str, cells: list[str]):
        self.__name, self.__names = name, {}
        for number, cell in enumerate(cells, 1):
            define(cell, self.__names, f"{name}, code cell {number}")

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__names[name]
        except KeyError:
            raise AssertionError(f"{self.__name} defines no {name}. Is the notebook saved?") from None


def open_work(path: Path) -> Work:
    """Read a notebook, or a ``.py`` file, which counts as one cell."""
    text = Path(path).read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        cells = ["".join(cell["source"]) for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
    else:
        cells = [text]
    return Work(Path(path).name, cells)


def define(code: str, names: dict[str, Any], where: str) -> None:
    """Run the imports and definitions of a cell, and nothing else of it: a student's trials cost the grader no time.

    Raises:
        AssertionError: the cell is not Python.
    """
    lines = ["" if line.lstrip().startswith(("!", "%")) else line for line in code.split("\n")]
    try:
        tree = ast.parse("\n".join(lines), where)
    except SyntaxError as error:
        raise AssertionError(f"{where}, line {error.lineno}: not Python ({error.msg})") from None
    linecache.cache[where] = (len(code), None, [line + "\n" for line in lines], where)  # so that errors show the line
    tree.body = [part for part in tree.body if isinstance(part, KEPT)]
    exec(compile(tree, where, "exec"), names)


def expect(found: Any, right: Any, misconceptions: dict[str, Any] | None = None, what: str = "the result") -> None:
    """Pass if ``found`` is ``right``; else fail, and name the misconception that would give what was found.

    Args:
        found, right: numbers, arrays, tensors, lists or tuples of these, or anything that can be compared.
        misconceptions: what is given by each, by its name.
        what: what was computed, and of what.

    Raises:
        AssertionError: with the misconception, if it is known, and both values.
    """
    __tracebackhide__ = True  # a student should see the message, not our code
    if same(found, right):
        return
    values = f"{what} is {shown(found)}, and should be {shown(right)}"
    for name, value in (misconceptions or {}).items():
        if same(found, value):
            raise AssertionError(f"{name}: {values}")
    raise AssertionError(values)


def same(found: Any, other: Any) -> bool:
    """Whether two results are equal, numbers up to rounding; a number and a list of one number are not."""
    if isinstance(other, (list, tuple)):
        alike = hasattr(found, "__len__") and len(found) == len(other)
        return alike and all(same(one, two) for one, two in zip(found, other, strict=True))
    found, other = plain(found), plain(other)
    if any(part.dtype.kind not in "biuf" for part in (found, other)):
        return found.shape == other.shape and bool((found == other).all())
    return found.shape == other.shape and bool(np.allclose(found, other, rtol=1e-5, atol=1e-7))


def plain(value: Any) -> np.ndarray:
    """Return a tensor, number, text or array as an array."""
    try:
        return np.asarray(value.detach() if hasattr(value, "detach") else value)
    except ValueError:  # a list of lists of several lengths
        return np.asarray(repr(value))


def shown(value: Any) -> str:
    """Return a result as a student can read it, in three digits."""
    if isinstance(value, (list, tuple)):
        return "(" + ", ".join(shown(part) for part in value) + ")"
    array = plain(value)
    if array.dtype.kind not in "biuf":
        return repr(value)
    return np.array2string(array, precision=3, threshold=40, separator=", ").replace("\n", "\n    ")
