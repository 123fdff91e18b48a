"""Static samples: how many of which, and the same again."""

import math

import numpy as np
import pytest
from datasets import Array2D, ClassLabel, Dataset, Features, Value
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.samples.sentences import FEATURES, corpora
from tinykd import samples
from tinykd.errors import DataError, SettingError
from tinykd.samples.selection import allocate, uncertainty

few = settings(max_examples=25)


def messages(*counts, names="abcdefgh"):
    """So many texts of each label, by turns."""
    rows = [(n, k) for k, count in enumerate(counts) for n in range(count)]
    features = Features({"text": Value("string"), "label": ClassLabel(names=list(names[: len(counts)]))})
    texts = {"text": [f"{k} {n}" for n, k in sorted(rows)], "label": [k for _, k in sorted(rows)]}
    return Dataset.from_dict(texts, features=features)


def predicted(*rows):
    """A transfer set whose teacher predicted this: a list of logits per word."""
    features = Features({"text": Value("string"), "teacher_logits": Array2D((None, len(rows[0][0])), "float16")})
    return Dataset.from_dict({"text": [str(i) for i in range(len(rows))], "teacher_logits": list(rows)}, features)


@few
@given(corpora(), st.data(), st.sampled_from(["random", "stratified"]), st.integers(0, 3))
def test_so_many_rows_in_the_order_of_the_corpus_and_the_same_again(corpus, data, rule, seed):
    size = data.draw(st.integers(1, len(corpus)))
    chosen = samples.select(corpus, size, rule, seed)
    assert chosen.features == corpus.features
    assert chosen["kind"][:] == [kind for kind in corpus["kind"] if kind in set(chosen["kind"])]
    assert len(set(chosen["kind"])) == size
    assert samples.select(corpus, size, rule, seed).to_list() == chosen.to_list()


@few
@given(st.integers(2, 60), st.data(), st.integers(0, 3))
def test_a_smaller_random_selection_is_part_of_a_larger(rows, data, seed):
    corpus = messages(rows)
    small, large = sorted(data.draw(st.tuples(st.integers(1, rows), st.integers(1, rows))))
    one, other = (set(samples.select(corpus, size, seed=seed)["text"]) for size in (small, large))
    assert one <= other


def test_random_means_that_every_row_has_the_same_chance():
    corpus = messages(10)
    drawn = [text for seed in range(200) for text in samples.select(corpus, 5, seed=seed)["text"]]
    counts = np.unique(drawn, return_counts=True)[1]
    assert len(counts) == 10
    assert abs(counts - 100).max() < 35  # five standard deviations


@pytest.mark.parametrize(
    ("counts", "size", "places"), [([70, 25, 4, 1], 10, [6, 2, 1, 1]), ([90, 9, 1], 10, [8, 1, 1]), ([3, 1], 1, [1, 0])]
)
def test_places_worked_out_by_hand(counts, size, places):
    assert allocate(np.array(counts), size).tolist() == places


@given(st.lists(st.integers(1, 500), min_size=1, max_size=12), st.data())
def test_the_places_of_the_strata(counts, data):
    counts = np.array(counts)
    size = data.draw(st.integers(1, int(counts.sum())))
    places = allocate(counts, size)
    assert places.sum() == size
    assert (places >= 0).all() and (places <= counts).all()
    if size >= len(counts):
        assert (places >= 1).all()
    if (size * counts / counts.sum() >= 1).all():  # nobody is lifted to one: the quota rule holds
        assert (abs(places - size * counts / counts.sum()) < 1).all()


@few
@given(st.lists(st.integers(1, 30), min_size=1, max_size=6), st.data())
def test_a_stratified_selection_has_the_places_it_was_given(counts, data):
    corpus = messages(*counts)
    size = data.draw(st.integers(1, sum(counts)))
    found = np.bincount(samples.select(corpus, size, "stratified")["label"], minlength=len(counts))
    assert found.tolist() == allocate(np.array(counts), size).tolist()


def test_a_sentence_belongs_to_the_rarest_type_in_it():
    rows = {
        "tokens": [["a"], ["Nice"], ["Nice", "Mara"], ["Nice"]],
        "labels": [[0], [1], [1, 3], [1]],
        "kind": [""] * 4,
    }
    corpus = Dataset.from_dict(rows, features=FEATURES)
    # Three strata: "O", "LOC" and, although a place is in it, "PER".
    for seed in range(5):
        chosen = samples.select(corpus, 3, "stratified", seed)
        assert [3 in labels for labels in chosen["labels"]].count(True) == 1
        assert [0] in chosen["labels"][:]


@few
@given(st.lists(st.integers(1, 4), min_size=1, max_size=6), st.integers(2, 5))
def test_a_teacher_that_knows_nothing_has_the_entropy_of_the_classes(lengths, classes):
    corpus = predicted(*([[0.25] * classes] * words for words in lengths))
    np.testing.assert_allclose(uncertainty(corpus), math.log(classes), rtol=1e-6)


def test_entropy_in_closed_form():
    odds = [math.log(3), 0.0]  # 3 : 1
    of_odds = math.log(4) - 0.75 * math.log(3)
    found = uncertainty(predicted([odds], [odds, [30.0, 0.0]], [[30.0, 0.0]]))
    np.testing.assert_allclose(found, [of_odds, of_odds / 2, 0.0], atol=1e-3)  # logits are kept in 16 bits


def test_uncertain_takes_the_rows_with_the_highest_entropy():
    corpus = predicted(*([[float(sure), 0.0]] * (1 + sure % 3) for sure in (5, 1, 4, 0, 3, 2)))
    assert samples.select(corpus, 3, "uncertain")["text"][:] == ["1", "3", "5"]
    assert samples.select(corpus.select([0, 2, 4]), 1, "uncertain")["text"][:] == ["4"]


def test_impossible_wishes():
    corpus = messages(3)
    for size in (0, 4):
        with pytest.raises(SettingError, match=f"size is {size}; this corpus can give 1 to 3 rows"):
            samples.select(corpus, size)
    with pytest.raises(SettingError, match="rule is 'best'; expected one of random, stratified, uncertain"):
        samples.select(corpus, 1, "best")
    with pytest.raises(DataError, match="no column teacher_logits"):
        samples.select(corpus, 1, "uncertain")
    with pytest.raises(DataError, match="no labels here"):
        samples.select(corpus.select_columns("text"), 1, "stratified")
