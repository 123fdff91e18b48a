"""What can be recommended: items with a title, categories, a year, a text. Taught in lesson 15."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tinykd.data.readers import read_text
from tinykd.errors import DataError


class Item(NamedTuple):
    """One item. Only its id and its title must be there; the text may be as long as it likes, in any script."""

    id: str
    title: str
    categories: tuple[str, ...] = ()
    year: int | None = None
    text: str = ""


def catalogue(rows: Iterable[dict], where: str = "the catalogue") -> list[Item]:
    """Check items, in their order.

    Args:
        rows: ``item`` and ``title``; ``categories``, ``year`` and ``text`` if they have them.
        where: what to call their source in an error, as in ``films.jsonl``.

    Raises:
        DataError: an id twice, no id or title, a field of another kind (the row is named); no item at all.
    """
    found: dict[str, Item] = {}
    for number, row in enumerate(rows, 1):
        place = f"{where}:{row.get('line', number)}"
        item = _item(row, place)
        if item.id in found:
            raise DataError(f"{place}: there is an item {item.id!r} already, {found[item.id].title!r}")
        found[item.id] = item
    if not found:
        raise DataError(f"{where} is empty: there is nothing to recommend")
    return list(found.values())


def read_rows(path: Path) -> list[dict]:
    """Read a file of JSON lines, one object a line; ``line`` is added, the number of the line.

    Raises:
        DataError: names file and line.
    """
    rows = []
    for number, line in enumerate(read_text(Path(path)).split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{path}:{number}: not JSON ({error})") from None
        if not isinstance(row, dict):
            raise DataError(f'{path}:{number}: expected an object, as in {{"item": "b001", …}}, not {line[:40]!r}')
        rows.append(row | {"line": number})
    return rows


def describe(item: Item) -> str:
    """Return what a model reads of an item: title, year, categories, text.

    >>> describe(Item("b1", "Low Water", ("crime",), 2014, "The tide uncovers a causeway."))
    'Low Water (2014). crime. The tide uncovers a causeway.'
    """
    year = f" ({item.year})" if item.year is not None else ""
    parts = [f"{item.title}{year}", ", ".join(item.categories), item.text]
    return _readable(". ".join(part for part in parts if part))


def multi_hot(items: list[Item]) -> np.ndarray:
    """Return (items, categories) float32: the categories of each item as a row of length 1, or of zeros."""
    names = {name: place for place, name in enumerate(sorted({name for item in items for name in item.categories}))}
    rows = np.zeros((len(items), max(1, len(names))), np.float32)
    for row, item in zip(rows, items, strict=True):
        row[[names[name] for name in item.categories]] = 1
    return rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), 1e-9)


def _item(row: dict, where: str) -> Item:
    for name in ("item", "title"):
        if not isinstance(row.get(name), str) or not row[name].strip():
            raise DataError(f"{where}: {name} must be text, at least one character; found {row.get(name)!r}")
    given = {"categories": (), "text": ""} | {name: value for name, value in row.items() if value is not None}
    categories, year, text = given["categories"], given.get("year"), given["text"]
    if not isinstance(categories, list | tuple) or not all(isinstance(name, str) for name in categories):
        raise DataError(f"{where}: categories must be a list of words, not {categories!r}")
    if year is not None and (isinstance(year, bool) or not isinstance(year, int)):
        raise DataError(f"{where}: year must be a whole number or missing, not {year!r}")
    if not isinstance(text, str):
        raise DataError(f"{where}: text must be text, not {text!r}")
    names = tuple(dict.fromkeys(map(_readable, categories)))
    return Item(_readable(row["item"]), _readable(row["title"]), names, year, _readable(text))


def _readable(text: str) -> str:
    """No half characters, which no tokenizer takes and no file."""
    return text.encode("utf-8", "replace").decode()
