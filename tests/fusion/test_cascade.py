import numpy as np
import pytest
from transformers import BertForSequenceClassification

from tests.fusion.pair import LABELS, classifier_pair, letters, member, mixture, permuted, rows_of, sentences, texts
from tinykd import models
from tinykd.deploy.plain import PlainPredictor
from tinykd.errors import DataError, ModelError, SettingError
from tinykd.fusion import (
    Cascade,
    choose,
    confidence_of_row,
    confidence_of_words,
    curve,
    fit_temperature,
    logits_by_name,
    row_macs,
    score_logits,
)
from tinykd.fusion.calibration import by_word
from tinykd.models import inference

TEXTS = ["Mara Low won 2-1 in Nice.", "Nice", "Low in Łódź . " * 9, "won 2-1", "Mara . Mara"]


def spans(answer):
    """The answer without its scores, whose last digit may differ."""
    return [(found["type"], found["start"], found["end"]) for found in answer["entities"]]


@pytest.fixture(scope="module")
def pair(tokenizer):
    return member(tokenizer, 1, layers=4), member(tokenizer, 2)


@pytest.fixture(scope="module")
def middle(pair):
    """A threshold that parts the rows of ``sentences()`` into halves."""
    sure = [confidence_of_row(row, "lowest") for row in logits_by_name(pair[1], LABELS, sentences())]
    return float(np.median(sure))


def test_threshold_0_is_the_student(pair):
    cascade, dataset = Cascade(*pair, threshold=0), sentences()
    assert list(cascade.predict(TEXTS)) == list(PlainPredictor(*pair[1]).predict(TEXTS))
    rows, deferred = cascade.route(rows_of(dataset))
    assert not deferred.any()
    teacher, student = (row_macs(one, dataset).sum() for one in pair)
    assert cascade.cost(rows_of(dataset), deferred) == pytest.approx(student / teacher)
    assert len(rows) == len(dataset)


@pytest.mark.parametrize("by", ["entropy", "lowest", "product", "word"])
def test_above_1_is_the_teacher(pair, by):
    cascade, dataset = Cascade(*pair, threshold=1.01, confidence=by), sentences()
    assert list(cascade.predict(TEXTS)) == list(PlainPredictor(*pair[0]).predict(TEXTS))
    _, deferred = cascade.route(rows_of(dataset))
    teacher, student = (row_macs(one, dataset).sum() for one in pair)
    assert cascade.cost(rows_of(dataset), deferred) == pytest.approx(1 + student / teacher)


@pytest.mark.parametrize("by", ["lowest", "word"])
def test_any_batch_size_gives_the_same_predictions(pair, middle, by, monkeypatch):
    cascade, texts = Cascade(*pair, threshold=middle, confidence=by), rows_of(sentences())
    monkeypatch.setattr(inference, "BATCH", 1)
    rows, deferred = cascade.route(texts)
    one = [spans(a) for a in cascade.predict(TEXTS)]
    assert 0 < deferred.sum() < len(deferred)
    for size in (3, 8):
        monkeypatch.setattr(inference, "BATCH", size)
        same, as_well = cascade.route(texts)
        np.testing.assert_array_equal(deferred, as_well)
        for row, other in zip(rows, same, strict=True):
            np.testing.assert_allclose(row, other, atol=1e-4)
        assert [spans(a) for a in cascade.predict(TEXTS)] == one


def test_the_teacher_gets_full_batches_of_uncertain_rows(pair, middle, monkeypatch):
    cascade, dataset = Cascade(*pair, middle, "lowest"), sentences(40)
    sizes = []
    monkeypatch.setattr(inference, "BATCH", 4)
    hook = pair[0][0].register_forward_pre_hook(
        lambda module, args, kwargs: sizes.append(len(kwargs["input_ids"])), with_kwargs=True
    )
    _, deferred = cascade.route(rows_of(dataset))
    hook.remove()
    assert sum(sizes) == deferred.sum()
    assert set(sizes[:-1]) == {4}


def test_the_teacher_predicts_a_row_or_its_words(pair, middle):
    dataset = sentences()
    teacher, student = (logits_by_name(one, LABELS, dataset) for one in pair)
    by_row, deferred = Cascade(*pair, threshold=middle, confidence="lowest").route(rows_of(dataset))
    by_word, same = Cascade(*pair, threshold=middle, confidence="word").route(rows_of(dataset))
    np.testing.assert_array_equal(deferred, same)
    mixed = 0
    for i, row in enumerate(deferred):
        np.testing.assert_allclose(by_row[i], (teacher if row else student)[i], atol=1e-4)
        from_teacher = np.isclose(by_word[i], teacher[i], atol=1e-4).all(-1)
        from_student = np.isclose(by_word[i], student[i], atol=1e-4).all(-1)
        assert (from_teacher | from_student).all()
        mixed += from_teacher.any() and from_student.any()
    assert mixed


@pytest.mark.parametrize("by", ["entropy", "lowest", "product", "word"])
def test_the_cascade_does_what_its_curve_promised(pair, by):
    dataset = sentences(30)
    teacher, student = (logits_by_name(one, LABELS, dataset) for one in pair)
    costs = [row_macs(one, dataset) for one in pair]
    found = curve(student, teacher, dataset, costs[1].sum() / costs[0].sum(), costs[0], by)
    point = choose(found, budget=0.7)
    cascade = Cascade(*pair, threshold=point.threshold, confidence=by)
    rows, deferred = cascade.route(rows_of(dataset))
    assert cascade.cost(rows_of(dataset), deferred) == pytest.approx(point.cost)
    assert deferred.mean() == pytest.approx(point.deferral_rate)
    assert score_logits(rows, dataset) == pytest.approx(point.score)


@pytest.mark.parametrize("by", ["entropy", "word"])
def test_fit_calibrates_and_keeps_the_budget(pair, by):
    valid = sentences(30)
    cascade = Cascade.fit(*pair, valid, budget=0.6, confidence=by)
    rows, deferred = cascade.route(rows_of(valid))
    assert cascade.cost(rows_of(valid), deferred) <= 0.6
    assert score_logits(rows, valid) >= score_logits(logits_by_name(pair[1], LABELS, valid), valid)
    assert cascade.temperatures["student"] > 1  # random labels: nobody may be sure
    kept = Cascade.fit(*pair, valid, target=1.0, confidence=by)
    assert score_logits(kept.logits(rows_of(valid)), valid) >= score_logits(
        logits_by_name(pair[0], LABELS, valid), valid
    )


@pytest.mark.parametrize("by", ["lowest", "word"])
def test_as_sure_as_the_threshold_is_sure_enough(pair, by):
    dataset = sentences()
    student = logits_by_name(pair[1], LABELS, dataset)
    sure = [confidence_of_row(row, by) for row in student]
    least = int(np.argmin(sure))
    assert not Cascade(*pair, sure[least], by).route(rows_of(dataset))[1].any()
    above = Cascade(*pair, np.nextafter(sure[least], 1.0), by)
    assert above.route(rows_of(dataset))[1].tolist() == [confidence <= sure[least] for confidence in sure]
    np.testing.assert_allclose(
        Cascade(*pair, sure[least], by).logits(rows_of(dataset))[least], student[least], atol=1e-4
    )


def test_a_word_as_sure_as_the_threshold_stays_the_students(pair):
    dataset = sentences()
    student = logits_by_name(pair[1], LABELS, dataset)
    longest = int(np.argmax([len(row) for row in student]))
    sure = confidence_of_words(student[longest])
    least, next_one = np.argsort(sure)[:2]
    rows, deferred = Cascade(*pair, sure[next_one], "word").route(rows_of(dataset.select([longest])))
    teacher = logits_by_name(pair[0], LABELS, dataset.select([longest]))[0]
    assert deferred.all()
    for word in range(len(sure)):
        expected = teacher if word == least else student[longest]
        np.testing.assert_allclose(rows[0][word], expected[word], atol=1e-4)


def test_the_threshold_is_chosen_among_calibrated_answers(pair):
    valid, rows, temperatures = mixture(pair), [], []
    for one in pair:
        logits = logits_by_name(one, LABELS, valid)
        temperatures.append(fit_temperature(*by_word(logits, valid)))
        rows.append([row / temperatures[-1] for row in logits])
    costs = [row_macs(one, valid) for one in pair]
    found = curve(rows[1], rows[0], valid, costs[1].sum() / costs[0].sum(), costs[0])
    cascade = Cascade.fit(*pair, valid, budget=0.6)
    assert list(cascade.temperatures.values()) == temperatures
    assert temperatures[0] != pytest.approx(temperatures[1], rel=0.01)
    assert cascade.threshold == pytest.approx(choose(found, budget=0.6).threshold)


def test_the_teacher_predicts_at_its_own_temperature(pair):
    dataset, plain = sentences(), Cascade(*pair, threshold=2.0)
    warm = Cascade(*pair, threshold=2.0, temperatures={"teacher": 3.0, "student": 1.0})
    for row, expected in zip(warm.logits(rows_of(dataset)), plain.logits(rows_of(dataset)), strict=True):
        np.testing.assert_allclose(3 * row, expected, rtol=1e-5)


def test_what_was_fitted_is_said_and_stays(pair, caplog):
    valid = sentences(30)
    with caplog.at_level("INFO", "tinykd"):
        cascade = Cascade.fit(*pair, valid, budget=0.6)
    rows, deferred = cascade.route(rows_of(valid))
    cost, teachers = cascade.cost(rows_of(valid), deferred), score_logits(logits_by_name(pair[0], LABELS, valid), valid)
    assert caplog.messages[-1] == (
        f"cascade on 30 rows: {100 * deferred.mean():.1f} % go to the teacher, at {cost:.3f} of its cost; "
        f"score {score_logits(rows, valid):.4f}, the teacher's {teachers:.4f}"
    )
    with pytest.raises(AttributeError):
        cascade.threshold = 0.5
    assert len({cascade, Cascade(*pair, 0.5), cascade}) == 2


def test_temperatures_change_confidence_and_no_prediction(pair, middle):
    dataset = sentences()
    cold, warm = (Cascade(*pair, middle, "lowest", {"teacher": 1.0, "student": t}) for t in (1.0, 3.0))
    assert warm.route(rows_of(dataset))[1].sum() > cold.route(rows_of(dataset))[1].sum()
    alone = Cascade(*pair, threshold=0, temperatures={"teacher": 1.0, "student": 3.0})
    for row, plain in zip(alone.logits(rows_of(dataset)), logits_by_name(pair[1], LABELS, dataset), strict=True):
        np.testing.assert_allclose(3 * row, plain, rtol=1e-5)


def test_labels_are_matched_by_name(tokenizer, pair, middle):
    other = permuted(member(tokenizer, 2), [2, 0, 1])
    assert models.label_names(other[0].config) == ["I-PER", "O", "B-PER"]
    for threshold in (0, middle):
        one = list(Cascade(pair[0], pair[1], threshold).predict(TEXTS))
        assert list(Cascade(pair[0], other, threshold).predict(TEXTS)) == one
    assert list(Cascade(other, pair[0], 0).predict(TEXTS)) == list(PlainPredictor(*pair[0]).predict(TEXTS))


def test_members_may_have_their_own_tokenizers(pair):
    student, dataset = member(letters(), 3), sentences()
    for threshold, alone in ((0, student), (2, pair[0])):
        assert list(Cascade(pair[0], student, threshold).predict(TEXTS)) == list(PlainPredictor(*alone).predict(TEXTS))
    rows, deferred = Cascade(pair[0], student, 0.6, confidence="word").route(rows_of(dataset))
    assert deferred.any()
    assert [len(row) for row in rows] == [len(words) for words in dataset["tokens"]]


def test_classification(tokenizer):
    teacher, student = classifier_pair(tokenizer)
    dataset = texts()
    sure = [confidence_of_row(row) for row in logits_by_name(student, ["bad", "good"], dataset)]
    rows, deferred = Cascade(teacher, student, float(np.median(sure))).route(rows_of(dataset))
    assert deferred.sum() == len(dataset) / 2
    assert {row.shape for row in rows} == {(1, 2)}
    assert list(Cascade(teacher, student, 2).predict(TEXTS)) == list(PlainPredictor(*teacher).predict(TEXTS))


def test_what_cannot_predict_as_one_is_refused(tokenizer, pair):
    with pytest.raises(ModelError, match="the student and the teacher have other labels"):
        Cascade(pair[0], member(tokenizer, 0, labels=["O", "B-LOC", "I-LOC"]), 0.5)
    with pytest.raises(ModelError, match=r"^the teacher was made for tagging, the student for classification"):
        Cascade(pair[0], member(tokenizer, 0, kind=BertForSequenceClassification), 0.5)
    with pytest.raises(ModelError, match="the model knows 50 subword tokens"):
        Cascade(pair[0], member(tokenizer, 0, vocabulary=50), 0.5)
    with pytest.raises(ModelError, match="the model and the corpus have other labels"):
        Cascade.fit(*pair, texts(), budget=1.0)


@pytest.mark.parametrize(
    "setting",
    [
        {"threshold": -0.1},
        {"threshold": float("nan")},
        {"temperatures": {"teacher": 0, "student": 1}},
        {"confidence": "page"},
    ],
)
def test_impossible_settings_are_refused(pair, setting):
    with pytest.raises(SettingError, match=f"^{next(iter(setting))} (is|are)"):
        Cascade(*pair, **{"threshold": 0.5, **setting})


def test_an_empty_text_is_refused(pair):
    with pytest.raises(DataError, match=r"^text 2 is empty$"):
        list(Cascade(*pair, threshold=0.5).predict(["a", " "]))
