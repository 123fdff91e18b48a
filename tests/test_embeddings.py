"""Training only the rows of the table that the samples use: nothing but the time may change."""

import contextlib

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from transformers import BertConfig, BertForMaskedLM

from tests import tiny
from tinykd import checkpoints, data, models, training
from tinykd.embeddings import UsedRows, only_used
from tinykd.errors import RunError
from tinykd.training import Settings, fine_tune

SETTINGS = Settings(epochs=2, learning_rate=1e-2, batch_size=8)


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    folder = tmp_path_factory.mktemp("room")
    return str(tiny.base_model(folder / "base")), data.load(str(tiny.corpus(folder / "corpus")))["train"]


def trained(room, out, rows=None):
    model, tokenizer = models.teacher(room[0], tiny.LABELS)
    before = model.get_input_embeddings().weight.detach().clone()
    train = room[1] if rows is None else room[1].select(rows)
    return fine_tune(model, tokenizer, train, out, SETTINGS, progress=False), before


def test_the_trained_weights_are_those_of_the_whole_table_to_the_bit(room, tmp_path, monkeypatch):
    few, before = trained(room, tmp_path / "few")
    monkeypatch.setattr(training, "only_used", lambda *_: contextlib.nullcontext())
    trained(room, tmp_path / "whole")
    assert tiny.same_weights(tmp_path / "few", tmp_path / "whole")
    table = few.get_input_embeddings()
    assert type(table) is nn.Embedding and table.weight.shape == before.shape
    changed = (table.weight != before).any(-1)
    tokenizer = models.teacher(room[0], tiny.LABELS)[1]
    used = {piece for ids in data.encode(room[1], tokenizer)["input_ids"] for piece in ids}
    assert set(changed.nonzero().flatten().tolist()) == used and len(used) < 1000 < len(before)


@given(st.lists(st.integers(0, 19), min_size=1, max_size=12), st.integers(0, 19))
def test_values_and_gradients_are_those_of_the_table(ids, padding):
    table = nn.Embedding(20, 3, padding_idx=padding)
    used = torch.tensor(sorted({*ids, padding}))
    rows, ids = UsedRows(table, used), torch.tensor([ids])
    weight = torch.randn(1, ids.shape[1], 3)
    assert torch.equal(rows(ids), table(ids))
    for module in (table, rows):
        (module(ids) * weight).sum().backward()
    assert torch.equal(rows.weight.grad, table.weight.grad[used])
    others = torch.ones(20, dtype=torch.bool).index_fill(0, used, False)
    assert not table.weight.grad[others].any()


def test_a_piece_that_was_not_announced_is_an_error():
    with pytest.raises(IndexError):
        UsedRows(nn.Embedding(20, 3), torch.tensor([0, 4]))(torch.tensor([[4, 5]]))


def test_who_scores_between_two_epochs_reads_every_piece():
    table = nn.Embedding(20, 3)
    rows, ids = UsedRows(table, torch.tensor([0, 4, 7])).eval(), torch.tensor([[4, 5, 7], [0, 19, 4]])
    assert rows(ids).equal(table(ids))
    with torch.no_grad():
        rows.weight += 1  # what training has moved
    assert (rows(ids) - table(ids)).round().equal(torch.tensor([[1.0, 0, 1], [1, 0, 1]])[..., None].expand(2, 3, 3))
    assert [name for name, _ in rows.named_parameters()] == ["weight"] == list(rows.state_dict())


def test_a_model_that_only_answers_reads_every_piece(room):
    model, tokenizer = models.teacher(room[0], tiny.LABELS)
    with only_used(model, data.encode(room[1], tokenizer), 0), torch.no_grad():
        assert model(torch.arange(1000, 1016)[None]).logits.isfinite().all()


def test_an_interruption_puts_the_table_back_with_what_was_learnt(room):
    model, tokenizer = models.teacher(room[0], tiny.LABELS)
    table, before = model.get_input_embeddings(), model.get_input_embeddings().weight.detach().clone()
    with pytest.raises(KeyboardInterrupt), only_used(model, data.encode(room[1], tokenizer), 0):
        rows = model.get_input_embeddings()
        assert len(rows.weight) < 1000
        with torch.no_grad():
            rows.weight += 1
        raise KeyboardInterrupt
    assert model.get_input_embeddings() is table
    learnt = (table.weight - before).mean(-1) > 0.9
    assert learnt.sum() == len(rows.weight)


def test_a_table_that_is_frozen_or_shared_or_special_stays(room):
    encoded = data.encode(room[1], models.teacher(room[0], tiny.LABELS)[1])
    frozen = models.teacher(room[0], tiny.LABELS)[0].requires_grad_(False)
    config = BertConfig(vocab_size=30522, hidden_size=16, num_hidden_layers=1, num_attention_heads=2)
    shared = BertForMaskedLM(config)
    assert shared.get_output_embeddings().weight is shared.get_input_embeddings().weight
    special = models.teacher(room[0], tiny.LABELS)[0]
    special.set_input_embeddings(nn.Embedding(30522, 16, max_norm=1.0))
    for model in (frozen, shared, special):
        table = model.get_input_embeddings()
        with only_used(model, encoded, 0):
            assert model.get_input_embeddings() is table


def test_a_checkpoint_of_other_samples_is_named(room, tmp_path, monkeypatch, every_epoch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(training.DistillationTrainer, "check_weights", _after(2, stop))
    with pytest.raises(KeyboardInterrupt):
        trained(room, tmp_path / "out")
    assert list((tmp_path / "out-unfinished").glob(f"checkpoint-*/{checkpoints.MARK}"))
    monkeypatch.undo()
    with pytest.raises(RunError, match="other samples"):
        trained(room, tmp_path / "out", range(40))
    names = checkpoints._pieces
    monkeypatch.setattr(checkpoints, "_pieces", lambda model: names(_moved_by_one(model)))  # as many, but others
    with pytest.raises(RunError, match="other samples"):
        trained(room, tmp_path / "out")


def _moved_by_one(model):
    table = model.get_input_embeddings()
    table.row_of = table.row_of.roll(1)
    return model


def _after(times, then):
    """A function that calls ``then`` when it is called for the so-manieth time."""
    calls = []

    def count(*_):
        calls.append(1)
        if len(calls) == times:
            then()

    return count
