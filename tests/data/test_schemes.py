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


PREFIXES = {
    "IOB2": whole("B", "I", "I", "B"),
    "BIOES": whole("B", "I", "E", "S"),
    "BILOU": whole("B", "I", "L", "U"),
    "BMES": whole("B", "M", "E", "S"),
}


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


@pytest.mark.parametrize("scheme", ["IOB1", *PREFIXES])
@given(sentences=SENTENCES)
def test_every_scheme_reads_back_as_iob2(scheme, sentences):
    rows = rows_of(written(scheme, sentence) for sentence in sentences)
    schemes.to_iob2(Path("a.conll"), rows, strict=True)
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
        ("B-PER M-PER", "BIOES"),
    ],
)
def test_detect(tags, scheme):
    assert schemes.detect([tags.split()]) == scheme


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("O", True),
        ("B-PER", True),
        ("L-a-b", True),
        ("M-PER", True),
        ("B", False),
        ("X-PER", False),
        ("B--", False),
        ("B-a b", False),
    ],
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
        schemes.to_iob2(Path(file), [row], strict=True)
    assert str(error.value) == f"{place}{word}: {message}"


@pytest.mark.parametrize(
    ("tags", "expected", "slips"),
    [
        ("B-PER I-LOC I-LOC", "B-PER B-LOC I-LOC", 1),
        ("B-PER O I-PER I-PER I-LOC", "B-PER O B-PER I-PER B-LOC", 2),
        ("S-PER E-PER I-PER", "B-PER B-PER B-PER", 2),
        ("M-PER M-PER E-PER", "B-PER I-PER I-PER", 1),
    ],
)
def test_a_slip_begins_an_entity_as_in_the_conll_scorer(tags, expected, slips, caplog):
    first, row = rows_of([["O"], tags.split()])
    schemes.to_iob2(Path("a.conll"), [first, row])
    assert row["tags"] == expected.split()
    (message,) = caplog.messages
    assert message.startswith("a.conll:") and f"begins one; {slips} such tags in the file" in message
