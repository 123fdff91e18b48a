"""Where texts come from: JSON lines, RSS and Atom, a folder that is being written. Taught in lesson 14.

Every source gives batches of raw lines, as they come; a feed's items are turned into such lines. What is wrong with
a line is found in one place, :func:`read_item`, and the line itself is never thrown away.
"""

import contextlib
import html
import io
import json
import re
import time
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import feedparser

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
        DataError: says what is wrong.
    """
    try:
        row = json.loads(raw.decode("utf-8-sig"))  # some editors begin a file with a mark
    except UnicodeDecodeError as error:
        raise DataError(f"not UTF-8 (byte 0x{error.object[error.start]:02x})") from None
    except (ValueError, RecursionError):
        raise DataError("not JSON") from None
    if not isinstance(row, dict):
        raise DataError("not a JSON object")
    if "broken feed" in row:  # written by ``files``
        raise DataError(f"{row['broken feed']}: {row.get('why')}")
    for name in ("id", "time", "text"):
        if row.get(name) in (None, ""):
            raise DataError(f"no {name}")
        if not isinstance(row[name], str) or not row[name].strip():
            raise DataError(f"{name} must be text that is not empty")
    if not isinstance(row.get("entity") or "", str):
        raise DataError("entity must be text")
    moment = _moment(row["time"])
    if now is not None and moment - now > AHEAD:
        raise DataError(f"dated in the future: {moment.isoformat()}, now is {now.isoformat(timespec='seconds')}")
    id, text, entity = (_whole(row.get(name) or "") for name in ("id", "text", "entity"))
    return Item(id, moment, text, entity)


def _moment(time: str) -> datetime:
    with contextlib.suppress(ValueError, OverflowError):
        moment = datetime.fromisoformat(time.strip())
        moment = moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
        if moment.year <= 9000:  # later, nobody could add days to it
            return moment
    raise DataError(f"time is {time[:40]!r}; write it as 2031-03-01T09:15")


def as_line(item: Item) -> bytes:
    """Return an item as the line of JSON that a source would hold."""
    return json.dumps(vars(item) | {"time": item.time.isoformat()}, ensure_ascii=False).encode()


def lines(stream: io.BufferedIOBase) -> Iterator[list[bytes]]:
    """Yield what a stream holds, in batches of lines, each as soon as it can be read; blank lines are left out."""
    rest = yield from _ended_lines(stream)
    if rest.strip():
        yield [rest]


def feed(document: bytes) -> list[bytes]:
    """Return the items of an RSS or Atom document as raw lines.

    An item's ``id`` is its ``guid`` or ``id``, or else its link; its text is title and description, without tags.

    Raises:
        DataError: not well-formed, or no feed.
    """
    parsed = feedparser.parse(io.BytesIO(document), resolve_relative_uris=False)  # bytes could be taken for a path
    if parsed.bozo:
        raise DataError(f"not well-formed XML ({parsed.bozo_exception})")
    if not parsed.get("version"):
        raise DataError("neither RSS nor Atom")
    return [_feed_item(entry) for entry in parsed.entries]


@dataclass
class _Look:
    """The last look at a file: its number, its size, how far it was read (of a feed, at which size)."""

    number: int
    size: int | None = None
    read: int = 0


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
    if not Path(where).exists():
        raise DataError(f"{where}: no such file or folder")
    looks: dict[Path, _Look] = {}
    while True:
        there = _listed(Path(where))
        looks = {path: look for path, look in looks.items() if path in there}
        for path in there:
            with contextlib.suppress(FileNotFoundError):  # it went while we were busy with another
                now = path.stat()
                if path not in looks or looks[path].number != now.st_ino:
                    looks[path] = _Look(now.st_ino)
                settled = not follow or looks[path].size == now.st_size
                looks[path].size = now.st_size
                if path.suffix in FEEDS:
                    yield from _feed_file(path, looks[path], settled)
                else:
                    yield from _lines_file(path, looks[path], not follow)
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


def _lines_file(path: Path, look: _Look, to_the_end: bool) -> Iterator[list[bytes]]:
    with open(path, "rb") as stream:
        stream.seek(look.read if look.read <= look.size else 0)
        rest = yield from _ended_lines(stream)
        if rest.strip() and to_the_end:
            yield [rest]
        look.read = stream.tell() - len(rest)


def _feed_file(path: Path, look: _Look, settled: bool) -> Iterator[list[bytes]]:
    if look.read == look.size:
        return
    try:
        batch = feed(path.read_bytes())
    except DataError as error:
        if not settled:
            return  # it may still be in the writing
        batch = [json.dumps({"broken feed": path.name, "why": str(error)}).encode()]
    look.read = look.size
    if batch:
        yield batch


def _feed_item(entry: feedparser.FeedParserDict) -> bytes:
    moment = entry.get("published_parsed") or entry.get("updated_parsed")  # in UTC
    said = (entry.get("title"), entry.get("summary") or "".join(part.value for part in entry.get("content", ())[:1]))
    found = {
        "id": entry.get("id") or entry.get("link", ""),
        "time": datetime(*moment[:6]).isoformat() if moment else entry.get("published") or entry.get("updated", ""),
        "text": ". ".join(html.unescape(re.sub(r"<[^>]*>", " ", part)).strip() for part in said if part),
    }
    return json.dumps(found, ensure_ascii=False).encode()


def _whole(text: str) -> str:
    """No half characters, which JSON can write and no tokenizer or database takes."""
    return text.encode("utf-8", "replace").decode().replace("\0", " ").strip()
