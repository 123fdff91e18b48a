"""The block format of the scenarios' files: a headline ``## name``, then lines that belong to it.

::

    ## login_problem
    The e-mail for a new password never comes

    ## deals | positive
    Quillon Parcels :: Quillon buys a rival for less than its own cash

Blank lines do not count. ``messages.txt`` and ``headlines.txt`` are the corpora *support* and *finance*: :func:`splits`
divides them, and ``tools/split_corpora.py`` writes the splits into the package. Taught in lesson 13.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, TypeVar

from tinykd.data.readers import read_text
from tinykd.errors import DataError

OUT_OF_SCOPE = "out_of_scope"  #: the block of messages that no intent fits; no model is trained on them
SHARES = {"train": 0.60, "valid": 0.15, "test": 0.25}
Row = TypeVar("Row")


class Line(NamedTuple):
    """A line and where it stands, counted from 1."""

    text: str
    number: int


class Block(NamedTuple):
    """What stands behind ``##``, the number of that line, and the lines below."""

    name: str
    number: int
    lines: list[Line]


def read(path: Path) -> list[Block]:
    """Read a file of blocks.

    Raises:
        DataError: names file and line: text above the first headline, a headline twice, or one with nothing below it.
    """
    blocks: dict[str, Block] = {}
    name = None
    for number, line in enumerate(read_text(Path(path)).split("\n"), 1):
        line = line.strip()
        if line.startswith("##"):
            name = line[2:].strip()
            if not name:
                raise DataError(f"{path}:{number}: a headline without a name; write '## name'")
            if name in blocks:
                raise DataError(f"{path}:{number}: {name!r} has its headline in line {blocks[name].number} already")
            blocks[name] = Block(name, number, [])
        elif line and name is None:
            raise DataError(f"{path}:{number}: a block opens with '## name', not with {line[:40]!r}")
        elif line:
            blocks[name].lines.append(Line(line, number))
    if empty := next((block for block in blocks.values() if not block.lines), None):
        raise DataError(f"{path}:{empty.number}: nothing stands under {empty.name!r}")
    if not blocks:
        raise DataError(f"{path}: the file holds no block")
    return list(blocks.values())


def messages(path: Path) -> Iterator[dict]:
    """Yield ``{text, label, line}`` of ``messages.txt``: the block's name is the label, ``out_of_scope`` among them."""
    for block in read(path):
        for line in block.lines:
            yield {"text": line.text, "label": block.name, "line": line.number}


def headlines(path: Path) -> Iterator[dict]:
    """Yield ``{text, label, topic, entity, line}`` of ``headlines.txt``: ``## topic | sentiment``, ``entity :: text``.

    Raises:
        DataError: a headline or a line of another form.
    """
    for block in read(path):
        topic, _, sentiment = (part.strip() for part in block.name.partition("|"))
        if not (topic and sentiment):
            raise DataError(f"{path}:{block.number}: expected '## topic | sentiment', not {block.name!r}")
        for line in block.lines:
            entity, _, text = (part.strip() for part in line.text.partition("::"))
            if not (entity and text):
                raise DataError(f"{path}:{line.number}: expected 'entity :: text', not {line.text[:40]!r}")
            yield {"text": text, "label": sentiment, "topic": topic, "entity": entity, "line": line.number}


FILES = {"messages.txt": messages, "headlines.txt": headlines}  #: a corpus of blocks → its reader


def splits(path: Path) -> dict[str, list[dict]]:
    """Return the rows of a corpus of blocks by split: 60, 15 and 25 percent of every block, the same on every machine.

    Inside a block the rows are put in the order of the SHA-256 of their texts before they are divided, because authors
    write their best lines first. Out-of-scope messages are left out.

    Args:
        path: ``messages.txt`` or ``headlines.txt``.

    Raises:
        DataError: names file and line.
    """
    groups: dict[tuple, list[dict]] = {}
    for row in FILES[path.name](path):
        if row["label"] != OUT_OF_SCOPE:
            groups.setdefault((row.get("topic"), row["label"]), []).append(row)
    if not groups:
        raise DataError(f"{path}: nothing but {OUT_OF_SCOPE}; there is no label to learn")
    parts: dict[str, list[dict]] = {split: [] for split in SHARES}
    for (_, label), group in groups.items():
        divided = divide(group, SHARES)
        if not all(divided.values()):
            raise DataError(f"{path}:{group[0]['line']}: {len(group)} lines of {label!r} are too few for three splits")
        for split, part in divided.items():
            parts[split] += part
    return parts


def divide(rows: list[Row], shares: dict[str, float]) -> dict[str, list[Row]]:
    """Divide rows in these shares, in the order of the SHA-256 of their ``text``; each part keeps the file's order.

    Args:
        rows: dicts with a ``text``, or plain strings.
        shares: part → share; taken relative to their sum.
    """
    texts = [row if isinstance(row, str) else row["text"] for row in rows]
    order = sorted(range(len(rows)), key=lambda i: hashlib.sha256(texts[i].encode()).digest())
    parts, start, done = {}, 0, 0.0
    for name, share in shares.items():
        done += share
        end = round(len(rows) * done / sum(shares.values()))
        parts[name] = [rows[i] for i in sorted(order[start:end])]
        start = end
    return parts
