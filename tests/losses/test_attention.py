"""Relations of words: closed forms, agreement with torch's own attention, masks, gradients, properties."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from tinykd import losses

SEEDS = st.integers(0, 2**31)
HEADS = 2


def vectors(seed=0, hidden=6, dtype=torch.float64):
    """Queries, keys and values of a student and a teacher: two sentences, of four and two words."""
    generator = torch.Generator().manual_seed(seed)
    student, teacher = (
        tuple(torch.randn(2, 4, width, generator=generator, dtype=torch.float64).to(dtype) for _ in "qkv")
        for width in (hidden, 8)
    )
    return student, teacher, torch.tensor([[True] * 4, [True, True, False, False]])


def scores(side):
    return losses.attention_scores(side[0], side[1], HEADS)


LOSSES = {
    "attention": lambda s, t, mask: losses.attention(scores(s), scores(t), mask),
    "relations": lambda s, t, mask: losses.relations(s[2], t[2], HEADS, mask),
}
EVERY_LOSS = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES.keys())


def test_scores_are_those_that_torch_attends_with():
    (queries, keys, values), _, _ = vectors()
    split = [x.view(2, 4, HEADS, 3).transpose(1, 2) for x in (queries, keys, values)]
    attended = losses.attention_scores(queries, keys, HEADS).softmax(-1) @ split[2]
    assert_close(attended, F.scaled_dot_product_attention(*split))


def test_attention_by_hand():
    student, teacher = torch.zeros(1, 2, 2, 2), torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]]).repeat(1, 2, 1, 1)
    mask = torch.tensor([[True, True]])
    assert_close(losses.attention(student, teacher, mask).item(), (1 + 4 + 9 + 16) / 4)
    mask = torch.tensor([[True, False]])  # the second word is neither a row nor a column
    assert_close(losses.attention(student, teacher, mask).item(), 1.0)


def test_relations_by_hand():
    one, other = torch.zeros(1, 2, 1, dtype=torch.float64), torch.tensor([[[1.0], [0.0]]], dtype=torch.float64)
    # The student relates all alike; of the teacher's rows the first is softmax(1, 0), the second (1/2, 1/2).
    p = math.e / (1 + math.e)
    first = p * math.log(2 * p) + (1 - p) * math.log(2 * (1 - p))
    assert_close(losses.relations(one, other, 1, torch.ones(1, 2, dtype=torch.bool)).item(), (first + 0) / 2)


@EVERY_LOSS
@given(SEEDS)
def test_never_negative_and_zero_for_the_same(loss, seed):
    student, teacher, mask = vectors(seed)
    assert loss(student, teacher, mask) > 0
    assert_close(loss(teacher, teacher, mask).item(), 0.0, atol=1e-12, rtol=0)


@EVERY_LOSS
def test_padding_changes_neither_value_nor_gradient(loss):
    student, teacher, mask = vectors()
    rows = [(0, 4), (1, 2)]
    alone = [
        loss(tuple(x[i : i + 1, :n] for x in student), tuple(x[i : i + 1, :n] for x in teacher), mask[i : i + 1, :n])
        for i, n in rows
    ]
    student = tuple(x.masked_fill(~mask[..., None], 1e4).requires_grad_() for x in student)
    value = loss(student, teacher, mask)
    assert_close(value, (4 * alone[0] + 2 * alone[1]) / 6)  # six words, each of the same weight
    value.backward()
    for x in student:
        if x.grad is not None:
            assert x.grad[~mask].eq(0).all() and x.grad[mask].isfinite().all()


@EVERY_LOSS
def test_gradient_against_finite_differences(loss):
    student, teacher, mask = vectors()
    student = tuple(x.requires_grad_() for x in student)
    assert torch.autograd.gradcheck(lambda *s: loss(s, teacher, mask), student)


@EVERY_LOSS
def test_an_empty_batch_costs_nothing(loss):
    student, teacher, mask = vectors()
    assert loss(student, teacher, torch.zeros_like(mask)).item() == 0


@EVERY_LOSS
def test_half_precision_is_summed_in_single(loss):
    student, teacher, mask = vectors(dtype=torch.bfloat16)
    assert loss(student, teacher, mask).dtype == torch.float32


@EVERY_LOSS
def test_autocast_does_not_halve_the_precision(loss):
    student, teacher, mask = vectors(dtype=torch.float32)
    exact = loss(student, teacher, mask)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(loss(student, teacher, mask), exact, rtol=1e-6, atol=0)


@given(SEEDS)
def test_relations_do_not_see_a_rotation_within_a_head(seed):
    student, teacher, mask = vectors(seed)
    rotation = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64)).Q
    turned = (student[2].view(2, 4, HEADS, 3) @ rotation).view(2, 4, 6)
    expected = losses.relations(student[2], teacher[2], HEADS, mask)
    assert_close(losses.relations(turned, teacher[2], HEADS, mask), expected)


@pytest.mark.parametrize("heads", [4, 0, -2])
def test_a_width_that_the_heads_do_not_divide(heads):
    with pytest.raises(ValueError, match=f"6 cannot be cut into {heads} heads"):
        losses.attention_scores(torch.zeros(1, 2, 6), torch.zeros(1, 2, 6), heads)


def test_an_infinity_at_a_padding_word_touches_no_gradient():
    student, teacher, mask = vectors()
    clean = losses.relations(student[0], teacher[0], HEADS, mask)
    spoilt = student[0].masked_fill(~mask[..., None], torch.inf).requires_grad_()
    value = losses.relations(spoilt, teacher[0].masked_fill(~mask[..., None], -torch.inf), HEADS, mask)
    assert_close(value, clean)
    value.backward()
    assert spoilt.grad.isfinite().all()


def test_scores_in_half_precision_are_squared_in_single():
    far = torch.full((1, 1, 2, 2), 300.0, dtype=torch.float16)
    assert losses.attention(far, torch.zeros_like(far), torch.ones(1, 2, dtype=torch.bool)) == 90000


def test_other_numbers_of_heads_are_refused():
    with pytest.raises(ValueError, match="attention scores"):
        losses.attention(torch.zeros(1, 2, 3, 3), torch.zeros(1, 4, 3, 3), torch.ones(1, 3, dtype=torch.bool))


@pytest.mark.parametrize("mask", [torch.ones(2, 3, dtype=torch.long), torch.ones(2, dtype=torch.bool)])
def test_a_mask_that_would_select_something_else_is_refused(mask):
    scores, vectors = torch.zeros(2, 4, 3, 3), torch.zeros(2, 3, 8)
    for refused in (
        lambda: losses.attention(scores, scores, mask),
        lambda: losses.relations(vectors, vectors, 4, mask),
    ):
        with pytest.raises(ValueError, match="the mask is"):
            refused()


def test_relations_of_another_batch_are_refused_not_broadcast():
    with pytest.raises(ValueError, match="relations: the student's are"):
        losses.relations(torch.zeros(2, 3, 8), torch.zeros(1, 3, 8), 4, torch.ones(2, 3, dtype=torch.bool))
