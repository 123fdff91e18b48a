"""What the graders share: read a student's functions, compare a result, name the misconception behind a wrong one."""

import ast
import copy
import functools
import json
import linecache
from collections.abc import Callable
from pathlib import Path
from types import FunctionType
from typing import Any

import numpy as np
from IPython.core.inputtransformer2 import TransformerManager

KEPT = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)


class Work:
    """The functions that a student's notebook defines, by name."""

    def __init__(self, name: str, cells: list[str]):
        self.__name, self.__names, self.__broken, self.__left_out = name, {}, [], set()
        for number, cell in enumerate(cells, 1):
            try:
                self.__left_out |= define(cell, self.__names, f"{name}, code cell {number}")
            except Exception as error:  # a trial that is not finished; told only if something is missing
                self.__broken.append(
                    str(error) if isinstance(error, AssertionError) else f"{name}, code cell {number}: {error}"
                )

    def __getattr__(self, name: str) -> Any:
        try:
            found = self.__names[name]
        except KeyError:
            missing = f"{self.__name} defines no {name}. Is the notebook saved?"
            raise AssertionError("; ".join([missing, *self.__broken])) from None
        return in_words(found, self.__left_out) if isinstance(found, FunctionType) else found


def open_work(path: Path) -> Work:
    """Read a notebook, or a ``.py`` file, which counts as one cell."""
    text = Path(path).read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        cells = ["".join(cell["source"]) for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
    else:
        cells = [text]
    return Work(Path(path).name, cells)


def in_words(function: Callable, left_out: set[str]) -> Callable:
    """Return a student's function that says what every answer can do wrong: names from outside, None, spoilt inputs."""

    @functools.wraps(function)
    def called(*given):
        __tracebackhide__ = True
        before = copy.deepcopy(given)
        try:
            result = function(*given)
        except NameError as error:
            if error.name in left_out:
                raise AssertionError(
                    f"{error.name} stands outside of a function, and the grader takes imports, functions and classes "
                    "alone: put it inside, or write it with def"
                ) from None
            raise
        assert result is not None, f"{function.__name__} returned nothing: is there a return at its end?"
        assert same(given, before), f"what was given to {function.__name__} was changed; leave it, and return a new one"
        return result

    return called


def define(code: str, names: dict[str, Any], where: str) -> set[str]:
    """Run the imports and definitions of a cell, and nothing else of it: a student's trials cost the grader no time.

    Returns:
        the names that are assigned in what was left out.

    Raises:
        AssertionError: the cell is not Python.
    """
    python = "\n" + code.partition("\n")[2] if code.startswith("%%") else code  # %%time, and then Python
    lines = TransformerManager().transform_cell(python).split("\n")  # !, % and ? become calls, which are not run
    try:
        tree = ast.parse("\n".join(lines), where)
    except SyntaxError as error:
        raise AssertionError(f"{where}, line {error.lineno}: not Python ({error.msg})") from None
    linecache.cache[where] = (len(code), None, [line + "\n" for line in lines], where)  # so that errors show the line
    left_out = [part for part in tree.body if not isinstance(part, KEPT)]
    tree.body = [part for part in tree.body if isinstance(part, KEPT)]
    exec(compile(tree, where, "exec"), names)
    every = (node for part in left_out for node in ast.walk(part))
    return {node.id for node in every if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}


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
    pairs = [(shown(found, digits), shown(right, digits)) for digits in (3, 6, 9)]
    mine, theirs = next((pair for pair in pairs if pair[0] != pair[1]), pairs[0])
    values = f"{what} is {mine}, and should be {theirs}"
    for name, value in (misconceptions or {}).items():
        if same(found, value):
            raise AssertionError(f"{name}: {values}")
    raise AssertionError(values)


def expect_gradient(loss: Any, student: Any) -> None:
    """Pass if a gradient of the loss reaches the student's tensor, and is not zero everywhere.

    Raises:
        AssertionError: no tensor, or one that is cut off from the student.
    """
    __tracebackhide__ = True
    if getattr(loss, "requires_grad", False):
        loss.sum().backward()
    learns = student.grad is not None and student.grad.any()
    assert learns, "no gradient reaches the student: the loss is no tensor, or was cut off from it on the way"


def same(found: Any, other: Any) -> bool:
    """Whether two results are equal, numbers up to rounding; a number and a list of one number are not."""
    if isinstance(other, (list, tuple)):
        alike = hasattr(found, "__len__") and getattr(found, "ndim", 1) > 0 and len(found) == len(other)
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


def shown(value: Any, digits: int = 3) -> str:
    """Return a result as a student can read it, in so many digits."""
    if isinstance(value, (list, tuple)):
        return "(" + ", ".join(shown(part, digits) for part in value) + ")"
    array = plain(value)
    if array.dtype.kind not in "biuf":
        return repr(value)
    return np.array2string(
        array, threshold=40, separator=", ", formatter={"float_kind": lambda number: f"{number:.{digits}g}"}
    ).replace("\n", "\n    ")
