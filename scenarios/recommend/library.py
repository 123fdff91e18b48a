"""The embedded library: blocks of items to lend. Taught in lesson 15.

::

    ## b010 | The Colour that Birds See | 2016
    categories: science, nature
    themes: birds
    A blackbird looks at a blackbird and sees something that you have no word for.

A block is an item: its id, title and year, then its categories, then its description in one or more lines. ``themes``
may be missing. They are what a reader would say the item is about. The simulated users know them; a recommender never
sees them.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from scenarios import blocks
from tinykd.errors import DataError

LIBRARY = Path(__file__).parent / "corpus" / "items.txt"
MOST_CATEGORIES = 3


def read(path: Path = LIBRARY) -> Iterator[dict]:
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
            name, colon, rest = line.text.partition(":")
            if not text and colon and name in tags:
                if tags[name]:
                    raise DataError(f"{path}:{line.number}: {item!r} has a second line of {name}; write them in one")
                tags[name] = _tags(path, line, name, rest)
            else:
                text.append(line.text)
        if not 1 <= (count := len(tags["categories"])) <= MOST_CATEGORIES:
            wanted = f"give it 1 to {MOST_CATEGORIES}, as in 'categories: crime, humour'"
            raise DataError(f"{path}:{block.number}: {item!r} has {count} categories; {wanted}")
        if not text:
            raise DataError(f"{path}:{block.number}: {item!r} has no description")
        yield {"item": item, "title": title, "year": year, **tags, "text": " ".join(text), "line": block.number}


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
