"""What makes training faster changes nothing but the time, and only where it is switched on."""

import contextlib
import gc
import math
from dataclasses import replace
from functools import partial

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from transformers import BertConfig, BertForMaskedLM
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

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


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_dropout_loses_its_share_at_random_and_keeps_the_mean(share, dtype):
    x = torch.ones(1000, 257, dtype=dtype, requires_grad=True)
    torch.manual_seed(0)
    dropped = speed.dropout(x, share)
    lost = dropped == 0
    tolerance = 5 * math.sqrt(share * (1 - share) / x.numel())
    assert lost.float().mean().item() == pytest.approx(share, abs=tolerance)
    both = (lost[:, :-1] & lost[:, 1:]).float().mean().item()  # neighbours come from one draw
    assert both == pytest.approx(share**2, abs=2 * tolerance)
    assert set(dropped.unique().tolist()) == {0.0, torch.tensor(1.0, dtype=dtype).div(1 - share).item()}
    assert dropped.dtype == dtype and dropped.shape == x.shape
    dropped.sum().backward()
    torch.testing.assert_close(x.grad, dropped)  # the derivative of x * noise is the noise, and x is 1
    torch.manual_seed(0)
    assert torch.equal(speed.dropout(x, share), dropped)


def test_dropout_of_nearly_everything_loses_nearly_everything():
    torch.manual_seed(0)
    assert (speed.dropout(torch.ones(100_000), 1 - 2**-17) == 0).float().mean() > 0.999


def test_dropout_is_drawn_this_way_in_training_only(room):
    model, x = fresh(room).train(), torch.ones(10, 16)
    layer = model.dropout
    with speed.fast_dropout(model):
        torch.manual_seed(0)
        ours = layer(x)
        torch.manual_seed(0)
        assert torch.equal(ours, speed.dropout(x, 0.1)) and (ours == 0).any()
        assert torch.equal(layer.eval()(x), x)
    assert "forward" not in vars(layer)
    for share in (0.0, 1.0):
        layer.p = share
        with speed.fast_dropout(model):
            assert torch.equal(layer.train()(x), (1 - share) * x)


def attend(attention, case, share):
    """Return what ``attention`` makes of three sentences, one of them half as long, and its derivatives."""
    generator = torch.Generator().manual_seed(0)
    tensors = [torch.randn(3, 2, 8, 4, generator=generator, requires_grad=True) for _ in range(3)]
    options = {"dropout": share, "scaling": None if case == "no scaling" else 0.3}
    mask = torch.ones(3, 1, 8, 8, dtype=torch.bool)
    mask[2, :, :, 4:] = False
    if case in ("float mask", "bias"):
        options |= {"position_bias": torch.ones(3, 2, 8, 8)} if case == "bias" else {}
        mask = torch.zeros(3, 1, 8, 8).masked_fill(~mask, -1e4) if case == "float mask" else mask
    layer = torch.nn.Module()
    layer.is_causal = case == "causal"
    with torch.autocast("cpu", torch.bfloat16, enabled=case == "bfloat16"):
        ready = [x.bfloat16() for x in tensors] if case == "bfloat16" else tensors
        mixed, none = attention(layer, *ready, None if case in ("no mask", "causal") else mask, **options)
    mixed.float().square().sum().backward()
    assert none is None
    return [mixed, *(x.grad for x in tensors)]


@pytest.mark.parametrize(
    "case", ["padding", "no mask", "no scaling", "bfloat16", "float mask", "bias", "causal", "nothing to drop"]
)
def test_attention_that_drops_next_to_nothing_is_that_of_the_library(case):
    share = 0.0 if case == "nothing to drop" else 1e-9  # rounds to no weight at all
    close = {"atol": 0.05, "rtol": 0.05} if case == "bfloat16" else {}
    pairs = zip(attend(speed.attention, case, share), attend(sdpa_attention_forward, case, 0.0), strict=True)
    for ours, theirs in pairs:
        assert ours.dtype == theirs.dtype and ours.shape == theirs.shape
        torch.testing.assert_close(ours, theirs, **close)


def test_attention_drops_weights_with_our_numbers_while_training_and_the_librarys_after(room):
    model = models.teacher(room[0], tiny.LABELS)[0].train()
    inputs = {"input_ids": torch.arange(200, 216).view(2, 8)}
    attentions = [speed.attention, sdpa_attention_forward]
    assert ALL_ATTENTION_FUNCTIONS["sdpa"] is attentions[1]
    results = []
    with speed.fast_dropout(model):
        assert ALL_ATTENTION_FUNCTIONS["sdpa"] is attentions[0]
        for attention in attentions:
            ALL_ATTENTION_FUNCTIONS["sdpa"] = attention
            torch.manual_seed(0)
            results.append(model(**inputs).logits)
        ALL_ATTENTION_FUNCTIONS["sdpa"] = another = partial(sdpa_attention_forward)
        with speed.fast_dropout(fresh(room)):
            pass
        assert ALL_ATTENTION_FUNCTIONS["sdpa"] is another
    assert ALL_ATTENTION_FUNCTIONS["sdpa"] is attentions[1] and "sdpa" not in ALL_ATTENTION_FUNCTIONS._local_mapping
    assert not torch.allclose(*results)
    dropped = attend(speed.attention, "padding", 0.5)[0]
    assert not torch.allclose(dropped, attend(speed.attention, "padding", 1e-9)[0])


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
        dropouts = [module for module in model.modules() if isinstance(module, nn.Dropout)]
        patched = any("forward" in vars(module) for module in dropouts)
        seen.append((model.get_input_embeddings() is matrix, ALL_ATTENTION_FUNCTIONS["sdpa"], patched))
        return original(self, *args, **kwargs)

    monkeypatch.setattr(DistillationTrainer, "compute_loss", look)
    for trick in ("keep_memory", "without_old_garbage", "fast_dropout", "only_used"):
        monkeypatch.setattr(speed, trick, None)  # would fail if it were called
    assert Settings().speed is False
    fine_tune(model, room[1], room[2], tmp_path / "out", replace(SETTINGS, epochs=1, speed=False))
    assert set(seen) == {(True, sdpa_attention_forward, False)}


def test_memory_is_kept_only_where_the_c_library_is_glibc(monkeypatch):
    asked = []

    class CLibrary:
        def __init__(self, name):
            self.mallopt = lambda which, value: asked.append(which)

    monkeypatch.setattr(speed.ctypes, "CDLL", CLibrary)
    for name, found in (("", []), ("glibc", [-3, -1])):
        monkeypatch.setattr(speed.platform, "libc_ver", lambda name=name: (name, ""))
        speed.keep_memory()
        assert asked == found


@pytest.mark.parametrize("frozen", [False, True])
def test_the_garbage_collector_is_as_it_was(room, tmp_path, frozen):
    (gc.freeze if frozen else gc.unfreeze)()
    with speed.without_old_garbage():
        assert gc.get_freeze_count() > 0
    assert (gc.get_freeze_count() > 0) == frozen
    fine_tune(fresh(room), room[1], room[2], tmp_path / "out", replace(SETTINGS, epochs=1))
    assert (gc.get_freeze_count() > 0) == frozen
    gc.freeze()  # as conftest.py did


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
