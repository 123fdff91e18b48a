from collections import Counter

import pytest

from tinykd import data
from tinykd.data.corpora import EMBEDDED, SPLITS
from tinykd.evaluation import entity_scores
from tinykd.text import entities

FOLDER = EMBEDDED / "newswire"
TYPES = {"LOC", "MISC", "ORG", "PER"}


@pytest.fixture(scope="module")
def splits():
    return {split: data.read_file(FOLDER / f"{split}.txt") for split in SPLITS}


@pytest.fixture(scope="module")
def sentences(splits):
    return [[word.lower() for word in row["tokens"]] for rows in splits.values() for row in rows]


def names(rows):
    return [" ".join(row["tokens"][a:b]).lower() for row in rows for _, a, b in entities(row["tags"])]


def test_sizes(splits, sentences):
    assert len(sentences) >= 2000
    sizes = {split: len(rows) for split, rows in splits.items()}
    assert sizes == pytest.approx({"train": 1300, "valid": 250, "test": 450}, rel=0.1)


def test_every_split_has_every_kind_and_type(splits):
    kinds = [{row["kind"] for row in rows} for rows in splits.values()]
    assert len(kinds[0]) >= 10
    assert kinds[0] == kinds[1] == kinds[2]
    for rows in splits.values():
        assert {type_ for row in rows for type_, _, _ in entities(row["tags"])} == TYPES


def test_no_story_is_in_two_splits(splits):
    stories = Counter(story for rows in splits.values() for story in {row["story"] for row in rows})
    assert set(stories.values()) == {1}


def test_no_sentence_stands_twice(sentences):
    assert [words for words, n in Counter(map(tuple, sentences)).items() if n > 1] == []


def test_near_duplicates_are_rare(sentences):
    grams = Counter(gram for words in sentences for gram in {tuple(words[i : i + 5]) for i in range(len(words) - 4)})
    assert sum(n > 1 for n in grams.values()) / len(grams) <= 0.01


def test_most_entities_of_test_are_new(splits):
    seen, found = set(names(splits["train"])), names(splits["test"])
    for strings in (found, set(found)):
        assert sum(name in seen for name in strings) / len(strings) <= 0.4


def test_a_second_annotation_agrees(splits):
    second = data.read_file(FOLDER / "second_annotation.txt")
    assert [row["tokens"] for row in second] == [row["tokens"] for row in splits["test"]]
    scores = entity_scores([row["tags"] for row in splits["test"]], [row["tags"] for row in second])
    print(f"entity F1 of the second annotation: {scores['entity_f1']:.4f}")
    assert scores["entity_f1"] >= 0.9
