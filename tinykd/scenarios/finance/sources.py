"""Where texts come from: JSON lines, RSS and Atom, a folder that is being written. Taught in lesson 12.

Every source gives batches of raw lines, as they come; a feed's items are turned into such lines. What is wrong with
a line is found in one place, :func:`read_item`, and the line itself is never thrown away.
"""

import contextlib
import io
import json
import re
import time
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from xml.etree import ElementTree

from tinykd.errors import DataError

FEEDS = (".xml", ".rss", ".atom")
AHEAD = timedelta(hours=1)  #: clocks differ; a text may be dated so far after now


@dataclass(frozen=True)
class Item:
    """A dated text. ``time`` is in UTC, without a zone; ``entity`` is "" where the source names none."""

    id: str
    time: datetime
    text: str
    entity: str = ""


def read_item(raw: bytes, now: datetime | None = None) -> Item:
    """Read one line: a JSON object with ``id``, ``time`` (ISO 8601; UTC unless it says otherwise), ``text``.

    ``entity``, the company, is optional.

    Args:
        now: in UTC; a text that is dated more than an hour later is refused. None believes every date.

    Raises:
        ValueError: says what is wrong.
    """
    try:
        found = json.loads(raw.decode("utf-8-sig"))  # some editors begin a file with a mark
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 (byte 0x{error.object[error.start]:02x})") from None
    except (ValueError, RecursionError):
        raise ValueError("not JSON") from None
    if not isinstance(found, dict):
        raise ValueError("not a JSON object")
    if "broken feed" in found:  # written by ``files``
        raise ValueError(f"{found['broken feed']}: {found.get('why')}")
    for name in ("id", "time", "text"):
        if not isinstance(found.get(name), str) or not found[name].strip():
            raise ValueError(
                f"no {name}" if found.get(name) in (None, "") else f"{name} must be text that is not empty"
            )
    if not isinstance(found.get("entity") or "", str):
        raise ValueError("entity must be text")
    try:
        moment = datetime.fromisoformat(found["time"].strip())
        moment = moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
        if moment.year > 9000:
            raise ValueError("nobody can add days to it")
    except (ValueError, OverflowError):
        raise ValueError(f"time is {found['time'][:40]!r}; write it as 2031-03-01T09:15") from None
    if now is not None and moment - now > AHEAD:
        raise ValueError(f"dated in the future: {moment.isoformat()}, now is {now.isoformat(timespec='seconds')}")
    id, text, entity = (_whole(found.get(name) or "") for name in ("id", "text", "entity"))
    return Item(id, moment, text, entity)


def lines(stream: io.BufferedIOBase) -> Iterator[list[bytes]]:
    """Yield what a stream holds, in batches of lines, each as soon as it can be read; blank lines are left out."""
    rest = yield from _ended_lines(stream)
    if rest.strip():
        yield [rest]


def feed(document: bytes) -> list[bytes]:
    """Return the items of an RSS 2.0 or Atom document as raw lines.

    An item's ``id`` is its ``guid`` or ``id``, or else its link; its text is title and description, without tags.

    Raises:
        ValueError: not well-formed, no feed, or a document type (which can name files and grow without end).
    """
    if any(word in document.replace(b"\0", b"") for word in (b"<!DOCTYPE", b"<!ENTITY")):  # in UTF-16, too
        raise ValueError("a feed needs no document type; this one is not read")
    try:
        root = ElementTree.fromstring(document)
    except (ElementTree.ParseError, LookupError, ValueError) as error:  # an encoding that nobody knows, too
        raise ValueError(f"not well-formed XML ({error})") from None
    items = [element for element in root.iter() if _name(element) in ("item", "entry")]
    if not items and _name(root) not in ("rss", "feed", "RDF"):
        raise ValueError(f"neither RSS nor Atom: the document is a {_name(root)!r}")
    return [_feed_item(item) for item in items]


def files(where: Path, follow: float = 0.0) -> Iterator[list[bytes]]:
    """Yield the lines of a file, or of the ``.jsonl`` files and feeds in a folder, in the order of their names.

    Args:
        follow: seconds between two looks at what was added; 0 looks once. While following, a line counts once it has
            its end, and a feed that is not well-formed once it no longer grows. Hidden files are left alone, so a
            writer may use them. A file that shrank, or that another has taken the place of, is read from its start;
            one that is gone is waited for.

    Raises:
        DataError: there is nothing of that name.
    """
    where = Path(where)
    if not where.exists():
        raise DataError(f"{where}: no such file or folder")
    read: dict[Path, int] = {}  # how far; of a feed, the size at which it was read
    seen: dict[Path, tuple[int, int]] = {}  # number and size at the last look
    while True:
        there = _listed(where)
        for path in seen.keys() - set(there):
            seen.pop(path), read.pop(path, None)
        for path in there:
            with contextlib.suppress(FileNotFoundError):  # it went while we were busy with another
                now = path.stat()
                number, size = seen.get(path, (now.st_ino, None))
                if number != now.st_ino:
                    read.pop(path, None)
                settled = not follow or size == now.st_size
                seen[path] = now.st_ino, now.st_size
                if path.suffix in FEEDS:
                    yield from _feed_file(path, now.st_size, read, settled)
                else:
                    yield from _lines_file(path, read, follow)
        if not follow:
            return
        time.sleep(follow)


def _listed(where: Path) -> list[Path]:
    if not where.is_dir():
        return [where] * where.exists()
    with contextlib.suppress(FileNotFoundError):  # the folder went
        names = (path for path in where.iterdir() if path.suffix in (".jsonl", *FEEDS) and not path.is_dir())
        return sorted(path for path in names if not path.name.startswith("."))
    return []


def entity_in(text: str, names: Iterable[str]) -> str:
    """Return the first of these companies that a text names, in full or by its first word; "" for none.

    Of two that begin at the same place the one that is named at greater length is meant.

    >>> entity_in("Hackers empty Tarnwick's accounts", ["Oriole Games", "Tarnwick Bank"])
    'Tarnwick Bank'
    """
    found = []
    for name in names:
        for said in filter(None, (name, *name.split()[:1])):
            if match := re.search(rf"(?<!\w){re.escape(said)}(?!\w)", text, re.IGNORECASE):
                found.append((match.start(), -len(said), name))
    return min(found)[2] if found else ""


def _ended_lines(stream: io.BufferedIOBase) -> Generator[list[bytes], None, bytes]:
    """Yield batches of lines; return what stands after the last line's end."""
    rest = b""
    while chunk := stream.read1(1 << 16):
        *whole, rest = (rest + chunk).split(b"\n")
        if batch := [line for line in whole if line.strip()]:
            yield batch
    return rest


def _lines_file(path: Path, read: dict[Path, int], follow: float) -> Iterator[list[bytes]]:
    start = read.get(path, 0)
    with open(path, "rb") as stream:
        stream.seek(start if start <= path.stat().st_size else 0)
        rest = yield from _ended_lines(stream)
        if rest.strip() and not follow:
            yield [rest]
        read[path] = stream.tell() - len(rest)


def _feed_file(path: Path, size: int, read: dict[Path, int], settled: bool) -> Iterator[list[bytes]]:
    if read.get(path) == size:
        return
    document = path.read_bytes()
    try:
        batch = feed(document)
    except ValueError as error:
        if not settled:
            return  # it may still be in the writing
        batch = [json.dumps({"broken feed": path.name, "why": str(error)}).encode()]
    read[path] = size
    if batch:
        yield batch


def _feed_item(item: ElementTree.Element) -> bytes:
    parts: dict[str, str] = {}
    for element in item:
        value = "".join(element.itertext()).strip() or element.get("href", "")
        parts.setdefault(_name(element), value)
    found = {"id": parts.get("guid") or parts.get("id") or parts.get("link", "")}
    found["time"] = _feed_time(parts)
    said = (parts.get("title", ""), parts.get("description") or parts.get("summary") or parts.get("content", ""))
    found["text"] = ". ".join(re.sub(r"<[^>]*>", " ", part).strip() for part in said if part)
    return json.dumps(found, ensure_ascii=False).encode()


def _feed_time(parts: dict[str, str]) -> str:
    if "pubDate" in parts:
        try:
            return parsedate_to_datetime(parts["pubDate"]).isoformat()
        except (ValueError, OverflowError):
            return parts["pubDate"]
    return parts.get("published") or parts.get("updated") or parts.get("date", "")


def _name(element: ElementTree.Element) -> str:
    return element.tag.rsplit("}", 1)[-1]


def _whole(text: str) -> str:
    """No half characters, which JSON can write and no tokenizer or database takes."""
    return text.encode("utf-8", "replace").decode().replace("\0", " ").strip()
