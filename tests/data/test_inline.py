from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tinykd.data import inline
from tinykd.data.inline import Span
from tinykd.errors import DataError

TYPE = st.sampled_from(["PER", "LOC", "MISC"])


@st.composite
def marked(draw, piece, between=""):
    text, spans = draw(st.sampled_from(["", " "])), []
    for words, type_ in draw(st.lists(st.tuples(piece, st.none() | TYPE), min_size=1, max_size=5)):
        if type_:
            spans.append(Span(type_, len(text), len(text) + len(words)))
        text += words + between
    return text, spans


ANY = st.text(min_size=1).filter(str.strip) | st.text(alphabet="ab[]#\\ ", min_size=1).filter(str.strip)
ONE_LINE = ANY.map(lambda text: " ".join(text.split()))


@given(marked(ANY))
def test_parse_undoes_format(sentence):
    assert inline.parse(inline.format(*sentence)) == sentence


@given(marked(ONE_LINE, between=" "))
@example(("#1 seed Mara", [Span("PER", 8, 12)]))
@example((" # of goals", []))
@example(("## courts-01", []))
def test_a_sentence_survives_the_file(sentence):
    lines = ["## a-1", inline.format(*sentence)]
    (row,) = inline.read(Path("a.txt"), lines)
    assert (row["tokens"], row["tags"]) == inline.tag(*sentence)
    assert row["line"] == 2


def test_tag_gives_every_word_its_iob2_tag():
    tokens, tags = inline.tag(*inline.parse(r"[PER Mara Low], a [MISC Finn], left [ORG U.S. Steel]'s \[old\] board."))
    assert " ".join(tokens) == "Mara Low , a Finn , left U.S. Steel 's [ old ] board ."
    assert " ".join(tags) == "B-PER I-PER O O B-MISC O O B-ORG I-ORG O O O O O O"


def test_an_entity_begins_and_ends_inside_a_chinese_clause():
    tokens, tags = inline.tag(*inline.parse("[PER 王小明]在[LOC 北京]工作。"))
    assert tokens == list("王小明在北京工作。")
    assert " ".join(tags) == "B-PER I-PER I-PER O B-LOC I-LOC O O O"


WRONG = {
    "[PER Mara [ORG Orkla]]": "column 11: an entity opens inside another; entities do not nest here",
    "a ] b": "column 3: ']' closes nothing; write '\\]' for a plain bracket",
    "[PER  ] left": "column 7: the PER entity is empty",
    "Mara [left": "column 6: '[' stands alone; expected '[TYPE words]' or a backslash before it",
    "a \\b": "column 3: '\\\\' stands alone; expected '[TYPE words]' or a backslash before it",
    "So [PER Mara left": "column 4: the PER entity 'Mara left' is never closed",
}


@pytest.mark.parametrize("line", WRONG)
def test_a_wrong_bracket_is_named_with_its_column(line):
    with pytest.raises(DataError) as error:
        inline.parse(line)
    assert str(error.value) == WRONG[line]


@pytest.mark.parametrize("line", ["[PER Mar]a left", "Ma[PER ra] left"])
def test_an_entity_must_end_where_a_word_does(line):
    with pytest.raises(DataError, match=r"^the PER entity '(Mar|ra)' begins or ends inside a word$"):
        inline.tag(*inline.parse(line))


def test_stories_comments_and_blank_lines():
    lines = [
        "# note",
        "## courts-03",
        "[PER Mara] left.",
        "",
        "#note",
        "  He won.",
        "## sports-table-1",
        r"\#1 [LOC Nice]",
    ]
    rows = list(inline.read(Path("a.txt"), lines))
    assert [(row["kind"], row["story"], row["line"]) for row in rows] == [
        ("courts", "courts-03", 3),
        ("courts", "courts-03", 6),
        ("sports-table", "sports-table-1", 8),
    ]
    assert (rows[2]["tokens"], rows[2]["tags"]) == (["#", "1", "Nice"], ["O", "O", "B-LOC"])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("## Courts 3", "a story opens with '## kind-number', not '## Courts 3'"),
        ("## courts", "a story opens with '## kind-number', not '## courts'"),
        ("a ] b", "column 3: ']' closes nothing; write '\\]' for a plain bracket"),
    ],
)
def test_a_fault_is_named_with_file_and_line(line, message):
    with pytest.raises(DataError) as error:
        list(inline.read(Path("a.txt"), ["## a-1", "", line]))
    assert str(error.value) == f"a.txt:3: {message}"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["", "# note", "## courts-03"], True),
        (["Mara won.", "[PER Mara Ilves] left."], True),
        (["Mara won."] * 20 + ["[PER Mara Ilves] left."], True),
        ([r"\[PER Mara] left."], False),
        (["[ O", "Mara B-PER", "] O"], False),
        ([], False),
    ],
)
def test_is_inline(lines, expected):
    assert inline.is_inline(lines) is expected
