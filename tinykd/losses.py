"""The losses of distillation: pure functions of tensors, one convention for all of them.

The convention: a position whose label is -100 is not counted; the loss is the mean over the positions that are; the
distillation term is multiplied by the squared temperature. An empty batch gives 0, with a gradient of 0.
Libraries differ here by factors of up to a thousand for the same "alpha" and "temperature"; see lesson 02.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from tinykd.data.encode import IGNORE


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean negative log-likelihood, in nats, of the labels.

    The article writes the two-class formula, ``-[y log p + (1 - y) log (1 - p)]``; with C classes it is ``-log p[y]``.

    Args:
        logits: (..., classes).
        labels: (...), class ids; -100 where a position does not count.
    """
    counted = labels != IGNORE  # selected, not masked: an infinite logit elsewhere must not make value or gradient NaN
    return F.cross_entropy(_precise(logits[counted]), labels[counted], reduction="sum") / _count(counted)


def kl_divergence(student_logits: Tensor, teacher_logits: Tensor, temperature: float = 1.0) -> Tensor:
    """KL(teacher ‖ student) of the two softened distributions at each position, in nats.

    ``sum_k p_k (log p_k - log q_k)`` with ``p = softmax(teacher / T)`` and ``q = softmax(student / T)``
    (Hinton, Vinyals and Dean 2015, section 2).

    Args:
        student_logits: (..., classes).
        teacher_logits: (..., classes).
        temperature: T > 0; 1 leaves the distributions as they are, more softens them.

    Returns:
        (...), each at least 0, and 0 only where the two distributions agree.
    """
    if not temperature > 0:
        raise ValueError(f"temperature is {temperature}; it must be above 0")
    log_q = F.log_softmax(_precise(student_logits) / temperature, dim=-1)
    log_p = F.log_softmax(_precise(teacher_logits) / temperature, dim=-1)
    return F.kl_div(log_q, log_p, log_target=True, reduction="none").sum(-1)


def distillation(student_logits: Tensor, teacher_logits: Tensor, labels: Tensor, temperature: float = 1.0) -> Tensor:
    """``T² · KL(teacher ‖ student)``, the mean over the positions that count.

    The gradient of KL at temperature T shrinks as 1/T² (lesson 02 derives it); the factor T² undoes that, so the same
    alpha means the same thing at every temperature.

    Args:
        student_logits, teacher_logits: (..., classes).
        labels: (...); only tells which positions count (not -100).
        temperature: T > 0.
    """
    counted = labels != IGNORE
    divergence = kl_divergence(student_logits[counted], teacher_logits[counted], temperature)
    return temperature**2 * divergence.sum() / _count(counted)


def mixture(
    student_logits: Tensor, teacher_logits: Tensor, labels: Tensor, alpha: float = 0.5, temperature: float = 1.0
) -> Tensor:
    """``alpha · CE + (1 - alpha) · T² · KL(teacher ‖ student)``: the loss of the article's section 4.1.

    Args:
        student_logits, teacher_logits: (..., classes).
        labels: (...), class ids; -100 where a position does not count.
        alpha: the share of the labels, in [0, 1]; 1 ignores the teacher, 0 ignores the labels. The article takes 0.8.
        temperature: T > 0.
    """
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha is {alpha}; it must lie in [0, 1]")
    hard = cross_entropy(student_logits, labels)
    soft = distillation(student_logits, teacher_logits, labels, temperature)
    return alpha * hard + (1 - alpha) * soft


def _count(counted: Tensor) -> Tensor:
    return counted.sum().clamp(min=1)


def _precise(logits: Tensor) -> Tensor:
    return logits.to(torch.promote_types(logits.dtype, torch.float32))
