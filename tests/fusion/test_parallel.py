import logging
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax

from tests.fusion.pair import (
    LABELS,
    classifier_pair,
    letters,
    member,
    mixture,
    permuted,
    rows_of,
    sentences,
    tagged,
    texts,
)
from tinykd.deploy.plain import PlainPredictor
from tinykd.errors import ModelError, SettingError
from tinykd.fusion import Parallel, fit_temperature, logits_by_name, row_macs, score_logits
from tinykd.fusion.calibration import by_word
from tinykd.fusion.parallel import fit_weights, mix
from tinykd.text import decode

TEXTS = ["Mara Low won 2-1 in Nice.", "Nice", "Low in Łódź . " * 9]
SPACES = ["logits", "probabilities"]


@pytest.fixture(scope="module")
def members(tokenizer):
    return {"teacher": member(tokenizer, 1, layers=4), "student": member(tokenizer, 2)}


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("name", ["teacher", "student"])
def test_all_the_weight_is_the_member(members, space, name):
    weights = {other: float(other == name) for other in members}
    fusion, dataset = Parallel(members, weights, space), sentences()
    assert list(fusion.predict(TEXTS)) == list(PlainPredictor(*members[name]).predict(TEXTS))
    costs = {other: row_macs(one, dataset).sum() for other, one in members.items()}
    assert fusion.cost(rows_of(dataset)) == pytest.approx(costs[name] / costs["teacher"])


def test_the_articles_average(members):
    dataset = sentences()
    fusion = Parallel(members, {"teacher": 0.5, "student": 0.5})
    teacher, student = (logits_by_name(one, LABELS, dataset) for one in members.values())
    for row, one, other in zip(fusion.logits(rows_of(dataset)), teacher, student, strict=True):
        np.testing.assert_allclose(row, (one + other) / 2, rtol=1e-5)
    student_cost = row_macs(members["student"], dataset).sum() / row_macs(members["teacher"], dataset).sum()
    assert fusion.cost(rows_of(dataset)) == pytest.approx(1 + student_cost)


def test_each_member_answers_at_its_own_temperature(members):
    dataset = sentences()
    fusion = Parallel(members, {"teacher": 0.5, "student": 0.5}, temperatures={"teacher": 2.0, "student": 4.0})
    teacher, student = (logits_by_name(one, LABELS, dataset) for one in members.values())
    for row, one, other in zip(fusion.logits(rows_of(dataset)), teacher, student, strict=True):
        np.testing.assert_allclose(row, one / 4 + other / 8, rtol=1e-4, atol=1e-6)


@given(st.floats(0, 1), st.integers(0, 1000))
def test_probabilities_are_mixed(weight, seed):
    one, other = np.random.default_rng(seed).normal(0, 5, (2, 4, 3))
    mixed = softmax(mix([one, other], [weight, 1 - weight], "probabilities"), -1)
    np.testing.assert_allclose(mixed, weight * softmax(one, -1) + (1 - weight) * softmax(other, -1), atol=1e-9)


def test_one_sure_member_wins_in_probabilities_and_not_in_logits():
    sure, calm = np.log([[0.01, 0.98, 0.01]]), np.log([[0.9, 1e-9, 0.1]])
    assert mix([sure, calm], [0.5, 0.5], "probabilities").argmax() == 1
    assert mix([sure, calm], [0.5, 0.5], "logits").argmax() == 0


@pytest.mark.parametrize("space", SPACES)
def test_known_weights_are_found(space):
    draw = np.random.default_rng(0)
    logits = draw.normal(0, 2, (3, 40_000, 4))
    truth = [0.6, 0.4, 0.0]
    probabilities = softmax(mix(logits, truth, space), -1)
    labels = (probabilities.cumsum(-1) < draw.random((len(probabilities), 1))).sum(-1).clip(0, 3)
    np.testing.assert_allclose(fit_weights(logits, labels, space), truth, atol=0.03)


@pytest.mark.parametrize("space", SPACES)
def test_fit_is_never_below_the_better_member_on_valid(members, space, tokenizer):
    valid = sentences(30)
    three = members | {"student-2": member(tokenizer, 3)}
    fusion = Parallel.fit(three, valid, space)
    best = max(score_logits(logits_by_name(one, LABELS, valid), valid) for one in three.values())
    assert score_logits(fusion.logits(rows_of(valid)), valid) >= best


@pytest.mark.parametrize("space", SPACES)
def test_fit_calibrates_each_member_and_weighs_the_calibrated_answers(members, space):
    valid = mixture(members.values())
    fusion = Parallel.fit(members, valid, space)
    calibrated, gold = [], None
    for name, one in members.items():
        logits, gold = by_word(logits_by_name(one, LABELS, valid), valid)
        assert fusion.temperatures[name] == fit_temperature(logits, gold) != pytest.approx(1, abs=0.1)
        calibrated.append(logits / fusion.temperatures[name])
    weights = fit_weights(np.stack(calibrated), gold, space)
    assert weights.min() > 0.05  # both are needed, and the fusion is better than either
    assert list(fusion.weights.values()) == pytest.approx(weights, abs=1e-3)


def test_a_member_that_is_always_wrong_gets_no_weight_at_all():
    draw = np.random.default_rng(1)
    right = draw.normal(0, 2, (500, 3))
    labels = right.argmax(-1)
    assert fit_weights(np.stack([right, -right]), labels, "logits").tolist() == [1, 0]


def test_a_fusion_is_fixed_and_is_itself_alone(members):
    one, other = (Parallel(members, {"teacher": 0.5, "student": 0.5}) for _ in range(2))
    with pytest.raises(AttributeError):
        one.space = "probabilities"
    assert len({one, other, one}) == 2


def test_a_fusion_that_gains_nothing_says_so_and_runs_one_model(members, caplog):
    dataset = sentences(30)
    right = [decode(row, LABELS) for row in logits_by_name(members["teacher"], LABELS, dataset)]
    valid = tagged(dataset["tokens"][:], right)
    with caplog.at_level(logging.WARNING, "tinykd"):
        fusion = Parallel.fit(members, valid)
    assert fusion.weights == {"teacher": 1, "student": 0}
    assert "gains nothing on these 30 rows: it scores 1.0000, the teacher alone 1.0000" in caplog.text
    assert fusion.cost(rows_of(valid)) == 1


def test_labels_are_matched_by_name_and_tokenizers_may_differ(tokenizer, members):
    half = {"teacher": 0.5, "student": 0.5}
    other = permuted(member(tokenizer, 2), [2, 0, 1])
    plain = list(Parallel(members, half).predict(TEXTS))
    assert list(Parallel(members | {"student": other}, half).predict(TEXTS)) == plain
    foreign = Parallel(members | {"student": member(letters(), 3)}, half)
    assert len(list(foreign.predict(TEXTS))) == len(TEXTS)


def test_classification(tokenizer):
    members = dict(zip(("teacher", "student"), classifier_pair(tokenizer), strict=True))
    fusion = Parallel.fit(members, texts(), "probabilities")
    assert {row.shape for row in fusion.logits(rows_of(texts()))} == {(1, 2)}


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"weights": {"teacher": 1.0}}, "^weights are for teacher; the members are teacher, student"),
        ({"weights": {"teacher": 0.5, "student": 0.6}}, "the sum 1"),
        ({"weights": {"teacher": 1.5, "student": -0.5}}, "at least 0"),
        ({"space": "words"}, "^space is 'words'"),
        ({"temperatures": {"teacher": 1, "student": 0}}, "above 0"),
        ({"temperatures": {"teacher": 1, "student": math.nan}}, "above 0"),
        ({"weights": {"teacher": math.nan, "student": math.nan}}, "at least 0"),
    ],
)
def test_impossible_settings_are_refused(members, settings, reason):
    with pytest.raises(SettingError, match=reason):
        Parallel(members, **{"weights": {"teacher": 0.5, "student": 0.5}, **settings})


def test_members_that_do_not_fit_are_refused(tokenizer, members):
    with pytest.raises(ModelError, match="the other and the teacher have other labels"):
        Parallel.fit(members | {"other": member(tokenizer, 0, labels=["O", "X", "Y"])}, sentences())
    with pytest.raises(ModelError, match=r"^a member is called '../x'"):
        Parallel({"../x": members["teacher"]}, {"../x": 1.0})
    with pytest.raises(ModelError, match="at least one member"):
        Parallel({}, {})
