"""The inline format of our own corpora: prose with its entities in square brackets.

::

    ## courts-03
    [PER Mara Ilves] left [ORG Orkla]'s board on Tuesday.

``## kind-number`` opens a story, ``#`` a comment; every other line is a sentence. A backslash takes the special meaning
from ``[``, ``]``, ``#`` and itself. An entity begins and ends where a word does (see :func:`tinykd.text.words`).
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from tinykd.errors import DataError
from tinykd.text import words

_STORY = re.compile(r"## ([a-z]+(?:-[a-z]+)*)-(\d+)")
_TOKEN = re.compile(r"\\(?P<escaped>[\[\]#\\])|\[(?P<type>[A-Z]+) |(?P<close>\])|(?P<plain>[^\\\[\]]+|.)")


class Span(NamedTuple):
    """An entity: its type and the half-open character range that holds it."""

    type: str
    start: int
    end: int


def parse(line: str) -> tuple[str, list[Span]]:
    """Return the plain text of an inline sentence and its entity spans; a DataError names the column of a fault.

    >>> parse("[PER Mara Ilves] left.")
    ('Mara Ilves left.', [Span(type='PER', start=0, end=10)])
    """
    text, spans, opened = "", [], None
    for token in _TOKEN.finditer(line):
        at = f"column {token.start() + 1}"
        if token["type"]:
            if opened:
                raise DataError(f"{at}: an entity opens inside another; entities do not nest here")
            opened, opened_at = (token["type"], len(text)), at
        elif token["close"]:
            if not opened:
                raise DataError(f"{at}: ']' closes nothing; write '\\]' for a plain bracket")
            if not text[opened[1] :].strip():
                raise DataError(f"{at}: the {opened[0]} entity is empty")
            spans.append(Span(*opened, len(text)))
            opened = None
        elif token["plain"] in ("[", "\\"):
            raise DataError(f"{at}: {token['plain']!r} stands alone; expected '[TYPE words]' or a backslash before it")
        else:
            text += token["escaped"] or token["plain"]
    if opened:
        raise DataError(f"{opened_at}: the {opened[0]} entity {text[opened[1] :][:30]!r} is never closed")
    return text, spans


def format(text: str, spans: list[Span]) -> str:
    """Write ``text`` with its ``spans`` in the inline format; ``parse`` undoes it."""
    line, done = "", 0
    for type_, start, end in sorted(spans, key=lambda s: s.start):
        line += f"{_escape(text[done:start])}[{type_} {_escape(text[start:end])}]"
        done = end
    line += _escape(text[done:])
    return re.sub(r"^(\s*)#", r"\1\\#", line)


def tag(text: str, spans: list[Span]) -> tuple[list[str], list[str]]:
    """Split ``text`` into words and give each its IOB2 tag; a DataError if an entity begins or ends inside a word."""
    split = words(text)
    tags = ["O"] * len(split)
    starts = {w.start: i for i, w in enumerate(split)}
    ends = {w.end: i for i, w in enumerate(split)}
    for type_, start, end in spans:
        if start not in starts or end not in ends:
            raise DataError(f"the {type_} entity {text[start:end]!r} begins or ends inside a word")
        first, last = starts[start], ends[end]
        tags[first : last + 1] = [f"B-{type_}"] + [f"I-{type_}"] * (last - first)
    return [w.text for w in split], tags


def is_inline(lines: Iterable[str]) -> bool:
    """Whether a ``.txt`` file is inline prose and not CoNLL columns: a story header or a marked entity is in it."""
    return any(_STORY.fullmatch(line.strip()) or re.search(r"(?<!\\)\[[A-Z]+ [^\]]+\]", line) for line in lines)


def read(path: Path, lines: list[str]) -> Iterator[dict]:
    """Yield ``{tokens, tags, kind, story, line}`` for each sentence of an inline file; a DataError names the line."""
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
            except DataError as error:
                raise DataError(f"{path}:{number}: {error}") from None
            yield {"tokens": tokens, "tags": tags, "kind": kind, "story": story, "line": number}


def _escape(text: str) -> str:
    return re.sub(r"([\[\]\\])", r"\\\1", text)
