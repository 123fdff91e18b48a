"""Losses between vectors: hidden states and embeddings. Taught in lesson 05.

Shapes: student and teacher (batch, words, hidden) of one layer, of the same width (training projects a narrower
student); mask (batch, words), True where a word counts. Each raises a ``ValueError`` if the widths differ, or the mask
is not boolean and (batch, words).
"""

import torch.nn.functional as F
from torch import Tensor

from tinykd.losses.masking import check_same_shape, mean, precise


def hidden_states(student: Tensor, teacher: Tensor, mask: Tensor) -> Tensor:
    """Mean squared error per dimension: TinyBERT's L_hidn and, on the embedding layer, L_embd.

    Jiao et al. 2020, equations 8 and 9; unlike their script, padding does not count.
    """
    check_same_shape(student, teacher, "hidden states", mask)
    return mean(F.mse_loss(precise(student[mask]), precise(teacher[mask]), reduction="none").mean(-1))


def cosine(student: Tensor, teacher: Tensor, mask: Tensor) -> Tensor:
    """``1 - cos`` of the angle between the two states: DistilBERT's L_cos (Sanh et al. 2019, section 2)."""
    check_same_shape(student, teacher, "hidden states", mask)
    return mean(1 - F.cosine_similarity(precise(student[mask]), precise(teacher[mask]), dim=-1))


def pkd(student: Tensor, teacher: Tensor, mask: Tensor) -> Tensor:
    """Squared distance of the two states, each scaled to length 1: L_PT of patient knowledge distillation.

    Sun et al. 2019, equation 7, there of the [CLS] states only. Equal to ``2 · cosine``, as lesson 05 shows.
    """
    check_same_shape(student, teacher, "hidden states", mask)
    distance = F.normalize(precise(student[mask]), dim=-1) - F.normalize(precise(teacher[mask]), dim=-1)
    return mean(distance.square().sum(-1))
