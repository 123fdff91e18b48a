import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from tinykd import losses
from tinykd.losses.masking import IGNORE

LN3 = math.log(3)
HARD = math.log(4 / 3)  # -ln 3/4
SOFT = 0.25 * math.log(0.25 / 0.5) + 0.75 * math.log(0.75 / 0.5)
LOSSES = [
    lambda s, t, y: losses.cross_entropy(s, y),
    lambda s, t, y: losses.soft_target_loss(s, t, y, 2.0),
    lambda s, t, y: losses.kd_loss(s, t, y, 0.3, 2.0),
]
EVERY_LOSS = pytest.mark.parametrize("loss", LOSSES, ids=["cross_entropy", "soft_target_loss", "kd_loss"])
ROWS = st.lists(st.floats(-20, 20), min_size=3, max_size=3)


def batch(dtype=torch.float64):
    """Two rows of three positions and four classes; half of the positions count."""
    generator = torch.Generator().manual_seed(0)
    student, teacher = (torch.randn(2, 3, 4, generator=generator, dtype=torch.float64).to(dtype) for _ in "ab")
    return student.requires_grad_(), teacher, torch.tensor([[0, IGNORE, 3], [IGNORE, IGNORE, 1]])


def test_cross_entropy_by_hand():
    logits = torch.tensor([[0, LN3], [0, LN3], [0, 0]], dtype=torch.float64)
    assert_close(losses.cross_entropy(logits[:1], torch.tensor([1])).item(), HARD)
    assert_close(losses.cross_entropy(logits, torch.tensor([1, 0, 1])).item(), (HARD + math.log(4) + math.log(2)) / 3)


@pytest.mark.parametrize("temperature", [1.0, 2.0, 5.0])
def test_divergence_and_its_squared_temperature_by_hand(temperature):
    student, teacher = torch.tensor([[[0, 0]], [[0, temperature * LN3]]], dtype=torch.float64)
    assert_close(losses.kl_divergence(student, teacher, temperature), torch.tensor([SOFT], dtype=torch.float64))
    distilled = losses.soft_target_loss(student, teacher, torch.tensor([0]), temperature)
    assert_close(distilled.item(), temperature**2 * SOFT)


@pytest.mark.parametrize("alpha", [0.0, 0.8, 1.0])
def test_kd_loss_by_hand(alpha):
    student, teacher = torch.tensor([[[0, 0]], [[0, 2 * LN3]]], dtype=torch.float64)
    expected = alpha * math.log(2) + (1 - alpha) * 4 * SOFT
    assert_close(losses.kd_loss(student, teacher, torch.tensor([1]), alpha, 2.0).item(), expected)


@EVERY_LOSS
def test_positions_that_do_not_count_change_nothing(loss):
    student, teacher, labels = batch()
    counted = labels != IGNORE
    expected = loss(student[counted], teacher[counted], labels[counted])
    value = loss(student, teacher, labels)
    value.backward()
    assert_close(value, expected)
    assert student.grad[~counted].eq(0).all()
    assert student.grad[counted].ne(0).all()


@EVERY_LOSS
def test_an_infinite_logit_that_does_not_count_changes_nothing(loss):
    student, teacher, labels = batch()
    expected = loss(student, teacher, labels)
    wild = [torch.where((labels == IGNORE)[..., None], math.inf, x.detach()) for x in (student, teacher)]
    value = loss(wild[0].requires_grad_(), wild[1], labels)
    value.backward()
    assert_close(value, expected)
    assert wild[0].grad.isfinite().all()


@EVERY_LOSS
def test_nothing_to_count_gives_zero(loss):
    student, teacher, labels = batch()
    value = loss(student, teacher, torch.full_like(labels, IGNORE))
    value.backward()
    assert value.item() == 0
    assert student.grad.eq(0).all()


@EVERY_LOSS
def test_gradients_by_finite_differences(loss):
    student, teacher, labels = batch()
    assert torch.autograd.gradcheck(lambda logits: loss(logits, teacher, labels), student)


@EVERY_LOSS
@pytest.mark.parametrize(
    ("dtype", "expected"),
    [(torch.float64, torch.float64), (torch.float32, torch.float32)]
    + [(half, torch.float32) for half in (torch.float16, torch.bfloat16)],
)
def test_half_precision_is_raised_and_double_kept(loss, dtype, expected):
    student, teacher, labels = batch(dtype)
    value = loss(student, teacher, labels)
    assert value.dtype == expected
    assert_close(value.double(), loss(student.double(), teacher.double(), labels), rtol=1e-6, atol=0)


def test_a_hot_gradient_matches_logits():
    student, teacher, labels = batch()
    losses.soft_target_loss(student, teacher, labels, 1e4).backward()
    gap = student.detach() - teacher
    expected = (gap - gap.mean(-1, keepdim=True)) / gap.shape[-1] / 3
    counted = labels != IGNORE
    assert_close(student.grad[counted], expected[counted], rtol=1e-3, atol=1e-5)


@given(ROWS, ROWS, st.floats(0.1, 100), st.floats(-50, 50))
def test_the_divergence_is_not_negative_and_blind_to_shifts(student, teacher, temperature, shift):
    student, teacher = torch.tensor(student).double(), torch.tensor(teacher).double()
    divergence = losses.kl_divergence(student, teacher, temperature)
    assert divergence >= -1e-12
    assert_close(losses.kl_divergence(student + shift, teacher - shift, temperature), divergence, rtol=1e-6, atol=1e-9)
    assert losses.kl_divergence(teacher, teacher, temperature) == 0


@given(ROWS, st.integers(0, 2), st.floats(-50, 50))
def test_cross_entropy_is_not_negative_and_blind_to_shifts(logits, label, shift):
    logits, labels = torch.tensor([logits]).double(), torch.tensor([label])
    value = losses.cross_entropy(logits, labels)
    assert value >= 0
    assert_close(losses.cross_entropy(logits + shift, labels), value)


@pytest.mark.parametrize("temperature", [0.0, -1.0, math.nan])
def test_a_temperature_must_be_above_zero(temperature):
    with pytest.raises(ValueError, match=rf"^temperature is {temperature}; it must be above 0$"):
        losses.kl_divergence(torch.zeros(2), torch.zeros(2), temperature)


@pytest.mark.parametrize("alpha", [-0.1, 1.1, math.nan])
def test_alpha_is_a_share(alpha):
    with pytest.raises(ValueError, match=rf"^alpha is {alpha}; it must lie in \[0, 1\]$"):
        losses.kd_loss(*batch(), alpha=alpha)


@pytest.mark.parametrize(
    ("mixing", "temperature", "message"), [(1.1, 1.0, "mixing is 1.1"), (0.5, 0.0, "temperature is 0.0")]
)
def test_a_joint_target_that_cannot_be_is_refused(mixing, temperature, message):
    student, teacher, _ = batch()
    with pytest.raises(ValueError, match=f"^{message}; it must"):
        losses.joint_target(teacher, student, mixing, temperature)


@pytest.mark.parametrize("part", [lambda logits: logits[..., :1], lambda logits: logits[:1]])
def test_a_teacher_of_another_shape_is_refused_not_broadcast(part):
    student, teacher, labels = batch()
    with pytest.raises(ValueError, match="logits: the student's are"):
        losses.kl_divergence(student, part(teacher))
    with pytest.raises(ValueError, match="logits: the student's are"):
        losses.joint_target(part(teacher), student, 0.5)
    with pytest.raises(ValueError, match="logits: the student's are"):
        losses.soft_target_loss(student, teacher[..., :1], labels)


def test_the_defaults_are_a_temperature_of_1_and_half_the_labels():
    student, teacher, labels = batch()
    assert losses.kl_divergence(student, teacher).equal(losses.kl_divergence(student, teacher, 1.0))
    assert losses.soft_target_loss(student, teacher, labels) == losses.soft_target_loss(student, teacher, labels, 1.0)
    assert losses.kd_loss(student, teacher, labels) == losses.kd_loss(student, teacher, labels, 0.5, 1.0)
    assert losses.joint_target(teacher, student, 0.3).equal(losses.joint_target(teacher, student, 0.3, 1.0))


@pytest.mark.parametrize("loss", [losses.cross_entropy, None], ids=["cross_entropy", "soft_target_loss"])
def test_a_weight_scales_its_own_position(loss):
    student, teacher, labels = batch()
    rows = [(i, j) for i, j in (labels != IGNORE).nonzero().tolist()]
    call = loss or (lambda s, y, w=None: losses.soft_target_loss(s, teacher, y, 2.0, w))
    weight = torch.rand(2, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    expected = 0
    for i, j in rows:
        alone = torch.full_like(labels, IGNORE)
        alone[i, j] = labels[i, j]
        expected = expected + weight[i, j] * call(student, alone) / len(rows)
    assert_close(call(student, labels, weight), expected)
    assert_close(call(student, labels, torch.ones_like(weight)), call(student, labels))
    with pytest.raises(ValueError, match=r"^the weight is \(2, 3, 1\), the labels are \(2, 3\)$"):
        call(student, labels, weight[..., None])


@given(st.floats(0, 1), st.floats(0.5, 8))
def test_a_joint_target_pulls_in_proportion_to_mixing(mixing, temperature):
    student, teacher, labels = batch()
    joint = losses.joint_target(teacher, student, mixing, temperature)
    pull = torch.autograd.grad(losses.soft_target_loss(student, joint, labels, temperature), student)[0]
    whole = torch.autograd.grad(losses.soft_target_loss(student, teacher, labels, temperature), student)[0]
    assert_close(pull, mixing * whole, atol=1e-9, rtol=1e-6)


def test_a_joint_target_is_the_mean_of_both_distributions():
    student, teacher, _ = batch()
    joint = losses.joint_target(teacher, student, 0.25, 2.0)
    expected = 0.25 * (teacher / 2).softmax(-1) + 0.75 * (student / 2).softmax(-1)
    assert_close((joint / 2).softmax(-1), expected.detach())
    assert not joint.requires_grad
