"""The inline format of our own corpora: prose with its entities in square brackets.

::

    ## courts-03
    [PER Mara Ilves] left [ORG Orkla]'s board on Tuesday.

``## kind-number`` opens a story, ``#`` starts a comment, a blank line is ignored, every other line is one
sentence. A backslash takes the special meaning from ``[``, ``]``, ``#`` and itself.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from tinykd.errors import DataError
from tinykd.text import words

_STORY = re.compile(r"## ([a-z]+(?:-[a-z]+)*)-(\d+)")
_PIECE = re.compile(r"\\(?P<escaped>[\[\]#\\])|\[(?P<type>[A-Z]+) |(?P<close>\])|(?P<plain>[^\\\[\]]+|.)")


class Span(NamedTuple):
    """An entity: its type and the half-open character range that holds it."""

    type: str
    start: int
    end: int


def parse(line: str) -> tuple[str, list[Span]]:
    """Return the plain text of an inline sentence and its entity spans.

    Raises:
        ValueError: a bracket that does not open, close or hold an entity; says which column.

    >>> parse("[PER Mara Ilves] left.")
    ('Mara Ilves left.', [Span(type='PER', start=0, end=10)])
    """
    text, spans, opened = "", [], None
    for piece in _PIECE.finditer(line):
        at = f"column {piece.start() + 1}"
        if piece["type"]:
            if opened:
                raise ValueError(f"{at}: an entity opens inside another; entities do not nest here")
            opened, opened_at = (piece["type"], len(text)), at
        elif piece["close"]:
            if not opened:
                raise ValueError(f"{at}: ']' closes nothing; write '\\]' for a plain bracket")
            if not text[opened[1] :].strip():
                raise ValueError(f"{at}: the {opened[0]} entity is empty")
            spans.append(Span(*opened, len(text)))
            opened = None
        elif piece["plain"] in ("[", "\\"):
            raise ValueError(f"{at}: {piece['plain']!r} stands alone; expected '[TYPE words]' or a backslash before it")
        else:
            text += piece["escaped"] or piece["plain"]
    if opened:
        raise ValueError(f"{opened_at}: the {opened[0]} entity {text[opened[1] :][:30]!r} is never closed")
    return text, spans


def format(text: str, spans: list[Span]) -> str:
    """Write ``text`` with its ``spans`` in the inline format; ``parse`` undoes it."""
    line, at = "", 0
    for type_, start, end in sorted(spans, key=lambda s: s.start):
        line += f"{_escape(text[at:start])}[{type_} {_escape(text[start:end])}]"
        at = end
    line += _escape(text[at:])
    return re.sub(r"^(\s*)#", r"\1\\#", line)


def tag(text: str, spans: list[Span]) -> tuple[list[str], list[str]]:
    """Split ``text`` into words and give each its IOB2 tag.

    Raises:
        ValueError: an entity begins or ends inside a word.
    """
    found = words(text)
    tags = ["O"] * len(found)
    starts = {w.start: i for i, w in enumerate(found)}
    ends = {w.end: i for i, w in enumerate(found)}
    for type_, start, end in spans:
        if start not in starts or end not in ends:
            raise ValueError(f"the {type_} entity {text[start:end]!r} begins or ends inside a word")
        first, last = starts[start], ends[end]
        tags[first : last + 1] = [f"B-{type_}"] + [f"I-{type_}"] * (last - first)
    return [w.text for w in found], tags


def is_inline(lines: Iterable[str]) -> bool:
    """Whether a ``.txt`` file is inline prose and not CoNLL columns: a story header or a marked entity is in it."""
    return any(_STORY.fullmatch(line.strip()) or re.search(r"(?<!\\)\[[A-Z]+ [^\]]+\]", line) for line in lines)


def read(path: Path, lines: list[str]) -> Iterator[dict]:
    """Yield ``{tokens, tags, kind, story, line}`` for each sentence of an inline file.

    Raises:
        DataError: names the file and the line.
    """
    kind = story = ""
    for number, line in enumerate(lines, 1):
        line = line.strip()
        if line.startswith("##"):
            header = _STORY.fullmatch(line)
            if not header:
                raise DataError(f"{path}:{number}: a story opens with '## kind-number', not {line[:40]!r}")
            kind, story = header[1], line[3:]
        elif line and not line.startswith("#"):
            try:
                tokens, tags = tag(*parse(line))
            except ValueError as error:
                raise DataError(f"{path}:{number}: {error}") from None
            yield {"tokens": tokens, "tags": tags, "kind": kind, "story": story, "line": number}


def _escape(text: str) -> str:
    return re.sub(r"([\[\]\\])", r"\\\1", text)
