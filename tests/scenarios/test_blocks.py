"""The block format, and the two corpora that are written in it."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios import blocks
from scenarios.support import files
from tinykd import data
from tinykd.data.corpora import EMBEDDED
from tinykd.errors import DataError
from tools import split_corpora

GOOD = "## a | x\n\nfirst\n  second  \n## b\nthird\n"


def test_blocks_know_their_lines(write):
    folder = write({"f.txt": GOOD.replace("\n", "\r\n")})
    first, second = blocks.read(folder / "f.txt")
    assert first == ("a | x", 1, [("first", 3), ("second", 4)])
    assert second == ("b", 5, [("third", 6)])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("stray\n## a\nx\n", ":1: a block opens with '## name', not with 'stray'"),
        ("## a\nx\n##\ny\n", ":3: a headline without a name; write '## name'"),
        ("## a\nx\n## a\ny\n", ":3: 'a' has its headline in line 1 already"),
        ("## a\nx\n## b\n\n", ":3: nothing stands under 'b'"),
        ("\n\n", ": the file holds no block"),
        (b"## a\nx\n\xff\n", ":3: not UTF-8 (byte 0xff); convert it first"),
    ],
)
def test_a_faulty_file_is_named_with_its_line(write, text, message):
    path = write({"f.txt": text}) / "f.txt"
    with pytest.raises(DataError) as error:
        blocks.read(path)
    assert str(error.value).startswith(f"{path}{message}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("## deals\nA :: b\n", ":1: expected '## topic | sentiment', not 'deals'"),
        ("## deals | good\nA : b\n", ":2: expected 'entity :: text', not 'A : b'"),
        ("## deals | good\nA :: b\n:: c\n", ":3: expected 'entity :: text', not ':: c'"),
        ("## deals | good\nA :: b\nA :: c\n", ":2: 2 lines of 'good' are too few for three splits"),
    ],
)
def test_a_faulty_headline_is_named_with_its_line(write, text, message):
    folder = write({"headlines.txt": text})
    with pytest.raises(DataError) as error:
        blocks.splits(folder / "headlines.txt")
    assert str(error.value) == f"{folder / 'headlines.txt'}{message}"


def test_messages_that_are_all_out_of_scope_have_no_label(write):
    path = write({"messages.txt": "## out_of_scope\na\nb\n"}) / "messages.txt"
    with pytest.raises(DataError, match=r"messages\.txt: nothing but out_of_scope; there is no label to learn"):
        blocks.splits(path)


@given(st.lists(st.text(min_size=1), unique=True, max_size=60))
def test_divide_loses_nothing_and_does_not_depend_on_the_order(texts):
    parts = blocks.divide(texts, blocks.SHARES)
    assert sorted(text for part in parts.values() for text in part) == sorted(texts)
    assert [len(part) for part in parts.values()] == pytest.approx([len(texts) * s for s in (0.6, 0.15, 0.25)], abs=1)
    turned = blocks.divide(texts[::-1], blocks.SHARES)
    assert {name: set(part) for name, part in turned.items()} == {name: set(part) for name, part in parts.items()}


def test_the_embedded_splits_are_those_of_the_authors_files(tmp_path):
    """After a change of ``messages.txt`` or ``headlines.txt``: python tools/split_corpora.py."""
    split_corpora.main(tmp_path)
    for name in split_corpora.CORPORA:
        made = {path.name: path.read_bytes() for path in (tmp_path / "corpora" / name).iterdir()}
        assert made == {path.name: path.read_bytes() for path in (EMBEDDED / name).iterdir()}


@pytest.mark.parametrize(("name", "groups"), [("support", ["label"]), ("finance", ["topic", "label"])])
def test_the_embedded_corpora_are_divided_inside_every_block(name, groups):
    corpus = data.load(name)
    texts = {split: set(corpus[split]["text"]) for split in corpus}
    assert not texts["train"] & texts["valid"] and not (texts["train"] | texts["valid"]) & texts["test"]
    whole = Counter(tuple(row[g] for g in groups) for split in corpus for row in corpus[split])
    for split, share in blocks.SHARES.items():
        counts = Counter(tuple(row[g] for g in groups) for row in corpus[split])
        assert counts.keys() == whole.keys()
        assert all(abs(counts[key] - share * n) <= 1 for key, n in whole.items())


def test_support_has_its_intents_and_nothing_out_of_scope():
    corpus = data.load("support")
    names = data.label_names(corpus)
    assert data.task(corpus) == "classification" and corpus["train"].column_names == ["text", "label"]
    assert len(names) == 22 and blocks.OUT_OF_SCOPE not in names
    rows = list(blocks.messages(files.FOLDER / "messages.txt"))
    gold = {row["text"]: row["label"] for row in rows}
    assert all(gold[row["text"]] == names[row["label"]] for split in corpus for row in corpus[split])
    assert sum(map(len, corpus.values())) == sum(row["label"] != blocks.OUT_OF_SCOPE for row in rows)
    assert data.digest(corpus) == data.digest(data.load("support"))


def test_finance_has_sentiments_topics_and_entities():
    corpus = data.load("finance", max_train=50)
    assert data.label_names(corpus) == ["negative", "neutral", "positive"]
    assert corpus["valid"].column_names == ["text", "label", "topic", "entity"] and len(corpus["train"]) == 50
    row = next(r for r in corpus["train"])
    assert row["topic"] and row["entity"] and "::" not in row["text"]
