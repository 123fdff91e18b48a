from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers.normalizers import BertNormalizer

from tinykd.data import words
from tinykd.text import classified, tagged


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Orkla's J. Ilves won 2-1 in the U.S.", ["Orkla", "'s", "J.", "Ilves", "won", "2-1", "in", "the", "U.S."]),
        ("a left-wing O’Neill of B&O", ["a", "left-wing", "O’Neill", "of", "B&O"]),
        ("Mr. Low and St. Ives Inc. sued", ["Mr.", "Low", "and", "St.", "Ives", "Inc.", "sued"]),
        ("the end of Plan B.", ["the", "end", "of", "Plan", "B", "."]),
        ("They're 3.5% up, 1,200 at 10:30", ["They", "'re", "3.5", "%", "up", ",", "1,200", "at", "10:30"]),
        ('"No" -- the 40th...', ['"', "No", '"', "--", "the", "40th", "..."]),
        ("no. Then plan b. Next", ["no", ".", "Then", "plan", "b", ".", "Next"]),
        ("No. Then a sales rep. Next", ["No", ".", "Then", "a", "sales", "rep", ".", "Next"]),
        ("No. 5, no. 6, MR. HOPE, mr. hope", ["No.", "5", ",", "no.", "6", ",", "MR.", "HOPE", ",", "mr.", "hope"]),
        ("Ilves (8-3) d. Low", ["Ilves", "(", "8-3", ")", "d.", "Low"]),
        ("ORKLA'S U.S. p.m. unit", ["ORKLA", "'S", "U.S.", "p.m.", "unit"]),
        ("Łódź, Ærø und 東京。", ["Łódź", ",", "Ærø", "und", "東", "京", "。"]),
        ("王小明在北京工作", list("王小明在北京工作")),
        ("トヨタは2020年に𠮷野家と", [*"トヨタは", "2020", *"年に𠮷野家と"]),
        ("在J. Low的U.S. Steel公司", ["在", "J.", "Low", "的", "U.S.", "Steel", "公", "司"]),
        ("か\u3099き ﾄﾞﾗ 葛\U000e0100城", ["か\u3099", "き", "ﾄﾞ", "ﾗ", "葛\U000e0100", "城"]),
        ("서울에서 Low를", ["서울에서", "Low를"]),
        ("ok👍🏽!", ["ok", "👍", "🏽", "!"]),
        ("", []),
        (" \t\n\u00a0 ", []),
    ],
)
def test_words(text, expected):
    assert [word.text for word in words(text)] == expected


@pytest.mark.parametrize("letter", "abcdefghijklmnopqrstuvwxyz")
def test_a_small_letter_at_the_end_of_a_sentence_is_no_initial(letter):
    assert [word.text for word in words(f"plan {letter}. Next")] == ["plan", letter, ".", "Next"]


def test_every_han_character_of_bert_is_a_word():
    han = [chr(code) for code in range(0x3000, 0x30000) if not 0xD800 <= code < 0xE000]
    alone = [one for one in han if BertNormalizer().normalize_str(f"a{one}b") == f"a {one} b"]
    assert len(alone) > 70_000
    assert not [one for one in alone if [word.text for word in words(f"a{one}b")] != ["a", one, "b"]]


@given(st.text() | st.text(alphabet="aB1 .'’&-\t,é👍王の\u3099", max_size=30))
def test_offsets_reproduce_the_text_and_only_white_space_is_dropped(text):
    found = words(text)
    assert [text[word.start : word.end] for word in found] == [word.text for word in found]
    assert all(one.end <= other.start for one, other in pairwise(found))
    assert "".join(word.text for word in found) == "".join(text.split())


@pytest.mark.parametrize("shift", [0.0, 1000.0])  # what is added to every logit of a word changes nothing
def test_an_entity_scores_as_its_least_certain_word(shift):
    text, names = "Mara Hope won", ["O", "B-PER", "I-PER"]
    shares = np.array([[0.1, 0.7, 0.2], [0.25, 0.12338, 0.62662], [0.9, 0.05, 0.05]])
    logits = np.log(shares) + shift * np.array([[0.0], [1.0], [-1.0]])
    person = {"type": "PER", "text": "Mara Hope", "start": 0, "end": 9, "score": 0.6266}
    assert tagged(text, words(text), logits, names) == {"text": text, "entities": [person]}
    assert classified(text, logits[1:2], names) == {"text": text, "label": "I-PER", "score": 0.6266}


def test_an_entity_inside_a_clause_has_offsets_in_characters():
    text, names = "👍𠮷田在北京工作", ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
    logits = np.eye(5)[[0, 1, 2, 0, 3, 4, 0, 0]] * 9
    found = [(e["type"], e["text"], e["start"], e["end"]) for e in tagged(text, words(text), logits, names)["entities"]]
    assert found == [("PER", "𠮷田", 1, 3), ("LOC", "北京", 4, 6)]
