"""Read one file of a corpus: CoNLL columns, our inline prose, csv or jsonl.

A row is a dict of ``tokens`` and ``tags`` (tagging) or ``text`` and ``label`` (classification), and of its ``line``.
Taught in lesson 07.
"""

import codecs
import csv
import io
import itertools
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from tinykd.data import inline, schemes
from tinykd.errors import DataError

SUFFIXES = (".txt", ".conll", ".csv", ".jsonl")
_TEXT_NAMES = ("text", "sentence", "message", "query")
_LABEL_NAMES = ("label", "category", "intent", "sentiment", "class")
FURTHER = ("kind", "story", "topic", "entity")  #: columns that are kept, as strings, where a file has them


def read_file(path: Path, columns: list[str] | None = None, strict: bool = False) -> list[dict]:
    """Read a corpus file; its ending and content decide how.

    Args:
        path: ends in .txt, .conll (columns or inline prose), .csv or .jsonl.
        columns: names of a CoNLL file's columns, for example ``["token", "pos", "chunk", "tag"]``;
            only ``token`` and ``tag`` are used. By default these are the first and the last.
        strict: refuse an ``I-`` that continues nothing; otherwise :func:`tinykd.data.schemes.to_iob2` mends it.

    Raises:
        DataError: names file, line, what was found there and the way out.
    """
    path = Path(path)
    text = read_text(path)
    if path.suffix == ".csv":
        rows = list(_csv(path, text))
    elif path.suffix == ".jsonl":
        rows = list(_jsonl(path, text))
    elif inline.is_inline(_lines(text)):
        rows = list(inline.read(path, _lines(text)))
    else:
        rows = _conll(path, text, columns)
    if not rows:
        raise DataError(f"{path}: the file holds no sentence")
    if odd := next((row for row in rows if ("tags" in row) != ("tags" in rows[0])), None):
        raise DataError(f"{path}:{odd['line']}: some lines hold tags and some labels; one file holds one task")
    if "tags" in rows[0]:
        schemes.to_iob2(path, rows, strict)
    return rows


def read_text(path: Path) -> str:
    """Return the text of a UTF-8 file, with plain line ends; a DataError if it cannot be read, or is not UTF-8."""
    try:
        text = path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
    except (FileNotFoundError, IsADirectoryError):
        raise DataError(f"{path}: no such file") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        kind = "UTF-16" if error.object.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "WINDOWS-1252"
        found = f"{path}:{line}: not UTF-8 (byte 0x{error.object[error.start]:02x})"
        command = f"iconv -f {kind} -t UTF-8 {path.name} > fixed{path.suffix}"
        raise DataError(f"{found}; convert it first, for example: {command}") from None
    return text if "\n" in text else text.replace("\r", "\n")  # the line ends of an old Macintosh


def _conll(path: Path, text: str, columns: list[str] | None) -> list[dict]:
    """Read the lines twice: kept in memory, a line would take twenty times its bytes."""
    token, tag = _columns(path, text, columns)
    sentences = []
    for filled, lines in itertools.groupby(_cells(text), key=lambda line: bool(line[1])):
        if filled:
            rows = list(lines)
            tokens, tags = ([sys.intern(cells[c]) for _, cells in rows] for c in (token, tag))
            sentences.append({"tokens": tokens, "tags": tags, "line": rows[0][0]})
    return sentences


def _columns(path: Path, text: str, names: list[str] | None) -> tuple[int, int]:
    """Return the columns of words and of tags: those of these names, or the first and the last."""
    width, starts, ends = 0, set(), set()
    for n, cells in _cells(text):
        width = width or len(cells)
        if cells and len(cells) != width:
            was = f"{len(cells)} columns where the file began with {width}"
            raise DataError(f"{path}:{n}: {was}: {' '.join(cells)!r}")
        starts.update(cells[:1])
        ends.update(cells[-1:])
    if names and width:
        if len(names) != width or not {"token", "tag"} <= set(names):
            raise DataError(f"{path}: its {width} columns do not fit {names}; name each, two of them 'token' and 'tag'")
        return names.index("token"), names.index("tag")
    if width == 1:
        raise DataError(f"{path}: one column only; a tagging corpus has a word and its tag on each line")
    name_them = 'name the columns, for example: --columns "id token tag"'
    if ends and not any(map(schemes.is_tag, ends)):
        raise DataError(f"{path}: the last column holds no tags such as O, B-PER or I-PER; {name_them}")
    if width > 2 and all(cell.isdecimal() or schemes.is_tag(cell) for cell in starts):
        raise DataError(f"{path}: the first column holds no words; {name_them}")
    return 0, width - 1


def _cells(text: str) -> Iterator[tuple[int, list[str]]]:
    for n, line in enumerate(_lines(text), 1):
        cells = line.split()
        if not cells or cells[0] != "-DOCSTART-":
            yield n, cells


def _lines(text: str) -> Iterator[str]:
    """Yield what ``text.split("\\n")`` holds, one line at a time."""
    return (match[0] for match in re.finditer("^.*$", text, re.MULTILINE))


def _csv(path: Path, text: str) -> Iterator[dict]:
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        names = reader.fieldnames or []
        if twice := [name for place, name in enumerate(names) if name in names[:place]]:
            raise DataError(f"{path}:1: two columns are named {twice[0]!r}")
        for row in reader:
            if None in row or None in row.values():
                raise DataError(f"{path}:{reader.line_num}: the wrong number of columns; the header names {len(names)}")
            yield _row(f"{path}:{reader.line_num}", row) | {"line": reader.line_num}
    except csv.Error as error:
        raise DataError(f"{path}:{reader.reader.line_num}: not valid csv ({error})") from None


def _jsonl(path: Path, text: str) -> Iterator[dict]:
    for n, line in enumerate(_lines(text), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            json.dumps(row, ensure_ascii=False).encode()  # half a character, such as "\\ud83d", is an error
        except (ValueError, RecursionError) as error:
            raise DataError(f"{path}:{n}: not valid JSON ({error})") from None
        if not isinstance(row, dict):
            raise DataError(f"{path}:{n}: expected an object, found {line.strip()[:40]!r}")
        yield _row(f"{path}:{n}", row) | {"line": n}


def _row(at: str, row: dict) -> dict:
    """Check a row and return what is kept of it; ``at``: file and line."""
    further = {name: str(row[name]) for name in FURTHER if name in row}
    tags = row.get("tags", row.get("labels"))
    if "tokens" in row and tags is not None:
        return further | _tagged(at, row["tokens"], tags)
    text, label = ([row[name] for name in names if name in row] for names in (_TEXT_NAMES, _LABEL_NAMES))
    if not text or not label:
        wanted = f"a text ({', '.join(_TEXT_NAMES)}) and a label ({', '.join(_LABEL_NAMES)}), or tokens and tags"
        raise DataError(f"{at}: needs {wanted}; found {', '.join(row) or 'nothing'}")
    return further | _labelled(at, text[0], label[0])


def _tagged(at: str, tokens: object, tags: object) -> dict:
    are_lists = isinstance(tokens, list) and isinstance(tags, list)
    if not are_lists or not all(isinstance(x, str) for x in tokens + tags):
        raise DataError(f"{at}: 'tokens' and 'tags' must be lists of strings")
    if len(tokens) != len(tags) or not tags:
        raise DataError(f"{at}: {len(tokens)} tokens and {len(tags)} tags; need as many, at least one")
    if not all(token.strip() for token in tokens):
        raise DataError(f"{at}: an empty token")
    return {"tokens": tokens, "tags": tags}


def _labelled(at: str, text: object, label: object) -> dict:
    if not isinstance(text, str) or not text.strip():
        raise DataError(f"{at}: the text is empty")
    if not isinstance(label, str | int | float) or label != label:  # NaN, which JSON has not, and Python writes
        raise DataError(f"{at}: a text has one label, a name or a number; found {json.dumps(label)}")
    if not str(label).strip():
        raise DataError(f"{at}: the label is empty")
    return {"text": text, "label": str(label).strip()}
