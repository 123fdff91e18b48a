"""Labels from a teacher, from several, and from few: equal to what the models predict."""

import logging

import numpy as np
import pytest
import torch
from datasets import Array2D, ClassLabel, Dataset, Features, List, Value, concatenate_datasets
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import untrained
from tinykd import models, samples
from tinykd.errors import DataError, ModelError, SettingError
from tinykd.models import Layers, inference
from tinykd.text import decode

few = settings(max_examples=25)
WORDS = ["Mara", "Hope", "left", "Jordan", "for", "Nice", "and", "told", "nobody", "why", "she", "went", "there"]


def sentences(count, names=tuple(untrained.LABELS)):
    tokens = [WORDS[: 1 + n % len(WORDS)] for n in range(count)]
    rows = {"tokens": tokens, "labels": [[n % len(names)] * len(t) for n, t in enumerate(tokens)]}
    features = Features({"tokens": List(Value("string")), "labels": List(ClassLabel(names=list(names)))})
    return Dataset.from_dict(rows, features=features)


@pytest.mark.parametrize("count", [1, 30])
def test_hard_labels_are_the_best_sequence_that_iob2_allows(tokenizer, count):
    teacher, corpus = untrained.tagger(tokenizer), sentences(count)
    labelled = samples.labelled_by(teacher, tokenizer, corpus.remove_columns("labels"))
    logits = models.logits(teacher, tokenizer, corpus)
    assert labelled["labels"][:] == [decode(row, untrained.LABELS) for row in logits]
    assert labelled["tokens"][:] == corpus["tokens"][:]
    assert labelled.features["labels"].feature.names == untrained.LABELS
    if count == 30:  # the likeliest tag of each word alone is no IOB2 here
        likeliest = [[untrained.LABELS[k] for k in row.argmax(-1)] for row in logits]
        assert any(is_illegal(tags) for tags in likeliest)
        assert not any(is_illegal([untrained.LABELS[k] for k in labels]) for labels in labelled["labels"])


def is_illegal(tags):
    return any(tag == "I-PER" and before == "O" for before, tag in zip(["O", *tags], tags, strict=False))


def test_hard_labels_are_computed_in_the_precision_of_the_store(tokenizer, monkeypatch):
    teacher, corpus, used = untrained.tagger(tokenizer), sentences(4), []
    autocast = inference.autocast
    monkeypatch.setattr(inference, "autocast", lambda precision: used.append(precision) or autocast(precision))
    for precision in ("fp32", "bf16"):
        samples.labelled_by(teacher, tokenizer, corpus, precision=precision)
    assert used == ["fp32", "bf16"]
    with pytest.raises(SettingError, match="precision is 'fp8'"):
        samples.labelled_by(teacher, tokenizer, corpus, precision="fp8")


def test_what_the_labels_were_does_not_matter_and_other_columns_stay(tokenizer):
    teacher, corpus = untrained.tagger(tokenizer), sentences(4)
    with_kind = corpus.add_column("kind", ["a", "b", "c", "d"])
    labelled = samples.labelled_by(teacher, tokenizer, with_kind)
    assert labelled["kind"][:] == ["a", "b", "c", "d"]
    assert (
        labelled["labels"][:] == samples.labelled_by(teacher, tokenizer, corpus.remove_columns("labels"))["labels"][:]
    )
    assert len(concatenate_datasets([with_kind, labelled])) == 8


def test_a_long_document_gets_a_label_per_word(tokenizer):
    corpus = Dataset.from_dict({"tokens": [WORDS * 40]})
    labelled = samples.labelled_by(untrained.tagger(tokenizer), tokenizer, corpus, max_length=64)
    assert len(labelled[0]["labels"]) == len(WORDS) * 40


def test_texts_get_one_label(tokenizer):
    teacher = untrained.classifier(tokenizer, {"refund": 0.3, "parcel": 0.7})
    labelled = samples.labelled_by(teacher, tokenizer, Dataset.from_dict({"text": ["Where is it?", "Hello"]}))
    assert labelled["label"][:] == [1, 1]
    assert labelled.features["label"].names == ["refund", "parcel"]


def test_no_rows_stay_no_rows(tokenizer):
    empty = sentences(2).remove_columns("labels").select([])
    labelled = samples.labelled_by(untrained.tagger(tokenizer), tokenizer, empty)
    assert len(labelled) == 0 and set(labelled.column_names) == {"tokens", "labels"}


def test_a_teacher_of_another_task_is_refused(tokenizer):
    with pytest.raises(DataError, match="reads a column 'tokens'; the texts have text"):
        samples.labelled_by(untrained.tagger(tokenizer), tokenizer, Dataset.from_dict({"text": ["Hello"]}))


@few
@given(st.integers(2, 200), st.data(), st.integers(0, 3))
def test_few_labels_part_the_corpus_and_lie_within_more(rows, data, seed):
    corpus = Dataset.from_dict({"text": [str(n) for n in range(rows)], "label": [0] * rows})
    small, large = sorted(data.draw(st.tuples(st.integers(1, rows - 1), st.integers(1, rows - 1))))
    parts = [samples.few_labels(corpus, size / rows, seed) for size in (small, large)]
    for size, (labelled, rest) in zip((small, large), parts, strict=True):
        assert len(labelled) == size
        assert labelled.column_names == ["text", "label"] and rest.column_names == ["text"]
        assert sorted([*labelled["text"], *rest["text"]], key=int) == corpus["text"][:]
        assert labelled["text"][:] == sorted(labelled["text"], key=int)
    assert set(parts[0][0]["text"]) <= set(parts[1][0]["text"])


@pytest.mark.parametrize("share", [0.0, 0.01, 1.0, -1, 2])
def test_a_share_that_leaves_a_part_empty(share):
    with pytest.raises(SettingError, match="share is"):
        samples.few_labels(sentences(10), share)


# Several teachers


def predicted(logits, names="abc"):
    """A transfer set of texts: what one teacher predicted for each, (texts, 1, classes)."""
    features = Features(
        {
            "text": Value("string"),
            "label": ClassLabel(names=list(names)),
            "teacher_logits": Array2D((None, len(names)), "float16"),
        }
    )
    columns = {"text": [str(n) for n in range(len(logits))], "label": [0] * len(logits), "teacher_logits": logits}
    return Dataset.from_dict(columns, features=features)


logits_of_3 = st.lists(st.floats(-8, 8, width=16), min_size=3, max_size=3)


@few
@given(st.lists(st.tuples(logits_of_3, logits_of_3), min_size=1, max_size=5), st.floats(0.01, 9), st.floats(0.01, 9))
def test_the_mean_is_of_probabilities_and_weighted(rows, w, v):
    logits = torch.tensor(rows)  # (rows, teachers, classes)
    one, other = (predicted(logits[:, k : k + 1].numpy()) for k in (0, 1))
    found = np.array(samples.combine([one, other], [w, v])["teacher_logits"][:], np.float32)[:, 0]
    p, q = logits.softmax(-1).unbind(1)
    expected = (w * p + v * q) / (w + v)
    np.testing.assert_allclose(np.exp(found), expected, atol=4e-3)


def test_one_teacher_alone_keeps_its_probabilities_and_two_alike_too():
    alone = predicted(np.array([[[2.0, 0.0, -1.0]], [[0.0, 0.0, 5.0]]]))
    expected = torch.tensor(alone["teacher_logits"][:]).log_softmax(-1)
    for sets, weights in (([alone], [3]), ([alone, alone], [1, 7])):
        found = samples.combine(sets, weights)
        np.testing.assert_allclose(found["teacher_logits"][:], expected, atol=4e-3)
        assert found.features == alone.features and found["text"][:] == alone["text"][:]


def test_a_teacher_that_is_sure_counts_for_more():
    sure, unsure = predicted(np.array([[[9.0, 0.0, 0.0]]])), predicted(np.array([[[0.0, 0.1, 0.0]]]))
    assert np.argmax(samples.combine([sure, unsure], [1, 1])[0]["teacher_logits"]) == 0


def test_what_is_impossible_stays_a_number():
    log_p = samples.combine([predicted(np.array([[[60000.0, -60000.0, 0.0]]]))], [1])[0]["teacher_logits"]
    assert np.isfinite(log_p).all()


def test_layers_are_those_of_the_first_and_other_columns_stay(tokenizer, tmp_path):
    teacher, corpus = untrained.tagger(tokenizer), sentences(5).add_column("kind", list("abcde"))
    layers = Layers(hidden_states=(1,))
    one = samples.with_teacher(corpus, teacher, tokenizer, tmp_path / "one", layers=layers)
    certain, lowest = untrained.tagger(tokenizer, "O"), Layers(hidden_states=(0,))
    other = samples.with_teacher(corpus, certain, tokenizer, tmp_path / "other", layers=lowest)
    both = samples.combine([one, other], [1, 1])
    assert set(both.column_names) == set(one.column_names)
    assert both["teacher_hidden_states"][:] == one["teacher_hidden_states"][:] != other["teacher_hidden_states"][:]
    assert both["kind"][:] == list("abcde") and both["teacher_logits"][:] != one["teacher_logits"][:]
    some = samples.combine([one.select([3, 1]), other.select([3, 1])], [1, 1])
    assert some["kind"][:] == ["d", "b"] and some["teacher_logits"][0] == both["teacher_logits"][3]


def test_sets_that_do_not_belong_together(tokenizer):
    one = predicted(np.zeros((2, 1, 3)))
    for weights in ([1], [1, 0], [1, -1], [1, 1, 1], [1, float("nan")], [1, float("inf")]):
        with pytest.raises(SettingError, match="weights are"):
            samples.combine([one, one], weights)
    with pytest.raises(SettingError, match="weights are"):
        samples.combine([], [])
    with pytest.raises(DataError, match="transfer set 2 has no column teacher_logits"):
        samples.combine([one, one.remove_columns("teacher_logits")], [1, 1])
    longer = predicted(np.zeros((2, 1, 4)), names="abcd").cast_column("label", ClassLabel(names=["a", "b", "c"]))
    renamed = one.cast_column("label", ClassLabel(names=["b", "a", "c"]))
    for other in (one.select([0]), one.select([1, 0]), renamed, longer):
        with pytest.raises(DataError, match="transfer set 2 has other texts, labels or label names"):
            samples.combine([one, other], [1, 1])


# The store, beside what test_signals.py says of it


def test_classes_are_matched_by_name(tokenizer, tmp_path):
    teacher = untrained.tagger(tokenizer)
    order = [2, 0, 1]
    corpus = sentences(6, names=[untrained.LABELS[k] for k in order])
    transfer = samples.with_teacher(corpus, teacher, tokenizer, tmp_path / "store")
    for row, exact in zip(transfer["teacher_logits"], models.logits(teacher, tokenizer, corpus), strict=True):
        np.testing.assert_allclose(row, exact[:, order], rtol=2e-3, atol=2e-3)
    with pytest.raises(ModelError, match="the teacher and the corpus have other labels"):
        samples.with_teacher(sentences(6, names=["O", "B-X", "I-X"]), teacher, tokenizer, tmp_path / "store")
    without = samples.with_teacher(corpus.remove_columns("labels"), teacher, tokenizer, tmp_path / "without")
    for row, exact in zip(without["teacher_logits"], models.logits(teacher, tokenizer, corpus), strict=True):
        np.testing.assert_allclose(row, exact, rtol=2e-3, atol=2e-3)  # without labels, in the teacher's order


def test_a_second_teacher_replaces_what_the_first_predicted_for_a_selection(tokenizer, tmp_path):
    teacher, corpus = untrained.tagger(tokenizer), sentences(12)
    transfer = samples.with_teacher(corpus, untrained.tagger(tokenizer, "O"), tokenizer, tmp_path / "first")
    chosen = samples.select(transfer, 4)
    again = samples.with_teacher(chosen, teacher, tokenizer, tmp_path / "second")
    assert again.column_names == transfer.column_names and again["tokens"][:] == chosen["tokens"][:]
    for row, exact in zip(again["teacher_logits"], models.logits(teacher, tokenizer, chosen), strict=True):
        np.testing.assert_allclose(row, exact, rtol=2e-3, atol=2e-3)


def test_files_that_datasets_leaves_in_the_store_do_no_harm(tokenizer, tmp_path, caplog):
    teacher, corpus = untrained.tagger(tokenizer), sentences(12)
    transfer = samples.with_teacher(corpus, teacher, tokenizer, tmp_path / "store")
    transfer.filter(lambda row: len(row["tokens"]) > 3)
    samples.with_teacher(transfer.select([0, 5]), teacher, tokenizer, tmp_path / "other")
    with caplog.at_level(logging.INFO, "tinykd"):
        samples.with_teacher(corpus, teacher, tokenizer, tmp_path / "store")
    assert not caplog.records


def test_a_tokenizer_that_was_used_is_the_same_tokenizer(tokenizer, tmp_path, caplog):
    teacher, corpus = untrained.tagger(tokenizer), sentences(3)
    samples.with_teacher(corpus, teacher, tokenizer, tmp_path / "store")
    tokenizer("Mara Hope", truncation=True, padding="max_length", max_length=7)
    with caplog.at_level(logging.INFO, "tinykd"):
        samples.with_teacher(corpus, teacher, tokenizer, tmp_path / "store")
    assert not caplog.records


def test_a_teacher_in_bfloat16(tokenizer, tmp_path):
    teacher = untrained.tagger(tokenizer, "O").to(torch.bfloat16)
    transfer = samples.with_teacher(sentences(3), teacher, tokenizer, tmp_path / "store")
    assert np.argmax(transfer[2]["teacher_logits"], -1).tolist() == [0, 0, 0]
