import numpy as np
import pytest
from transformers import BertForSequenceClassification

from tests.fusion.pair import LABELS, classifier_pair, letters, member, mixture, permuted, sentences, texts
from tinykd import inference
from tinykd.errors import ModelError
from tinykd.fusion import (
    Cascade,
    choose,
    confidence_of_row,
    confidence_of_words,
    curve,
    fit_temperature,
    logits_by_name,
    row_macs,
    score,
)
from tinykd.fusion.calibration import by_word

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
    assert list(cascade.predict(TEXTS)) == list(inference.predict(*pair[1], TEXTS))
    rows, asked = cascade.ask(dataset)
    assert not asked.any()
    teacher, student = (row_macs(one, dataset).sum() for one in pair)
    assert cascade.cost(dataset, asked) == pytest.approx(student / teacher)
    assert len(rows) == len(dataset)


@pytest.mark.parametrize("by", ["entropy", "lowest", "product", "word"])
def test_above_1_is_the_teacher(pair, by):
    cascade, dataset = Cascade(*pair, threshold=1.01, by=by), sentences()
    assert list(cascade.predict(TEXTS)) == list(inference.predict(*pair[0], TEXTS))
    _, asked = cascade.ask(dataset)
    teacher, student = (row_macs(one, dataset).sum() for one in pair)
    assert cascade.cost(dataset, asked) == pytest.approx(1 + student / teacher)


@pytest.mark.parametrize("by", ["lowest", "word"])
def test_any_batch_size_gives_the_same_answers(pair, middle, by):
    cascade, dataset = Cascade(*pair, threshold=middle, by=by), sentences()
    rows, asked = cascade.ask(dataset, batch_size=1)
    assert 0 < asked.sum() < len(asked)
    for size in (3, 8):
        same, as_well = cascade.ask(dataset, batch_size=size)
        np.testing.assert_array_equal(asked, as_well)
        for one, other in zip(rows, same, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-4)
    one, three, eight = ([spans(a) for a in cascade.predict(TEXTS, batch_size=size)] for size in (1, 3, 8))
    assert one == three == eight


def test_the_teacher_gets_full_batches_of_uncertain_rows(pair, middle):
    cascade, dataset = Cascade(*pair, middle, "lowest"), sentences(40)
    sizes = []
    hook = pair[0][0].register_forward_pre_hook(
        lambda module, args, kwargs: sizes.append(len(kwargs["input_ids"])), with_kwargs=True
    )
    _, asked = cascade.ask(dataset, batch_size=4)
    hook.remove()
    assert sum(sizes) == asked.sum()
    assert set(sizes[:-1]) == {4}


def test_the_teacher_answers_a_row_or_its_words(pair, middle):
    dataset = sentences()
    teacher, student = (logits_by_name(one, LABELS, dataset) for one in pair)
    by_row, asked = Cascade(*pair, threshold=middle, by="lowest").ask(dataset)
    by_word, same = Cascade(*pair, threshold=middle, by="word").ask(dataset)
    np.testing.assert_array_equal(asked, same)
    mixed = 0
    for i, row in enumerate(asked):
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
    cascade = Cascade(*pair, threshold=point.threshold, by=by)
    rows, asked = cascade.ask(dataset, batch_size=7)
    assert cascade.cost(dataset, asked) == pytest.approx(point.cost)
    assert asked.mean() == pytest.approx(point.asked)
    assert score(rows, dataset) == pytest.approx(point.score)


@pytest.mark.parametrize("by", ["entropy", "word"])
def test_fit_calibrates_and_keeps_the_budget(pair, by):
    valid = sentences(30)
    cascade = Cascade.fit(*pair, valid, budget=0.6, by=by)
    rows, asked = cascade.ask(valid)
    assert cascade.cost(valid, asked) <= 0.6
    assert score(rows, valid) >= score(logits_by_name(pair[1], LABELS, valid), valid)
    assert cascade.student_temperature > 1  # random labels: nobody may be sure
    kept = Cascade.fit(*pair, valid, target=1.0, by=by)
    assert score(kept.logits(valid), valid) >= score(logits_by_name(pair[0], LABELS, valid), valid)


@pytest.mark.parametrize("by", ["lowest", "word"])
def test_as_sure_as_the_threshold_is_sure_enough(pair, by):
    dataset = sentences()
    student = logits_by_name(pair[1], LABELS, dataset)
    sure = [confidence_of_row(row, by) for row in student]
    least = int(np.argmin(sure))
    assert not Cascade(*pair, sure[least], by).ask(dataset)[1].any()
    above = Cascade(*pair, np.nextafter(sure[least], 1.0), by)
    assert above.ask(dataset)[1].tolist() == [confidence <= sure[least] for confidence in sure]
    np.testing.assert_allclose(Cascade(*pair, sure[least], by).logits(dataset)[least], student[least], atol=1e-4)


def test_a_word_as_sure_as_the_threshold_stays_the_students(pair):
    dataset = sentences()
    student = logits_by_name(pair[1], LABELS, dataset)
    longest = int(np.argmax([len(row) for row in student]))
    sure = confidence_of_words(student[longest])
    least, next_one = np.argsort(sure)[:2]
    rows, asked = Cascade(*pair, sure[next_one], "word").ask(dataset.select([longest]))
    teacher = logits_by_name(pair[0], LABELS, dataset.select([longest]))[0]
    assert asked.all()
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
    assert [cascade.teacher_temperature, cascade.student_temperature] == temperatures
    assert temperatures[0] != pytest.approx(temperatures[1], rel=0.01)
    assert cascade.threshold == pytest.approx(choose(found, budget=0.6).threshold)


def test_the_teacher_answers_at_its_own_temperature(pair):
    dataset, plain = sentences(), Cascade(*pair, threshold=2.0)
    warm = Cascade(*pair, threshold=2.0, teacher_temperature=3.0)
    for row, expected in zip(warm.logits(dataset), plain.logits(dataset), strict=True):
        np.testing.assert_allclose(3 * row, expected, rtol=1e-5)


def test_what_was_fitted_is_said_and_stays(pair, caplog):
    valid = sentences(30)
    with caplog.at_level("INFO", "tinykd"):
        cascade = Cascade.fit(*pair, valid, budget=0.6)
    rows, asked = cascade.ask(valid)
    cost, teachers = cascade.cost(valid, asked), score(logits_by_name(pair[0], LABELS, valid), valid)
    assert caplog.messages[-1] == (
        f"cascade on 30 rows: {100 * asked.mean():.1f} % go to the teacher, at {cost:.3f} of its cost; "
        f"score {score(rows, valid):.4f}, the teacher's {teachers:.4f}"
    )
    with pytest.raises(AttributeError):
        cascade.threshold = 0.5
    assert len({cascade, Cascade(*pair, 0.5), cascade}) == 2


def test_temperatures_change_confidence_and_no_answer(pair, middle):
    dataset = sentences()
    cold, warm = (Cascade(*pair, middle, "lowest", student_temperature=t) for t in (1.0, 3.0))
    assert warm.ask(dataset)[1].sum() > cold.ask(dataset)[1].sum()
    alone = Cascade(*pair, threshold=0, student_temperature=3.0)
    for row, plain in zip(alone.logits(dataset), logits_by_name(pair[1], LABELS, dataset), strict=True):
        np.testing.assert_allclose(3 * row, plain, rtol=1e-5)


def test_labels_are_matched_by_name(tokenizer, pair, middle):
    other = permuted(member(tokenizer, 2), [2, 0, 1])
    assert list(other[0].config.id2label.values()) == ["I-PER", "O", "B-PER"]
    for threshold in (0, middle):
        one = list(Cascade(pair[0], pair[1], threshold).predict(TEXTS))
        assert list(Cascade(pair[0], other, threshold).predict(TEXTS)) == one
    assert list(Cascade(other, pair[0], 0).predict(TEXTS)) == list(inference.predict(*pair[0], TEXTS))


def test_members_may_have_their_own_tokenizers(pair):
    student, dataset = member(letters(), 3), sentences()
    for threshold, alone in ((0, student), (2, pair[0])):
        assert list(Cascade(pair[0], student, threshold).predict(TEXTS)) == list(inference.predict(*alone, TEXTS))
    rows, asked = Cascade(pair[0], student, 0.6, by="word").ask(dataset)
    assert asked.any()
    assert [len(row) for row in rows] == [len(words) for words in dataset["tokens"]]


def test_classification(tokenizer):
    teacher, student = classifier_pair(tokenizer)
    dataset = texts()
    sure = [confidence_of_row(row) for row in logits_by_name(student, ["bad", "good"], dataset)]
    rows, asked = Cascade(teacher, student, float(np.median(sure))).ask(dataset)
    assert asked.sum() == len(dataset) / 2
    assert {row.shape for row in rows} == {(1, 2)}
    assert list(Cascade(teacher, student, 2).predict(TEXTS)) == list(inference.predict(*teacher, TEXTS))


def test_what_cannot_answer_as_one_is_refused(tokenizer, pair):
    with pytest.raises(ModelError, match="the student and the teacher have other labels"):
        Cascade(pair[0], member(tokenizer, 0, labels=["O", "B-LOC", "I-LOC"]), 0.5)
    with pytest.raises(ModelError, match=r"^the teacher was made for tagging, the student for classification"):
        Cascade(pair[0], member(tokenizer, 0, kind=BertForSequenceClassification), 0.5)
    with pytest.raises(ModelError, match=r"^the student's tokenizer has \d+ word pieces, the model knows 50; give"):
        Cascade(pair[0], member(tokenizer, 0, vocabulary=50), 0.5)
    with pytest.raises(ModelError, match="the model and the corpus have other labels"):
        Cascade.fit(*pair, texts(), budget=1.0)


@pytest.mark.parametrize(
    "setting",
    [{"threshold": -0.1}, {"threshold": float("nan")}, {"teacher_temperature": 0}, {"by": "page"}],
)
def test_impossible_settings_are_refused(pair, setting):
    with pytest.raises(ValueError, match=f"^{next(iter(setting))} is"):
        Cascade(*pair, **{"threshold": 0.5, **setting})


def test_an_empty_text_is_refused(pair):
    with pytest.raises(ValueError, match=r"^text 2 is empty$"):
        list(Cascade(*pair, threshold=0.5).predict(["a", " "]))
