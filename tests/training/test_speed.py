"""What makes training faster changes nothing but the time, and only where it is switched on."""

import contextlib
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from transformers import BertConfig, BertForMaskedLM

from tests import tiny
from tinykd import data, models, pruning
from tinykd.training import DistillationTrainer, Settings, fine_tune, speed
from tinykd.training.speed import UsedRows, only_used

SETTINGS = Settings(epochs=2, learning_rate=1e-2, batch_size=8, speed=True)


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    """A base model, its tokenizer and a corpus."""
    folder = tmp_path_factory.mktemp("room")
    base = str(tiny.base_model(folder / "base"))
    return base, models.teacher(base, tiny.LABELS)[1], data.load(str(tiny.corpus(folder / "corpus")))["train"]


def fresh(room):
    return models.teacher(room[0], tiny.LABELS)[0]


@pytest.mark.parametrize(
    ("precision", "length", "on", "fused"),
    [
        ("bf16", 128, True, False),
        ("bf16", 256, True, True),
        ("fp32", 128, True, True),
        ("bf16", 128, False, True),
    ],
)
def test_attention_over_short_texts_is_plain_matrix_multiplications_in_bfloat16(
    room, tmp_path, monkeypatch, precision, length, on, fused
):
    """And only while it trains: the model predicts with the fused kernel afterwards."""
    monkeypatch.setattr(speed, "device", lambda: torch.device("cpu"))
    kernel, seen, original = torch.backends.cuda.flash_sdp_enabled, [], DistillationTrainer.compute_loss

    def look(self, *args, **kwargs):
        seen.append(kernel())
        return original(self, *args, **kwargs)

    monkeypatch.setattr(DistillationTrainer, "compute_loss", look)
    settings = replace(SETTINGS, epochs=1, max_length=length, precision=precision, speed=on)
    fine_tune(fresh(room), room[1], room[2], tmp_path / "out", settings)
    assert set(seen) == {fused} and kernel()


def test_without_the_switch_nothing_of_the_process_or_the_model_is_changed(room, tmp_path, monkeypatch):
    model, seen, original = fresh(room), [], DistillationTrainer.compute_loss
    matrix = model.get_input_embeddings()

    def look(self, *args, **kwargs):
        seen.append(model.get_input_embeddings() is matrix)
        return original(self, *args, **kwargs)

    monkeypatch.setattr(DistillationTrainer, "compute_loss", look)
    monkeypatch.setattr(speed, "only_used", None)  # would fail if it were called
    assert Settings().speed is False
    fine_tune(model, room[1], room[2], tmp_path / "out", replace(SETTINGS, epochs=1, speed=False))
    assert set(seen) == {True}


def test_the_trained_weights_are_those_of_the_whole_matrix_to_the_bit(room, tmp_path, monkeypatch):
    """Training only the rows that the samples use: nothing but the time may change."""
    before = fresh(room).get_input_embeddings().weight.detach()
    few = fine_tune(fresh(room), room[1], room[2], tmp_path / "few", SETTINGS)
    monkeypatch.setattr(speed, "only_used", lambda *_: contextlib.nullcontext())
    fine_tune(fresh(room), room[1], room[2], tmp_path / "whole", SETTINGS)
    assert tiny.same_weights(tmp_path / "few", tmp_path / "whole")
    matrix = few.get_input_embeddings()
    assert type(matrix) is nn.Embedding and matrix.weight.shape == before.shape
    changed = (matrix.weight != before).any(-1)
    used = {subword for ids in data.encode(room[2], room[1])["input_ids"] for subword in ids}
    assert set(changed.nonzero().flatten().tolist()) == used and len(used) < 1000 < len(before)


def test_a_used_row_trains_whatever_subword_token_the_matrix_itself_calls_padding(room):
    """The matrix's ``padding_idx`` need not be the tokenizer's, nor be used: -1 would be the last of the used rows."""
    encoded = data.encode(room[2], room[1])
    used = sorted({room[1].pad_token_id}.union(*encoded["input_ids"]))
    model = fresh(room)
    plain = model.get_input_embeddings()
    unused = next(subword for subword in range(len(plain.weight)) if subword not in used)
    matrix = nn.Embedding(*plain.weight.shape, padding_idx=unused)
    model.set_input_embeddings(matrix)
    before = matrix.weight.detach().clone()
    with only_used(model, encoded, room[1].pad_token_id):
        rows = model.get_input_embeddings()
        rows(torch.tensor([used])).sum().backward()
        assert (rows.weight.grad == 1).all()  # of the last used row, too
        with torch.no_grad():
            rows.weight -= rows.weight.grad
    assert model.get_input_embeddings() is matrix and matrix.weight.requires_grad
    changed = (matrix.weight != before).any(-1).nonzero().flatten().tolist()
    assert changed == used


@pytest.mark.parametrize("trains", [True, False])
@pytest.mark.parametrize("on", [True, False])
def test_the_rows_of_a_factorized_matrix_are_held_while_it_trains_and_no_longer(room, tmp_path, on, trains):
    model = pruning.factorize_embeddings(*pruning.prune_vocabulary(fresh(room), room[1], [room[2]]), [room[2]], 4)
    tokenizer = pruning.prune_vocabulary(fresh(room), room[1], [room[2]])[1]
    matrix = model.get_input_embeddings()
    matrix.narrow.requires_grad_(trains)
    before = [weight.detach().clone() for weight in (matrix.narrow.weight, matrix.widen.weight)]
    fine_tune(model, tokenizer, room[2], tmp_path / "out", replace(SETTINGS, epochs=1, speed=on))
    assert torch.equal(matrix.narrow.weight, before[0])
    assert not torch.equal(matrix.widen.weight, before[1])
    assert model.get_input_embeddings() is matrix
    assert matrix.narrow.weight.requires_grad is trains and matrix.widen.weight.requires_grad


@given(st.lists(st.integers(0, 19), min_size=1, max_size=12), st.integers(0, 19))
def test_values_and_gradients_are_those_of_the_matrix(ids, padding):
    matrix = nn.Embedding(20, 3, padding_idx=padding)
    used = torch.tensor(sorted(set(ids)))
    rows, ids = UsedRows(matrix, used), torch.tensor([ids])
    weight = torch.randn(1, ids.shape[1], 3)
    assert torch.equal(rows(ids), matrix(ids))
    for module in (matrix, rows):
        (module(ids) * weight).sum().backward()
    assert torch.equal(rows.weight.grad, matrix.weight.grad[used])
    others = torch.ones(20, dtype=torch.bool).index_fill(0, used, False)
    assert not matrix.weight.grad[others].any()


def test_a_subword_token_that_was_not_announced_is_an_error():
    with pytest.raises(IndexError):
        UsedRows(nn.Embedding(20, 3), torch.tensor([0, 4]))(torch.tensor([[4, 5]]))


def test_scoring_between_two_epochs_reads_every_subword_token():
    matrix = nn.Embedding(20, 3)
    rows, ids = UsedRows(matrix, torch.tensor([0, 4, 7])).eval(), torch.tensor([[4, 5, 7], [0, 19, 4]])
    assert rows(ids).equal(matrix(ids))
    with torch.no_grad():
        rows.weight += 1  # what training has moved
    assert (rows(ids) - matrix(ids)).round().equal(torch.tensor([[1.0, 0, 1], [1, 0, 1]])[..., None].expand(2, 3, 3))
    assert [name for name, _ in rows.named_parameters()] == ["weight"] == list(rows.state_dict())


def test_a_model_that_only_predicts_reads_every_subword_token(room):
    model = fresh(room)
    with only_used(model, data.encode(room[2], room[1]), 0), torch.no_grad():
        assert model(torch.arange(1000, 1016)[None]).logits.isfinite().all()


def test_an_interruption_puts_the_matrix_back_with_what_was_learnt(room):
    model = fresh(room)
    matrix, before = model.get_input_embeddings(), model.get_input_embeddings().weight.detach().clone()
    with pytest.raises(KeyboardInterrupt), only_used(model, data.encode(room[2], room[1]), 0):
        rows = model.get_input_embeddings()
        assert len(rows.weight) < 1000
        with torch.no_grad():
            rows.weight += 1
        raise KeyboardInterrupt
    assert model.get_input_embeddings() is matrix and matrix.weight.requires_grad
    learnt = (matrix.weight - before).mean(-1) > 0.9
    assert learnt.sum() == len(rows.weight)


def test_a_matrix_that_is_frozen_or_shared_or_special_stays(room):
    encoded = data.encode(room[2], room[1])
    frozen = fresh(room).requires_grad_(False)
    config = BertConfig(vocab_size=30522, hidden_size=16, num_hidden_layers=1, num_attention_heads=2)
    shared = BertForMaskedLM(config)
    assert shared.get_output_embeddings().weight is shared.get_input_embeddings().weight
    special = fresh(room)
    special.set_input_embeddings(nn.Embedding(30522, 16, max_norm=1.0))
    for model in (frozen, shared, special):
        matrix = model.get_input_embeddings()
        with only_used(model, encoded, 0):
            assert model.get_input_embeddings() is matrix
