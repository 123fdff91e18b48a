import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax

from tests.fusion.pair import sentences, texts
from tinykd.errors import SettingError
from tinykd.fusion import by_word, expected_calibration_error, fit_temperature, reliability


def labels_of(probabilities, draw):
    """Draw labels with just these probabilities: the perfectly calibrated world."""
    return (probabilities.cumsum(-1) < draw.random((len(probabilities), 1))).sum(-1).clip(0, probabilities.shape[1] - 1)


@pytest.fixture(scope="module")
def world():
    draw = np.random.default_rng(0)
    logits = draw.normal(0, 2, (40_000, 5))
    return logits, labels_of(softmax(logits, -1), draw)


def test_who_says_what_is_so_has_no_error(world):
    logits, labels = world
    assert expected_calibration_error(softmax(logits, -1), labels) < 0.01
    assert expected_calibration_error(softmax(3 * logits, -1), labels) > 0.1


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_a_known_temperature_is_found(world, temperature):
    logits, labels = world
    assert fit_temperature(temperature * logits, labels) == pytest.approx(temperature, rel=0.03)


def test_temperature_scaling_mends_the_error(world):
    logits, labels = world
    over = (3 * logits).astype(np.float32)
    assert expected_calibration_error(softmax(over / fit_temperature(over, labels), -1), labels) < 0.01


def test_the_error_by_hand():
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.4, 0.6], [0.4, 0.6]])
    labels = np.array([0, 1, 1, 1])
    # two words at 0.9 of which half are right, two at 0.6 that are both right
    assert expected_calibration_error(probabilities, labels, bins=10) == pytest.approx(0.5 * 0.4 + 0.5 * 0.4)
    # one bin: the mean confidence 0.75 against the accuracy 0.75
    assert expected_calibration_error(probabilities, labels, bins=1) == pytest.approx(0)
    table = reliability(probabilities, labels, bins=10)
    assert table["share"].tolist() == [0, 0, 0, 0, 0, 0.5, 0, 0, 0.5, 0]  # a border belongs to the bin below it
    assert table["accuracy"][[5, 8]].tolist() == [1, 0.5]
    assert np.isnan(table["accuracy"][0])


@given(st.integers(1, 30), st.integers(1, 20), st.integers(0, 1000))
def test_the_table_agrees_with_its_own_words(words, bins, seed):
    draw = np.random.default_rng(seed)
    probabilities = softmax(draw.normal(0, 3, (words, 3)), -1)
    labels = draw.integers(0, 3, words)
    table = reliability(probabilities, labels, bins)
    assert table["share"].sum() == pytest.approx(1)
    assert np.nansum(table["share"] * table["accuracy"]) == pytest.approx((probabilities.argmax(-1) == labels).mean())
    full = table["share"] > 0
    assert (table["confidence"][full] > table["lower"][full] - 1e-12).all()
    assert (table["confidence"][full] <= table["upper"][full] + 1e-12).all()
    assert 0 <= expected_calibration_error(probabilities, labels, bins) <= 1


def test_a_model_without_mistakes_keeps_its_temperature():
    for gap in (0.5, 1, 5, 20, 800):
        assert fit_temperature(gap * np.eye(3), np.arange(3)) == 1
    doubtful = np.log([[0.42, 0.3, 0.28]])
    assert softmax(doubtful / fit_temperature(doubtful, np.array([0])), -1).max() == pytest.approx(0.42)


def test_few_mistakes_move_the_temperature_a_little_and_many_as_far_as_the_likelihood_wants(world):
    logits, labels = world
    right = logits.argmax(-1) == labels
    moved = []
    for wrong in (0, 1, 10, 1000):
        part = np.concatenate([np.flatnonzero(right)[: 3 * wrong + 100], np.flatnonzero(~right)[:wrong]])
        moved.append(abs(np.log(fit_temperature(3 * logits[part], labels[part]))))
    assert moved[0] == 0 and moved[1] < 0.3 and moved == sorted(moved)


def test_a_temperature_needs_words_and_numbers():
    for logits in (np.zeros((0, 3)), np.full((3, 3), np.nan)):
        with pytest.raises(SettingError, match="words with finite logits"):
            fit_temperature(logits, np.arange(len(logits)))


def test_words_of_a_corpus_stand_under_one_another():
    tagging, classification = sentences(3), texts(3)
    rows = [np.full((len(labels), 3), i, np.float32) for i, labels in enumerate(tagging["labels"])]
    logits, labels = by_word(rows, tagging)
    assert logits.shape == (len(labels), 3)
    assert labels.tolist() == [k for row in tagging["labels"] for k in row]
    logits, labels = by_word([np.zeros((1, 2))] * 3, classification)
    assert (logits.shape, labels.tolist()) == ((3, 2), classification["label"][:])
