from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

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
        ("Łódź, Ærø und 東京。", ["Łódź", ",", "Ærø", "und", "東京", "。"]),
        ("ok👍🏽!", ["ok", "👍", "🏽", "!"]),
        ("", []),
        (" \t\n\u00a0 ", []),
    ],
)
def test_words(text, expected):
    assert [word.text for word in words(text)] == expected


@given(st.text() | st.text(alphabet="aB1 .'’&-\t,é👍", max_size=30))
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
