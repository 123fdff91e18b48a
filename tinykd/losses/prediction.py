"""Losses of the prediction layer: labels, the teacher's soft targets, and the two mixed. Taught in lesson 02."""

import torch
import torch.nn.functional as F
from torch import Tensor

from tinykd.losses.masking import IGNORE, check_same_shape, mean, precise


def cross_entropy(logits: Tensor, labels: Tensor, weight: Tensor | None = None) -> Tensor:
    """Mean negative log-likelihood, in nats, of the labels.

    The article writes the two-class formula, ``-[y log p + (1 - y) log (1 - p)]``; with C classes it is ``-log p[y]``.

    Args:
        logits: (..., classes).
        labels: (...), class ids; -100 where a position does not count.
        weight: (...), how much each position counts; 1 each by default.
    """
    counted = labels != IGNORE  # selected, not masked: an infinite logit elsewhere must not make value or gradient NaN
    each = F.cross_entropy(precise(logits[counted]), labels[counted], reduction="none")
    return mean(each, _selected(weight, counted))


def kl_divergence(student_logits: Tensor, teacher_logits: Tensor, temperature: float = 1.0) -> Tensor:
    """KL(teacher ‖ student) of the two softened distributions at each position, in nats.

    ``sum_k p_k (log p_k - log q_k)`` with ``p = softmax(teacher / T)`` and ``q = softmax(student / T)``
    (Hinton, Vinyals and Dean 2015, section 2).

    Args:
        student_logits, teacher_logits: (..., classes).
        temperature: T > 0; 1 leaves the distributions as they are, more softens them.

    Returns:
        (...), each at least 0, up to rounding, and 0 only where the two distributions agree; logits must be finite.
    """
    check_same_shape(student_logits, teacher_logits, "logits")
    if not temperature > 0:
        raise ValueError(f"temperature is {temperature}; it must be above 0")
    log_q = F.log_softmax(precise(student_logits) / temperature, dim=-1)
    log_p = F.log_softmax(precise(teacher_logits) / temperature, dim=-1)
    return F.kl_div(log_q, log_p, log_target=True, reduction="none").sum(-1)


def soft_target_loss(
    student_logits: Tensor,
    teacher_logits: Tensor,
    labels: Tensor,
    temperature: float = 1.0,
    weight: Tensor | None = None,
) -> Tensor:
    """``T² · KL(teacher ‖ student)``, the mean over the positions that count.

    The gradient of KL at temperature T shrinks as 1/T² (lesson 02 derives it). The factor T² keeps the gradient in one
    order of magnitude, so that an alpha chosen at one temperature still means something at another.

    Args:
        student_logits, teacher_logits: (..., classes).
        labels: (...); only which of them are -100 matters: those positions do not count.
        temperature: T > 0.
        weight: (...), how much each position counts; 1 each by default.
    """
    counted = labels != IGNORE
    each = kl_divergence(student_logits[counted], teacher_logits[counted], temperature)
    return temperature**2 * mean(each, _selected(weight, counted))


def kd_loss(
    student_logits: Tensor,
    teacher_logits: Tensor,
    labels: Tensor,
    alpha: float = 0.5,
    temperature: float = 1.0,
    weight: Tensor | None = None,
) -> Tensor:
    """``alpha · CE + (1 - alpha) · T² · KL(teacher ‖ student)``: the loss of the article's section 4.1.

    Args:
        student_logits, teacher_logits: (..., classes).
        labels: (...), class ids; -100 where a position does not count.
        alpha: the share of the labels, in [0, 1]; 1 ignores the teacher, 0 ignores the labels. The article takes 0.8.
        temperature: T > 0.
        weight: (...), how much each position counts; 1 each by default.
    """
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha is {alpha}; it must lie in [0, 1]")
    hard = cross_entropy(student_logits, labels, weight)
    soft = soft_target_loss(student_logits, teacher_logits, labels, temperature, weight)
    return alpha * hard + (1 - alpha) * soft


def joint_target(teacher_logits: Tensor, student_logits: Tensor, mixing: float, temperature: float = 1.0) -> Tensor:
    """Logits whose softmax at ``temperature`` is the article's joint output, ``λ · teacher + (1 - λ) · student``.

    The student's part is a constant: no gradient flows through a target. The gradient of ``soft_target_loss`` against
    this target is exactly λ times the gradient against the teacher alone (lesson 02), so a schedule of λ is a schedule
    of the teacher's weight.

    Args:
        teacher_logits, student_logits: (..., classes).
        mixing: λ, in [0, 1]; 1 is the teacher alone.
        temperature: T > 0, of both distributions.

    Returns:
        (..., classes), in single precision at least.
    """
    check_same_shape(student_logits, teacher_logits, "logits")
    if not 0 <= mixing <= 1:
        raise ValueError(f"mixing is {mixing}; it must lie in [0, 1]")
    if not temperature > 0:
        raise ValueError(f"temperature is {temperature}; it must be above 0")
    teacher = F.softmax(precise(teacher_logits) / temperature, dim=-1)
    student = F.softmax(precise(student_logits.detach()) / temperature, dim=-1)
    joint = mixing * teacher + (1 - mixing) * student
    return temperature * joint.clamp(min=torch.finfo(joint.dtype).tiny).log()


def _selected(weight: Tensor | None, counted: Tensor) -> Tensor | None:
    if weight is not None and weight.shape != counted.shape:
        raise ValueError(f"the weight is {tuple(weight.shape)}, the labels are {tuple(counted.shape)}")
    return None if weight is None else weight[counted]
