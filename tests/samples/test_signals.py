import errno
import json

import numpy as np
import pytest

from tests import tiny
from tinykd import artifacts, data, models, samples
from tinykd.errors import RunError, SettingError


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("signals")
    train = data.load(str(tiny.corpus(folder / "corpus", train=10)))["train"]
    teacher, tokenizer = models.teacher(str(tiny.base_model(folder / "base")), tiny.LABELS)
    return train, teacher, tokenizer


@pytest.fixture
def counted(monkeypatch):
    calls = []
    original = models.signals
    monkeypatch.setattr(models, "signals", lambda *a, **k: calls.append(1) or original(*a, **k))
    return calls


def test_the_signal_is_one_more_column_with_a_vector_per_word(parts, tmp_path):
    train, teacher, tokenizer = parts
    transfer = samples.with_teacher(train, teacher, tokenizer, tmp_path / "store")
    assert transfer.column_names == [*train.column_names, "teacher_logits"]
    for row, exact in zip(transfer, models.logits(teacher, tokenizer, train), strict=True):
        assert np.asarray(row["teacher_logits"]).shape == (len(row["tokens"]), len(tiny.LABELS))
        np.testing.assert_allclose(row["teacher_logits"], exact, atol=2e-3)


def test_it_is_computed_once_and_again_for_another_teacher_or_text(parts, tmp_path, counted):
    train, teacher, tokenizer = parts
    for _ in range(2):
        samples.with_teacher(train, teacher, tokenizer, tmp_path / "store")
    assert len(counted) == 1
    samples.with_teacher(train.select(range(5)), teacher, tokenizer, tmp_path / "store")
    assert len(counted) == 2
    other = models.student("cut:1", teacher)
    samples.with_teacher(train.select(range(5)), other, tokenizer, tmp_path / "store")
    assert len(counted) == 3


def test_the_same_weights_in_other_heads_are_another_teacher(parts, tmp_path, counted):
    train, teacher, tokenizer = parts
    config = type(teacher.config).from_dict(teacher.config.to_dict() | {"num_attention_heads": 1})
    other = type(teacher)(config).eval()
    other.load_state_dict(teacher.state_dict())
    assert models.weights_digest(other) == models.weights_digest(teacher)
    first, second = (samples.with_teacher(train, who, tokenizer, tmp_path / "store") for who in (teacher, other))
    assert len(counted) == 2
    assert first.column_names == second.column_names
    assert np.abs(np.asarray(second[0]["teacher_logits"]) - models.logits(other, tokenizer, train)[0]).max() < 2e-3
    models.save(other, tokenizer, tmp_path / "saved")
    before = len(counted)
    samples.with_teacher(train, models.load(tmp_path / "saved")[0], tokenizer, tmp_path / "store")
    assert len(counted) == before  # a teacher that was saved and loaded is the same


def test_in_bfloat16_the_signals_are_near_and_the_store_is_another(parts, tmp_path, counted):
    corpus, teacher, tokenizer = parts
    exact = samples.with_teacher(corpus, teacher, tokenizer, tmp_path / "store")
    quick = samples.with_teacher(corpus, teacher, tokenizer, tmp_path / "quick", precision="bf16")
    for one, other in zip(exact["teacher_logits"], quick["teacher_logits"], strict=True):
        np.testing.assert_allclose(one, other, atol=0.05)
    assert exact["teacher_logits"][:] != quick["teacher_logits"][:]
    samples.with_teacher(corpus, teacher, tokenizer, tmp_path / "quick", precision="bf16")
    assert len(counted) == 2
    samples.with_teacher(corpus, teacher, tokenizer, tmp_path / "quick")
    assert len(counted) == 3  # float32 was wanted
    with pytest.raises(SettingError, match="precision is 'fp8'"):
        samples.with_teacher(corpus, teacher, tokenizer, tmp_path / "quick", precision="fp8")


@pytest.mark.parametrize("damage", ["flip", "truncate", "note"])
def test_a_damaged_store_is_noticed_and_made_anew(parts, tmp_path, counted, damage):
    train, teacher, tokenizer = parts
    store = tmp_path / "store"
    whole = samples.with_teacher(train, teacher, tokenizer, store)["teacher_logits"][:]
    victim = store / "signal.json" if damage == "note" else next(store.glob("*.arrow"))
    raw = bytearray(victim.read_bytes())
    raw[len(raw) // 2] ^= 1
    victim.write_bytes(raw[: len(raw) // 2] if damage == "truncate" else b"{" if damage == "note" else raw)
    assert samples.with_teacher(train, teacher, tokenizer, store)["teacher_logits"][:] == whole
    assert len(counted) == 2


def test_no_space_for_the_store_leaves_nothing_half_written(parts, tmp_path, monkeypatch):
    train, teacher, tokenizer = parts

    def full(fd):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(artifacts.os, "fsync", full)
    with pytest.raises(RunError, match="the disk is full"):
        samples.with_teacher(train, teacher, tokenizer, tmp_path / "store")
    assert not list(tmp_path.iterdir())


def test_the_note_tells_what_the_store_was_made_from(parts, tmp_path):
    train, teacher, tokenizer = parts
    samples.with_teacher(train, teacher, tokenizer, tmp_path / "store")
    note = json.loads((tmp_path / "store" / "signal.json").read_text())
    assert len(note["fingerprint"]) == 64
    assert list(note["files"]) == ["signals.arrow"]
