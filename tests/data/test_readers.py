import json
import re
from pathlib import Path

import pytest

from tinykd.data import read_file
from tinykd.errors import DataError

MARA = {"tokens": ["Mara", "won"], "tags": ["B-PER", "O"]}


@pytest.mark.parametrize(
    "content",
    [
        "Mara B-PER\nwon O\n\nNice B-LOC\n",
        "\ufeffMara B-PER\nwon O\n\nNice B-LOC\n",
        "Mara B-PER\r\nwon O\r\n\r\nNice B-LOC\r\n",
        "\n\nMara\tB-PER\nwon\tO\n \n\n\nNice\tB-LOC",
        "-DOCSTART- -X- O\n\nMara B-PER\nwon O\n\n-DOCSTART- O\n\nNice B-LOC\n",
        "Mara NNP I-NP I-PER\nwon VBD I-VP O\n\nNice NNP I-NP I-LOC\n",
    ],
    ids=["plain", "bom", "crlf", "tabs", "docstart", "conll2003"],
)
@pytest.mark.parametrize("name", ["a.txt", "a.conll"])
def test_conll(write, name, content):
    rows = read_file(write({name: content}) / name)
    assert [(row["tokens"], row["tags"]) for row in rows] == [(MARA["tokens"], MARA["tags"]), (["Nice"], ["B-LOC"])]


def test_the_line_of_a_conll_sentence_is_that_of_its_first_word(write):
    rows = read_file(write({"a.conll": "-DOCSTART- O\n\nMara B-PER\nwon O\n\n\nNice B-LOC\n"}) / "a.conll")
    assert [row["line"] for row in rows] == [3, 7]


@pytest.mark.parametrize("line", ["7 Mara B-PER", "B-PER Mara", "B-PER B-NP NN Mara", "B-NP B-PER Mara B-ORG"])
def test_words_that_are_not_first_or_tags_that_are_not_last_need_names_of_columns(write, line):
    path = write({"a.conll": f"{line}\n{line}\n"}) / "a.conll"
    with pytest.raises(
        DataError, match=r"the (first|last) column holds no .*; name the columns, for example: --columns"
    ):
        read_file(path)
    names = [
        "token" if cell == "Mara" else "tag" if cell == "B-PER" else f"n{n}" for n, cell in enumerate(line.split())
    ]
    assert [row["tokens"] for row in read_file(path, names)] == [["Mara", "Mara"]]


def test_a_corpus_of_numbers_in_two_columns_is_one(write):
    assert read_file(write({"a.conll": "7 O\n8 B-PER\n"}) / "a.conll")[0]["tokens"] == ["7", "8"]


def test_entities_may_begin_late_in_marked_text(write):
    rows = read_file(write({"a.txt": 30 * "It rained.\n" + "[PER Mara] won\n"}) / "a.txt")
    assert len(rows) == 31 and rows[-1]["tags"] == MARA["tags"]


def test_a_file_in_utf_16_is_not_taken_for_windows_1252(tmp_path):
    (tmp_path / "a.conll").write_bytes("Mara B-PER\n".encode("utf-16"))
    with pytest.raises(DataError, match="iconv -f UTF-16 -t UTF-8"):
        read_file(tmp_path / "a.conll")


def test_line_ends_of_an_old_macintosh(tmp_path):
    (tmp_path / "a.conll").write_bytes(b"Mara B-PER\rwon O\r")
    assert read_file(tmp_path / "a.conll") == [MARA | {"line": 1}]


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(DataError, match=r"nobody\.conll: no such file"):
        read_file(tmp_path / "nobody.conll")
    (tmp_path / "folder.txt").mkdir()
    with pytest.raises(DataError, match=r"folder\.txt: no such file"):
        read_file(tmp_path / "folder.txt")


def test_a_file_that_may_not_be_read(write, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    path = write({"a.conll": "Mara B-PER\n"}) / "a.conll"
    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(DataError) as error:
        read_file(path)
    assert str(error.value) == f"{path}: cannot be read (Permission denied)"


def test_slips_are_read_with_one_warning_a_file_or_refused(write, caplog):
    content = "a B-X\n\nb O\nc I-X\nd I-X\n\ne B-X\nf I-Y\n"
    path = write({"a.conll": content}) / "a.conll"
    assert [row["tags"] for row in read_file(path)] == [["B-X"], ["O", "B-X", "I-X"], ["B-X", "B-Y"]]
    slip = f"{path}:4: word 'c': 'I-X' continues an entity that never began (before it: 'O')"
    assert caplog.messages == [f"{slip}; as in the CoNLL scorer it begins one; 2 such tags in the file"]
    with pytest.raises(DataError) as error:
        read_file(path, strict=True)
    assert str(error.value) == f"{slip}; write 'B-X' if it begins one"


def test_a_chinese_corpus_in_bmes(write):
    path = write({"a.txt": "王 B-PER\n小 M-PER\n明 E-PER\n在 O\n京 S-LOC\n"}) / "a.txt"
    (row,) = read_file(path, strict=True)
    assert (row["tokens"], row["tags"]) == (list("王小明在京"), ["B-PER", "I-PER", "I-PER", "O", "B-LOC"])


@pytest.mark.parametrize("label", ['["a", "b"]', '{"a": 1}', "null"])
def test_a_text_has_one_label(write, label):
    path = write({"a.jsonl": f'{{"text": "fine", "label": "a"}}\n{{"text": "fine", "label": {label}}}\n'}) / "a.jsonl"
    with pytest.raises(
        DataError, match=rf"a\.jsonl:2: a text has one label, a name or a number; found {re.escape(label)}"
    ):
        read_file(path)


def test_a_blank_beside_a_label_makes_no_second_one(write):
    folder = write({"a.csv": "text,label\nx,g \ny,g\n", "b.jsonl": '{"text": "x", "label": " g"}\n'})
    assert {row["label"] for name in ("a.csv", "b.jsonl") for row in read_file(folder / name)} == {"g"}


def test_named_columns_overrule_the_values(write):
    path = write({"a.conll": "1 B-PER Mara B-NP\n2 O won O\n"}) / "a.conll"
    (row,) = read_file(path, ["n", "tag", "token", "chunk"])
    assert row == MARA | {"line": 1}


@pytest.mark.parametrize(
    ("content", "tokens", "tags"),
    [
        ("## a-1\n[PER Mara] won\n", *MARA.values()),
        ("[PER Mara] won\r\n", *MARA.values()),
        ("[ O\nPER B-ORG\n] O\n", ["[", "PER", "]"], ["O", "B-ORG", "O"]),
    ],
    ids=["story", "entity", "columns"],
)
def test_txt_is_inline_prose_or_columns(write, content, tokens, tags):
    (row,) = read_file(write({"a.txt": content}) / "a.txt")
    assert (row["tokens"], row["tags"]) == (tokens, tags)


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        ("text,label\nhello,a\n", [("hello", "a", 2)]),
        ('label,text\r\na,"one, ""two"""\r\n\r\nb,x\r\n', [('one, "two"', "a", 2), ("x", "b", 4)]),
        ('id,Sentence,sentence,intent\n1,X,"two\nlines",a\n2,Y,y,b\n', [("two\nlines", "a", 3), ("y", "b", 4)]),
    ],
    ids=["plain", "quotes, crlf", "other names, line break"],
)
def test_csv(write, content, rows):
    found = read_file(write({"a.csv": content}) / "a.csv")
    assert [(row["text"], row["label"], row["line"]) for row in found] == rows


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (MARA, MARA),
        ({"tokens": ["a"], "labels": ["B-X"]}, {"tokens": ["a"], "tags": ["B-X"]}),
        ({"text": "x\u2028\x85y", "label": "a"}, {"text": "x\u2028\x85y", "label": "a"}),
        ({"text": "x", "intent": 0}, {"text": "x", "label": "0"}),
    ],
    ids=["tags", "labels", "unicode line ends", "number"],
)
def test_jsonl(write, row, expected):
    path = write({"a.jsonl": "\r\n" + json.dumps(row, ensure_ascii=False) + "\r\n"}) / "a.jsonl"
    assert read_file(path) == [expected | {"line": 2}]


NEEDS = (
    "needs a text (text, sentence, message, query) and a label (label, category, intent, sentiment, class), "
    "or tokens and tags"
)
ERRORS = [
    ("a.conll", "", ": the file holds no sentence"),
    ("a.txt", "\n \n", ": the file holds no sentence"),
    ("a.txt", "## a-1\n# nothing\n", ": the file holds no sentence"),
    ("a.conll", "-DOCSTART- O\n\n", ": the file holds no sentence"),
    ("a.conll", "Mara B-PER\n\nwon it O\n", ":3: 3 columns where the file began with 2: 'won it O'"),
    ("a.conll", "Mara\nwon\n", ": one column only; a tagging corpus has a word and its tag on each line"),
    ("a.conll", "Mara NNP\nwon VBD\n", ": the last column holds no tags such as O, B-PER or I-PER; name the columns"),
    ("a.conll", "a O\nMara PER\nb O\n", ":2: word 'Mara': unknown tag 'PER'; expected O or B-, I- (E-, S-) and a type"),
    ("a.conll", b"Mara B-PER\nCaf\xe9 O\n", ":2: not UTF-8 (byte 0xe9); convert it first, for example: iconv -f"),
    ("a.csv", b"text,label\n\xff,a\n", ":2: not UTF-8 (byte 0xff); convert it first"),
    ("a.txt", "## a-1\n[PER Mara won\n", ":2: column 1: the PER entity 'Mara won' is never closed"),
    ("a.csv", "", ": the file holds no sentence"),
    ("a.csv", "text,label\n", ": the file holds no sentence"),
    ("a.csv", "words,label\nx,a\n", f":2: {NEEDS}; found words, label"),
    ("a.csv", "text;label\nx;a\n", f":2: {NEEDS}; found text;label"),
    ("a.csv", "text,gold\nx,a\n", f":2: {NEEDS}; found text, gold"),
    ("a.csv", "text,label\nx,a\nx,y,a\n", ":3: the wrong number of columns; the header names 2"),
    ("a.csv", "text,label\nx\n", ":2: the wrong number of columns; the header names 2"),
    ("a.csv", "text,label\n  ,a\n", ":2: the text is empty"),
    ("a.csv", "text,label\nx,\n", ":2: the label is empty"),
    ("a.csv", 'text,label\n"x"y,a\n', ":2: not valid csv ("),
    ("a.csv", 'text,label\nx,"a\n', ":2: not valid csv (unexpected end of data)"),
    ("a.jsonl", "\n", ": the file holds no sentence"),
    ("a.jsonl", '{"text": "x", "label": "a"}\n{"text": ', ":2: not valid JSON ("),
    ("a.jsonl", '\n["x", "a"]\n', ':2: expected an object, found \'["x", "a"]\''),
    ("a.jsonl", '{"tokens": "x", "tags": ["O"]}', ":1: 'tokens' and 'tags' must be lists of strings"),
    ("a.jsonl", '{"tokens": ["x"]}', f":1: {NEEDS}; found tokens"),
    ("a.jsonl", '{"tokens": ["x"], "tags": [0]}', ":1: 'tokens' and 'tags' must be lists of strings"),
    ("a.jsonl", '{"tokens": ["x", "y"], "tags": ["O"]}', ":1: 2 tokens and 1 tags; need as many, at least one"),
    ("a.jsonl", '{"tokens": [], "tags": []}', ":1: 0 tokens and 0 tags; need as many, at least one"),
    ("a.jsonl", '{"tokens": [" "], "tags": ["O"]}', ":1: an empty token"),
    ("a.jsonl", '{"tokens": ["x"], "tags": ["PER"]}', ":1: word 1 ('x'): unknown tag 'PER'"),
    ("a.jsonl", '{"text": " ", "label": "a"}', ":1: the text is empty"),
    ("a.jsonl", '{"text": 5, "label": "a"}', ":1: the text is empty"),
    ("a.jsonl", '{"text": "x", "label": ""}', ":1: the label is empty"),
    (
        "a.jsonl",
        '{"text": "x", "label": null}',
        ":1: a text has one label, a name or a number; found null",
    ),
    ("a.jsonl", '{"text": "x", "label": NaN}', ":1: a text has one label, a name or a number; found NaN"),
    ("a.csv", "text,text,label\nx,y,a", ":1: two columns are named 'text'"),
    ("a.jsonl", "{}", f":1: {NEEDS}; found nothing"),
    (
        "a.jsonl",
        '{"tokens": ["x"], "tags": ["O"]}\n{"text": "x", "label": "a"}',
        ":2: some lines hold tags and some labels",
    ),
    (
        "a.jsonl",
        '{"text": "x", "label": "a"}\n{"tokens": ["x"], "tags": ["O"]}',
        ":2: some lines hold tags and some labels",
    ),
]


@pytest.mark.parametrize(("name", "content", "message"), ERRORS)
def test_a_fault_is_named_with_file_and_line(write, name, content, message):
    path = write({name: content}) / name
    with pytest.raises(DataError) as error:
        read_file(path)
    assert str(error.value).startswith(f"{path}{message}")


@pytest.mark.parametrize("columns", [["token"], ["token", "pos"], ["token", "pos", "tag"]])
def test_column_names_that_do_not_fit(write, columns):
    path = write({"a.conll": "Mara B-PER\n"}) / "a.conll"
    with pytest.raises(DataError) as error:
        read_file(path, columns)
    expected = f"{path}: its 2 columns do not fit {columns}; name each, two of them 'token' and 'tag'"
    assert str(error.value) == expected
