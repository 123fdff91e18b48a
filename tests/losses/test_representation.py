"""Hidden states: closed forms, masks, gradients against finite differences, properties."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from tinykd import losses

LOSSES = [losses.hidden_states, losses.cosine, losses.pkd]
EVERY_LOSS = pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.__name__)
SEEDS = st.integers(0, 2**31)


def states(seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    student, teacher = (torch.randn(2, 4, 5, generator=generator, dtype=torch.float64).to(dtype) for _ in "ab")
    return student.requires_grad_(), teacher, torch.tensor([[True] * 4, [True, True, False, False]])


def test_by_hand():
    student = torch.tensor([[[1.0, 0.0], [2.0, 2.0]]], dtype=torch.float64)
    teacher = torch.tensor([[[0.0, 1.0], [5.0, 5.0]]], dtype=torch.float64)
    mask = torch.ones(1, 2, dtype=torch.bool)
    assert_close(losses.hidden_states(student, teacher, mask).item(), ((1 + 1) / 2 + (9 + 9) / 2) / 2)
    assert_close(losses.cosine(student, teacher, mask).item(), (1 + 0) / 2)  # a right angle, and none
    assert_close(losses.pkd(student, teacher, mask).item(), (2 + 0) / 2)


@EVERY_LOSS
@given(SEEDS)
def test_never_negative_and_zero_for_the_same(loss, seed):
    student, teacher, mask = states(seed)
    assert loss(student, teacher, mask) > 0
    assert_close(loss(teacher, teacher, mask).item(), 0.0, atol=1e-12, rtol=0)


@given(SEEDS, st.floats(0.01, 100))
def test_pkd_is_twice_cosine_and_neither_sees_a_length(seed, scale):
    student, teacher, mask = states(seed)
    assert_close(losses.pkd(student, teacher, mask), 2 * losses.cosine(student, teacher, mask))
    assert_close(losses.cosine(scale * student, teacher, mask), losses.cosine(student, teacher, mask))


@EVERY_LOSS
def test_what_is_masked_touches_neither_value_nor_gradient(loss):
    student, teacher, mask = states()
    expected = loss(student, teacher, mask)
    broken = student.detach().clone()
    broken[~mask] = torch.inf
    broken.requires_grad_()
    value = loss(broken, teacher.where(mask[..., None], torch.nan), mask)
    value.backward()
    assert_close(value, expected)
    assert broken.grad[~mask].eq(0).all() and broken.grad[mask].isfinite().all()


@EVERY_LOSS
def test_each_word_weighs_the_same_in_however_long_a_sentence(loss):
    student, teacher, mask = states()
    alone = [
        loss(student[i : i + 1, j : j + 1], teacher[i : i + 1, j : j + 1], mask[i : i + 1, j : j + 1])
        for i, j in mask.nonzero().tolist()
    ]
    assert_close(loss(student, teacher, mask), torch.stack(alone).mean())


@EVERY_LOSS
def test_gradient_against_finite_differences(loss):
    student, teacher, mask = states()
    assert torch.autograd.gradcheck(lambda s: loss(s, teacher, mask), student)


@EVERY_LOSS
def test_an_empty_batch_costs_nothing(loss):
    student, teacher, mask = states()
    value = loss(student, teacher, torch.zeros_like(mask))
    value.backward()
    assert value.item() == 0 and student.grad.eq(0).all()


@EVERY_LOSS
def test_half_precision_is_summed_in_single(loss):
    student, teacher, mask = states(dtype=torch.bfloat16)
    assert loss(student, teacher, mask).dtype == torch.float32


@EVERY_LOSS
def test_other_widths_are_refused_not_broadcast(loss):
    student, teacher, mask = states()
    with pytest.raises(ValueError, match=r"\(2, 4, 5\).*\(2, 4, 1\)"):
        loss(student, teacher[..., :1], mask)


@EVERY_LOSS
@pytest.mark.parametrize("how", [lambda mask: mask.long(), lambda mask: mask[:, 0], lambda mask: mask[:1]])
def test_a_mask_that_would_select_something_else_is_refused(loss, how):
    student, teacher, mask = states()
    with pytest.raises(ValueError, match=r"the mask is .*; it must be \(batch, words\), True where a word counts"):
        loss(student, teacher, how(mask))
