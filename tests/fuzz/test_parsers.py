"""Every parser of ours takes any bytes: what it returns is whole, what it refuses is one line with the place."""

import csv
import io
import json
from datetime import datetime
from xml.etree import ElementTree

import pytest
from hypothesis import example
from hypothesis import strategies as st

from scenarios import blocks, finance
from scenarios.support import files as support
from tests.fuzz.counting import fuzz
from tinykd.data import inline, read_file, schemes
from tinykd.errors import DataError

#: bits that the formats are made of, so that a random string comes deep into a parser
BITS = st.sampled_from([
    "\n", "\r\n", "\t", " ", ",", '"', "'", "|", "::", "##", "## ", "#", "[", "]", "\\", "{", "}", ":", "O", "B-PER",
    "I-PER", "S-X", "E-", "M-PER", "王", "B-", "[PER ", "[ORG Orkla]", "## deals | bad\n", "## a-1\n", "-DOCSTART-",
    "text", "label",
    '{"tokens": ["a"], "tags": ["O"]}', '{"text": "a", "label": 1}', '{"id": "1", "time": "2031-03-01", "text": "x"}',
    "text,label\n", "\ud83d", "\\ud83d", "\ufeff", "\0", "\x85", "\u2028", "null", "1e999", "[" * 5000, "9" * 5000,
    "<rss>", "</rss>", "<item>", "</item>", "<guid>", "</guid>", "<!DOCTYPE x>", "&amp;", "&x;", "<![CDATA[", "{name}",
])  # fmt: skip
MIXED = st.lists(BITS | st.text(max_size=6), max_size=25).map(
    lambda bits: "".join(bits).encode("utf-8", "surrogatepass")
)
ANY = MIXED | st.binary(max_size=60)

#: a word as ``str.split`` gives it, without half characters and byte order marks
WORD = st.text(st.characters(exclude_categories=["Cs", "Z", "Cc"], exclude_characters="\ufeff"), min_size=1, max_size=8)
WORD = WORD.filter(lambda word: len(word.split()) == 1 and word != "-DOCSTART-")
LINE = st.lists(WORD, min_size=1, max_size=6).map(" ".join)
TYPE = st.sampled_from(["PER", "LOC", "WORK_OF_ART"])


@st.composite
def tagged(draw):
    """Sentences with valid IOB2 tags."""
    sentences = []
    for _ in range(draw(st.integers(1, 4))):
        words, tags = [], []
        for type_, size in draw(st.lists(st.tuples(st.none() | TYPE, st.integers(1, 3)), min_size=1, max_size=4)):
            words += draw(st.lists(WORD, min_size=size, max_size=size))
            tags += [f"{'I' if i else 'B'}-{type_}" if type_ else "O" for i in range(size)]
        sentences.append((words, tags))
    return sentences


def is_iob2(tags):
    return all(
        tag == "O" or tag[0] == "B" or (tag[0] == "I" and before[2:] == tag[2:] and before != "O")
        for before, tag in zip(["O", *tags], tags, strict=False)
    )


def read(place, name, content):
    """What a reader makes of any bytes: rows, or None where it refused them in one line that names the file."""
    path = place / name
    path.write_bytes(content)
    try:
        return read_file(path)
    except DataError as error:
        assert str(error).startswith(f"{path}:") and "\n" not in str(error)


@pytest.mark.parametrize("name", ["a.txt", "a.conll", "a.csv", "a.jsonl"])
@fuzz(content=ANY)
def test_any_corpus_file(place, name, content):
    for row in read(place, name, content) or []:
        assert row["line"] >= 1
        if "tags" in row:
            assert len(row["tokens"]) == len(row["tags"]) > 0 and is_iob2(row["tags"])
            assert all(token.strip() for token in row["tokens"])
            "".join(row["tokens"]).encode()  # Arrow and the tokenizers take no half characters
        else:
            assert row["text"].strip() and row["label"].strip()
            (row["text"] + row["label"]).encode()


@fuzz(sentences=tagged(), columns=st.integers(0, 2), crlf=st.booleans())
def test_conll_reads_back(place, sentences, columns, crlf):
    lines = []
    for words, tags in sentences:
        lines += [f"{word}{' x' * columns} {tag}" for word, tag in zip(words, tags, strict=True)] + [""]
    found = read(place, "a.conll", ("\r\n" if crlf else "\n").join(lines).encode())
    known = [word for words, _ in sentences for word in words]
    if columns and (all(map(str.isdecimal, known)) or 2 * sum(map(schemes.is_tag, known)) > len(known)):
        assert found is None  # a column of numbers, or of tags, is not taken for the words
    else:
        assert [(row["tokens"], row["tags"]) for row in found] == sentences


@fuzz(sentences=tagged(), escaped=st.booleans())
def test_jsonl_reads_back(place, sentences, escaped):
    lines = [json.dumps({"tokens": words, "tags": tags}, ensure_ascii=escaped) for words, tags in sentences]
    found = read(place, "a.jsonl", "\n".join(lines).encode())
    assert [(row["tokens"], row["tags"], row["line"]) for row in found] == [
        (*sentence, number) for number, sentence in enumerate(sentences, 1)
    ]


@fuzz(rows=st.lists(st.tuples(LINE, WORD), min_size=1, max_size=6), more=st.booleans())
def test_csv_reads_back(place, rows, more):
    out = io.StringIO()
    csv.writer(out).writerows([["id", "text", "label"], *(["7", *row] for row in rows)])
    found = read(place, "a.csv", out.getvalue().encode())
    assert [(row["text"], row["label"]) for row in found] == rows


@fuzz(line=st.lists(BITS | st.text(max_size=6), max_size=12).map("".join))
def test_any_inline_sentence(line):
    try:
        text, spans = inline.parse(line)
    except DataError as error:
        assert str(error).startswith("column ")
        return
    assert all(0 <= start < end <= len(text) and text[start:end].strip() for _, start, end in spans)
    if "\n" not in text:
        assert inline.parse(inline.format(text, spans)) == (text, spans)


@fuzz(
    tags=st.lists(st.lists(st.sampled_from(["O", "B-A", "I-A", "E-A", "S-A", "L-B", "U-B", "I-B", "M-B"]), max_size=6))
)
def test_any_tags_become_iob2(place, tags):
    rows = [{"tokens": ["w"] * len(row), "tags": list(row), "line": 1} for row in tags]
    schemes.to_iob2(place / "a.conll", rows)
    assert all(is_iob2(row["tags"]) for row in rows)


@fuzz(content=ANY)
def test_any_file_of_blocks(place, content):
    for name in ("messages.txt", "headlines.txt", "intents.txt", "knowledge.txt"):
        (place / name).write_bytes(content)
    readers = [
        lambda: list(blocks.messages(place / "messages.txt")),
        lambda: list(blocks.headlines(place / "headlines.txt")),
    ]
    for reader in (*readers, lambda: support.intents(place), lambda: support.knowledge(place)):
        try:
            assert reader()
        except DataError as error:
            assert str(error).startswith(str(place)) and "\n" not in str(error)


NAME = LINE.filter(lambda text: not text.startswith("#"))


@fuzz(content=st.dictionaries(NAME, st.lists(NAME, min_size=1, max_size=4), min_size=1, max_size=4))
def test_blocks_read_back(place, content):
    path = place / "messages.txt"
    lines = [line for name, texts in content.items() for line in (f"## {name}", *texts, "")]
    path.write_text("\n".join(lines), encoding="utf-8")
    assert {block.name: [line.text for line in block.lines] for block in blocks.read(path)} == content


@fuzz(raw=ANY)
def test_any_line_of_a_stream(raw):
    try:
        item = finance.read_item(raw)
    except ValueError as error:
        assert str(error)
        return
    assert item.id and item.text and item.time.tzinfo is None
    (item.id + item.text + item.entity).encode()


MOMENT = st.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(8999, 1, 1))


@fuzz(item=st.builds(finance.Item, LINE, MOMENT, LINE, st.just("") | LINE))
def test_an_item_reads_back(item):
    assert finance.read_item(finance.as_line(item)) == item


@fuzz(document=ANY)
def test_any_feed(document):
    try:
        lines = finance.feed(document)
    except ValueError as error:
        assert str(error)
        return
    assert all(isinstance(json.loads(line), dict) for line in lines)


def decoded_twice(text: str) -> str:
    """What feedparser makes of a text that looks as if it had been encoded twice."""
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return text


@fuzz(items=st.lists(st.tuples(LINE, LINE), max_size=4))
@example(items=[("Â¡", "0")])
def test_a_feed_reads_back(items):
    root = ElementTree.Element("rss")
    for id_, title in items:
        item = ElementTree.SubElement(root, "item")
        for name, value in (("guid", id_), ("title", title), ("pubDate", "Sat, 01 Mar 2031 09:15:00 +0000")):
            ElementTree.SubElement(item, name).text = value
    try:
        document = ElementTree.tostring(root, encoding="utf-8")
        ElementTree.fromstring(document)
    except ElementTree.ParseError:  # a character that XML has not
        return
    found = [finance.read_item(line) for line in finance.feed(document)]
    assert [item.id for item in found] == [decoded_twice(id_) for id_, _ in items]
    assert all(item.time == datetime(2031, 3, 1, 9, 15) for item in found)


@fuzz(content=st.lists(st.binary(max_size=9), max_size=9).map(b"\n".join))
def test_a_stream_loses_no_line(content):
    found = [line for batch in finance.lines(io.BytesIO(content)) for line in batch]
    assert found == [line for line in content.split(b"\n") if line.strip()]


@fuzz(content=ANY)
def test_any_catalogue(place, content):
    items = pytest.importorskip("scenarios.recommend.items")
    path = place / "films.jsonl"
    path.write_bytes(content)
    try:
        assert items.catalogue(items.read_rows(path), str(path))
    except DataError as error:
        assert str(error).startswith(str(path)) and "\n" not in str(error)
