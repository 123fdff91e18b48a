"""The catalogue of *recommend*: blocks of items to lend, sell or show. Taught in lesson 13.

::

    ## b010 | The Colour that Birds See | 2016
    categories: science, nature
    themes: birds
    A blackbird looks at a blackbird and sees something that you have no word for.

A block is an item: its id, title and year, then its categories, then its description in one or more lines. ``themes``
may be missing. They are what a reader would say the item is about. The simulated users know them; :func:`catalogue`
leaves them out, so no recommender sees them.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from datasets import Dataset, Features, List, Value

from tinykd.data import blocks
from tinykd.errors import DataError

FILE = "items.txt"  #: what makes a folder a catalogue
SPLIT = "items"  #: the one split of a catalogue
MOST_CATEGORIES = 3
FEATURES = Features(
    {
        "item": Value("string"),
        "title": Value("string"),
        "categories": List(Value("string")),
        "year": Value("int32"),
        "text": Value("string"),
    }
)


def read(path: Path) -> Iterator[dict]:
    """Yield ``{item, title, year, categories, themes, text, line}`` for each item of a catalogue, in the file's order.

    Raises:
        DataError: names file and line.
    """
    lines: dict[str, int] = {}
    for block in blocks.read(path):
        item, title, year = _headline(path, block)
        if item in lines:
            raise DataError(f"{path}:{block.number}: item {item!r} stands in line {lines[item]} already")
        lines[item] = block.number
        tags: dict[str, list[str]] = {"categories": [], "themes": []}
        text = []
        for line in block.lines:
            name, found, rest = line.text.partition(":")
            if not text and found and name in tags:
                if tags[name]:
                    raise DataError(f"{path}:{line.number}: {item!r} has a second line of {name}; write them in one")
                tags[name] = _tags(path, line, name, rest)
            else:
                text.append(line.text)
        if not 1 <= len(tags["categories"]) <= MOST_CATEGORIES:
            raise DataError(
                f"{path}:{block.number}: {item!r} has {len(tags['categories'])} categories; give it 1 to "
                f"{MOST_CATEGORIES}, as in 'categories: crime, humour'"
            )
        if not text:
            raise DataError(f"{path}:{block.number}: {item!r} has no description")
        yield {"item": item, "title": title, "year": year, **tags, "text": " ".join(text), "line": block.number}


def catalogue(folder: Path) -> Dataset:
    """Return the items of ``items.txt`` with the columns item, title, categories (list), year and text.

    Raises:
        DataError: names file and line.
    """
    rows = list(read(Path(folder) / FILE))
    return Dataset.from_dict({name: [row[name] for row in rows] for name in FEATURES}, features=FEATURES)


def themes(folder: Path) -> dict[str, list[str]]:
    """Return item → what its text is about. For simulated users and for measuring, never for a recommender.

    Raises:
        DataError: names file and line.
    """
    return {row["item"]: row["themes"] for row in read(Path(folder) / FILE)}


def _headline(path: Path, block: blocks.Block) -> tuple[str, str, int]:
    parts = [part.strip() for part in block.name.split("|")]
    if len(parts) != 3 or not all(parts) or not re.fullmatch(r"[0-9]{4}", parts[2]):
        raise DataError(f"{path}:{block.number}: expected '## id | title | year', not {block.name[:60]!r}")
    return parts[0], parts[1], int(parts[2])


def _tags(path: Path, line: blocks.Line, name: str, rest: str) -> list[str]:
    tags = [tag.strip() for tag in rest.split(",")]
    if not all(tags) or len(set(tags)) < len(tags):
        raise DataError(f"{path}:{line.number}: {name} are words between commas, each once, not {rest.strip()[:40]!r}")
    return tags
