import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fusion.pair import LABELS, disagreeing, tagged, texts
from tinykd.errors import SettingError
from tinykd.evaluation import entity_scores
from tinykd.fusion import Curve, choose, confidence_of_row, confidence_of_words, curve, pareto, score_logits
from tinykd.text import decode

points = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=12)


def fused(student, teacher, threshold, by):
    """Do at one threshold, row by row, what the curve does for all."""
    rows, deferred = [], []
    for one, other in zip(student, teacher, strict=True):
        deferred.append(confidence_of_row(one, by) < threshold)
        if by == "word":
            rows.append(np.where((confidence_of_words(one) < threshold)[:, None], other, one))
        else:
            rows.append(other if deferred[-1] else one)
    return rows, np.array(deferred)


@pytest.mark.parametrize("by", ["entropy", "lowest", "product", "word"])
@given(case=disagreeing())
def test_the_curve_is_the_cascade_at_every_threshold(by, case):
    dataset, student, teacher = case
    costs = np.arange(1.0, len(student) + 1)
    found = curve(student, teacher, dataset, 0.25, costs, by)
    assert (np.diff(found.thresholds) > 0).all()
    assert (np.diff(found.costs) >= 0).all()
    gold = [[LABELS[k] for k in row] for row in dataset["labels"]]
    for i in range(len(found.thresholds)):
        point = found[i]
        rows, deferred = fused(student, teacher, point.threshold, by)
        tags = [[LABELS[k] for k in decode(row, LABELS)] for row in rows]
        assert point.score == pytest.approx(entity_scores(gold, tags)["entity_f1"])
        assert point.score == pytest.approx(score_logits(rows, dataset))
        assert point.cost == pytest.approx(0.25 + costs[deferred].sum() / costs.sum())
        assert point.deferral_rate == pytest.approx(deferred.mean())


@given(disagreeing())
def test_the_ends_are_the_members(case):
    dataset, student, teacher = case
    found = curve(student, teacher, dataset, 0.4, np.ones(len(student)))
    first, last = found[0], found[-1]
    assert (first.threshold, first.cost, first.deferral_rate) == (0, 0.4, 0)
    assert first.score == pytest.approx(score_logits(student, dataset))
    assert (last.cost, last.deferral_rate) == pytest.approx((1.4, 1))
    assert last.score == pytest.approx(score_logits(teacher, dataset))


def test_words_cost_as_much_as_sentences_and_answer_otherwise():
    dataset = tagged([["Mara", "won"]], [[1, 0]])
    student = [np.array([[0, 1, 0], [9, 0, 0]], np.float32)]  # right on both words, not sure of the first
    teacher = [np.array([[0, 9, 0], [0, 9, 0]], np.float32)]  # wrong on the second
    by_lowest, by_word = (curve(student, teacher, dataset, 0.2, np.ones(1), by) for by in ("lowest", "word"))
    assert by_lowest.scores.tolist() == [1, pytest.approx(2 / 3)]
    assert by_word.scores.tolist() == [1, 1, pytest.approx(2 / 3)]
    assert by_word.costs.tolist() == [0.2, 1.2, 1.2]


def test_classification_is_scored_by_accuracy():
    dataset = texts(4)
    right = [np.eye(2)[[k]] for k in dataset["label"]]
    wrong = [1 - row for row in right]
    assert (
        score_logits(right, dataset),
        score_logits(wrong, dataset),
        score_logits(right[:2] + wrong[2:], dataset),
    ) == (1, 0, 0.5)
    student = [row * sure for row, sure in zip(wrong, (1, 2, 3, 4), strict=True)]
    found = curve(student, right, dataset, 0.5, np.ones(4))
    assert found.scores.tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert found.costs.tolist() == pytest.approx([0.5, 0.75, 1, 1.25, 1.5])


@given(points)
def test_nothing_beats_the_front(values):
    costs, scores = np.array(values, float).T
    front = pareto(costs, scores)

    def beats(i, j):
        better = costs[i] < costs[j] or scores[i] > scores[j]
        return costs[i] <= costs[j] and scores[i] >= scores[j] and better

    everything = range(len(values))
    assert not any(beats(i, j) for i in everything for j in front)
    on_front = {(costs[j], scores[j]) for j in front}
    assert len(on_front) == len(front)
    for j in everything:
        assert (costs[j], scores[j]) in on_front or any(beats(i, j) for i in front)
    assert (np.diff(costs[front]) > 0).all()
    assert (np.diff(scores[front]) > 0).all()


@given(points, st.integers(0, 7))
def test_choose_spends_no_more_than_the_budget(values, budget):
    costs, scores = np.array(sorted(values), float).T
    found = Curve(np.arange(len(costs), dtype=float), costs, scores, costs)
    within = [s for c, s in zip(costs, scores, strict=True) if c <= budget]
    if not within:
        with pytest.raises(SettingError, match="the student alone costs"):
            choose(found, budget=budget)
        return
    point = choose(found, budget=budget)
    assert point.cost <= budget
    assert point.score == max(within)
    assert point.cost == min(c for c, s in zip(costs, scores, strict=True) if s == point.score)


@given(points, st.floats(0, 1))
def test_choose_takes_the_cheapest_that_keeps_the_target(values, target):
    costs, scores = np.array(sorted(values), float).T
    found = Curve(np.arange(len(costs), dtype=float), costs, scores, costs)
    point = choose(found, target=target)
    assert point.score >= target * scores[-1]
    assert point.cost == min(c for c, s in zip(costs, scores, strict=True) if s >= target * scores[-1])


@pytest.mark.parametrize("wish", [{}, {"budget": 1.0, "target": 0.9}, {"target": 1.5}])
def test_wishes_that_cannot_be_met(wish):
    found = Curve(*np.array([[0.0, 2.0], [0.3, 1.3], [0.5, 0.8], [0.0, 1.0]]))
    with pytest.raises(SettingError, match=r"^(give either|target is 1.500 .* reaches 1.000)"):
        choose(found, **wish)


def test_an_unknown_confidence_is_refused():
    with pytest.raises(SettingError, match=r"^confidence is 'page'; expected one of entropy, lowest, product, word$"):
        confidence_of_row(np.zeros((1, 2)), "page")


def test_confidences_by_hand():
    row = np.log([[0.7, 0.2, 0.1], [0.5, 0.25, 0.25]]).astype(np.float32)
    assert confidence_of_words(row) == pytest.approx([0.7, 0.5])
    assert confidence_of_row(row, "lowest") == confidence_of_row(row, "word") == pytest.approx(0.5)
    assert confidence_of_row(row, "product") == pytest.approx(0.7 * 0.5)
    assert confidence_of_row(np.zeros((4, 3)), "entropy") == pytest.approx(0)
    assert confidence_of_row(np.eye(3) * 1000, "entropy") == pytest.approx(1)
    half = np.array([[0, 0, -1000.0, -1000.0]])
    assert confidence_of_row(half, "entropy") == pytest.approx(0.5)


def test_entropy_is_a_number_where_a_probability_is_0_and_where_there_is_one_class():
    assert confidence_of_row(np.array([[0.0, -np.inf]])) == 1
    assert confidence_of_row(np.zeros((2, 1))) == 1
