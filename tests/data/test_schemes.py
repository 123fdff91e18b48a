from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinykd.data import schemes
from tinykd.errors import DataError

#: A sentence: runs of words, each an entity of a type or (None) no entity
SENTENCES = st.lists(
    st.lists(st.tuples(st.sampled_from([None, "PER", "A-1"]), st.integers(1, 4)), min_size=1), min_size=1
)


def whole(first, inside, last, single):
    return lambda size: single if size == 1 else first + inside * (size - 2) + last


PREFIXES = {"IOB2": whole("B", "I", "I", "B"), "BIOES": whole("B", "I", "E", "S"), "BILOU": whole("B", "I", "L", "U")}


def written(scheme, sentence):
    tags = []
    for (before, _), (type_, size) in pairwise([(None, 0), *sentence]):
        if type_ is None:
            tags += ["O"] * size
        elif scheme == "IOB1":
            tags += [f"{'B' if before == type_ else 'I'}-{type_}"] + [f"I-{type_}"] * (size - 1)
        else:
            tags += [f"{prefix}-{type_}" for prefix in PREFIXES[scheme](size)]
    return tags


def rows_of(sentences):
    return [{"tokens": ["w"] * len(tags), "tags": list(tags), "line": 1} for tags in sentences]


@pytest.mark.parametrize("scheme", ["IOB1", "IOB2", "BIOES", "BILOU"])
@given(sentences=SENTENCES)
def test_every_scheme_reads_back_as_iob2(scheme, sentences):
    rows = rows_of(written(scheme, sentence) for sentence in sentences)
    schemes.to_iob2(Path("a.conll"), rows)
    assert [row["tags"] for row in rows] == [written("IOB2", sentence) for sentence in sentences]


@pytest.mark.parametrize(
    ("tags", "scheme"),
    [
        ("O O", "IOB2"),
        ("B-PER I-PER", "IOB2"),
        ("I-PER B-PER", "IOB1"),
        ("I-PER O", "IOB1"),
        ("I-PER O B-LOC", "IOB2"),
        ("B-PER E-PER", "BIOES"),
        ("O U-PER", "BIOES"),
    ],
)
def test_detect(tags, scheme):
    assert schemes.detect([tags.split()]) == scheme


@pytest.mark.parametrize(
    ("text", "expected"),
    [("O", True), ("B-PER", True), ("L-a-b", True), ("B", False), ("X-PER", False), ("B--", False), ("B-a b", False)],
)
def test_is_tag(text, expected):
    assert schemes.is_tag(text) is expected


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ("B-PER X-PER", "unknown tag 'X-PER'; expected O or B-, I- (E-, S-) and a type"),
        (
            "B-PER I-LOC",
            "'I-LOC' continues an entity that never began (before it: 'B-PER'); write 'B-LOC' if it begins one",
        ),
        (
            "S-PER E-PER",
            "'E-PER' continues an entity that never began (before it: 'S-PER'); write 'B-PER' if it begins one",
        ),
    ],
)
@pytest.mark.parametrize(("file", "place"), [("a.conll", "a.conll:8"), ("a.jsonl", "a.jsonl:7: word 2")])
def test_a_wrong_tag_is_named_with_file_line_and_word(tags, message, file, place):
    row = {"tokens": ["Mara", "Ilves"], "tags": tags.split(), "line": 7}
    word = ": word 'Ilves'" if file == "a.conll" else " ('Ilves')"
    with pytest.raises(DataError) as error:
        schemes.to_iob2(Path(file), [row])
    assert str(error.value) == f"{place}{word}: {message}"
