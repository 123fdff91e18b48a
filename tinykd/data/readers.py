"""Read one file of a corpus: CoNLL columns, our inline prose, csv or jsonl.

Every reader yields plain dicts (``tokens`` and ``tags`` for tagging, ``text`` and ``label`` for
classification) with the ``line`` they came from, and raises ``DataError`` with file and line at the
first thing that is wrong. Taught in lesson 06.
"""

import codecs
import csv
import io
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


def read_file(path: Path, columns: list[str] | None = None) -> list[dict]:
    """Read the corpus file ``path``, choosing the reader by its ending and first lines.

    Args:
        path: ends in .txt, .conll (columns or inline prose), .csv or .jsonl.
        columns: names of a CoNLL file's columns, for example ``["token", "pos", "chunk", "tag"]``;
            only ``token`` and ``tag`` are used. Without it the tag column is found by its values.

    Raises:
        DataError: names file, line, what was found there and the way out.
    """
    path = Path(path)
    text = read_text(path)
    if path.suffix == ".csv":
        rows = list(_csv(path, text))
    elif path.suffix == ".jsonl":
        rows = list(_jsonl(path, text.split("\n")))
    elif inline.is_inline(_lines(text)):
        rows = list(inline.read(path, text.split("\n")))
    else:
        rows = _conll(path, text, columns)
    if not rows:
        raise DataError(f"{path}: the file holds no sentence")
    if odd := next((row for row in rows if ("tags" in row) != ("tags" in rows[0])), None):
        raise DataError(f"{path}:{odd['line']}: some lines hold tags and some labels; one file holds one task")
    if "tags" in rows[0]:
        schemes.to_iob2(path, rows)
    return rows


def read_lines(path: Path) -> list[str]:
    """Return the texts of a file, one a line, without labels.

    Raises:
        DataError: no such file, not UTF-8, or an empty line; names the line.
    """
    lines = read_text(path).removesuffix("\n").split("\n")
    if empty := next((number for number, line in enumerate(lines, 1) if not line.strip()), None):
        raise DataError(f"{path}:{empty}: the text is empty; the file holds one text a line")
    return lines


def read_text(path: Path) -> str:
    """Return the text of a UTF-8 file, with plain line ends.

    Raises:
        DataError: no such file, or not UTF-8; names the line and the way out.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
    except (FileNotFoundError, IsADirectoryError):
        raise DataError(f"{path}: no such file") from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        kind = "UTF-16" if error.object.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "WINDOWS-1252"
        raise DataError(
            f"{path}:{line}: not UTF-8 (byte 0x{error.object[error.start]:02x}); "
            f"convert it first, for example: iconv -f {kind} -t UTF-8 {path.name} > fixed{path.suffix}"
        ) from None
    return text if "\n" in text else text.replace("\r", "\n")  # the line ends of an old Macintosh


def _conll(path: Path, text: str, columns: list[str] | None) -> list[dict]:
    """Read the lines twice rather than keep them: in memory, a line takes twenty times its bytes."""
    width, looks, numbers, filled, first = 0, [], [], 0, ""
    for n, cells in _cells(text):
        if not cells:
            continue
        width = width or len(cells)
        looks, numbers, first = looks or [0] * width, numbers or [0] * width, first or " ".join(cells)
        if len(cells) != width:
            raise DataError(
                f"{path}:{n}: {len(cells)} columns where the file began with {width}: {' '.join(cells)!r}{_marks(text)}"
            )
        filled += 1
        for c, cell in enumerate(cells):
            looks[c] += schemes.is_tag(cell)
            numbers[c] += cell.isdecimal()
    if not filled:
        return []
    token, tag = _conll_columns(path, [look / filled for look in looks], columns, _marks(text))
    if columns is None and width > 2 and (tag == 0 or numbers[token] == filled or 2 * looks[token] > filled):
        raise DataError(
            f"{path}: which column holds the words cannot be told; the first line is {first!r}. Name the columns, for "
            'example: --columns "id token tag"'
        )

    sentences, current = [], None
    for n, cells in _cells(text):
        if not cells:
            current = None
            continue
        if current is None:
            current = {"tokens": [], "tags": [], "line": n}
            sentences.append(current)
        current["tokens"].append(sys.intern(cells[token]))
        current["tags"].append(sys.intern(cells[tag]))
    return sentences


def _cells(text: str) -> Iterator[tuple[int, list[str]]]:
    for n, line in enumerate(_lines(text), 1):
        cells = line.split()
        if not cells or cells[0] != "-DOCSTART-":
            yield n, cells


def _lines(text: str) -> Iterator[str]:
    """Yield what ``text.split("\\n")`` holds, a line at a time."""
    start = 0
    while start <= len(text):
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        yield text[start:end]
        start = end + 1


def _marks(text: str) -> str:
    """Say what is wrong with marks such as [Person Mara Ilves], if a text has such; else nothing."""
    found = re.search(r"(?<!\\)\[(?![A-Z]+ )\w[\w-]* [^\]\n]+\]", text)
    return f". If it is marked text: the type in {found[0]!r} must be capital letters A to Z" if found else ""


def _conll_columns(path: Path, looks: list[float], columns: list[str] | None, hint: str) -> tuple[int, int]:
    """Tell the columns of words and tags; ``looks`` is the share of each column that looks like tags."""
    width = len(looks)
    if columns:
        if len(columns) != width or not {"token", "tag"} <= set(columns):
            raise DataError(
                f"{path}: its {width} columns do not fit {columns}; name each, two of them 'token' and 'tag'"
            )
        return columns.index("token"), columns.index("tag")
    if width < 2:
        raise DataError(f"{path}: one column only; a tagging corpus has a word and its tag on each line{hint}")
    best = max(looks)
    tag = max(c for c in range(width) if looks[c] == best)  # the last one: chunk tags come before entity tags
    if best < 0.5:
        raise DataError(
            f"{path}: no column holds tags such as O, B-PER or I-PER; name the columns if they are unusual{hint}"
        )
    return (0 if tag else 1), tag


def _csv(path: Path, text: str) -> Iterator[dict]:
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        names = reader.fieldnames or []
        if not names:
            raise DataError(f"{path}: the file holds no sentence")
        if twice := [name for place, name in enumerate(names) if name in names[:place]]:
            raise DataError(f"{path}:1: two columns are named {twice[0]!r}")
        text_name, label_name = _pick(path, names, _TEXT_NAMES), _pick(path, names, _LABEL_NAMES)
        for row in reader:
            if None in row or None in row.values():
                raise DataError(f"{path}:{reader.line_num}: the wrong number of columns; the header names {len(names)}")
            yield _text_row(path, reader.line_num, row[text_name], row[label_name])
    except csv.Error as error:
        raise DataError(f"{path}:{reader.reader.line_num}: not valid csv ({error})") from None


def _pick(path: Path, names: list[str], wanted: tuple[str, ...]) -> str:
    for name in wanted:
        if name in names:
            return name
    raise DataError(f"{path}:1: no column named {' or '.join(wanted)}; the columns are {', '.join(names)}")


def _jsonl(path: Path, lines: list[str]) -> Iterator[dict]:
    for n, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            json.dumps(row, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise DataError(f"{path}:{n}: half a character (\\ud800 to \\udfff without its other half)") from None
        except (ValueError, RecursionError) as error:
            raise DataError(f"{path}:{n}: not valid JSON ({error})") from None
        if not isinstance(row, dict):
            raise DataError(f"{path}:{n}: expected an object, found {line.strip()[:40]!r}")
        if "tokens" in row:
            tags = row.get("tags", row.get("labels"))
            ok = isinstance(row["tokens"], list) and isinstance(tags, list)
            if not ok or not all(isinstance(x, str) for x in row["tokens"] + tags):
                raise DataError(f"{path}:{n}: 'tokens' and 'tags' must be lists of strings")
            if len(row["tokens"]) != len(tags) or not tags:
                raise DataError(
                    f"{path}:{n}: {len(row['tokens'])} tokens and {len(tags)} tags; need as many, at least one"
                )
            if not all(token.strip() for token in row["tokens"]):
                raise DataError(f"{path}:{n}: an empty token")
            yield {"tokens": row["tokens"], "tags": tags, "line": n}
        elif "text" in row and any(name in row for name in _LABEL_NAMES):
            yield _text_row(path, n, row["text"], next(row[name] for name in _LABEL_NAMES if name in row))
        else:
            raise DataError(
                f"{path}:{n}: needs 'tokens' and 'tags', or 'text' and 'label'; found {', '.join(row) or 'nothing'}"
            )


def _text_row(path: Path, line: int, text: str, label: object) -> dict:
    if not isinstance(text, str) or not text.strip():
        raise DataError(f"{path}:{line}: the text is empty")
    if not isinstance(label, str | int | float) or label != label:  # NaN, which JSON has not, and Python writes
        raise DataError(f"{path}:{line}: a text has one label, a name or a number; found {json.dumps(label)}")
    label = str(label).strip()
    if not label:
        raise DataError(f"{path}:{line}: the label is empty")
    return {"text": text, "label": label, "line": line}
