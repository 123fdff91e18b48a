"""Losses between relations of words: which word attends to which. Taught in lesson 05.

Shapes: queries, keys, values (batch, words, hidden) of one layer; mask (batch, words), True where a word counts. A word
that does not count is neither a row nor a column; all others weigh the same, however long their sentence.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from tinykd.losses.masking import check_same_shape, mean, precise


def attention_scores(queries: Tensor, keys: Tensor, heads: int) -> Tensor:
    """Scaled dot products ``Q Kᵀ / √d`` before the softmax, (batch, heads, words, words).

    Vaswani et al. 2017, equation 1. With a matrix and itself they are MiniLMv2's Q-Q, K-K and V-V relations.

    Raises:
        ValueError: the width is not a multiple of ``heads``.
    """
    queries, keys = _heads(queries, heads), _heads(keys, heads)
    with torch.autocast(queries.device.type, enabled=False):  # it would halve the precision again
        return queries @ keys.transpose(-1, -2) / queries.shape[-1] ** 0.5


def attention(student_scores: Tensor, teacher_scores: Tensor, mask: Tensor) -> Tensor:
    """Mean squared error of the scores: TinyBERT's L_attn (Jiao et al. 2020, equation 7).

    It compares the scores before the softmax, as their script does and their text advises.

    Args:
        student_scores, teacher_scores: (batch, heads, words, words).

    Raises:
        ValueError: the numbers of heads differ, or the mask is not boolean and (batch, words).
    """
    check_same_shape(student_scores, teacher_scores, "attention scores", mask)
    counted = mask[:, None, :, None] & mask[:, None, None, :]  # (batch, 1, words, words)
    student_scores, teacher_scores = (precise(scores).where(counted, 0) for scores in (student_scores, teacher_scores))
    error = F.mse_loss(student_scores, teacher_scores, reduction="none")
    rows = error.mean(1).sum(-1) / mask.sum(-1, keepdim=True).clamp(min=1)  # (batch, words)
    return mean(rows[mask])


def relations(student: Tensor, teacher: Tensor, relation_heads: int, mask: Tensor) -> Tensor:
    """KL(teacher ‖ student) of the self-relations ``softmax(A Aᵀ / √d)``, A being queries, keys or values.

    MiniLMv2 (Wang et al. 2021, equations 3 and 4): the mean over relation heads and words. The widths may differ.

    Args:
        student: (batch, words, student hidden).
        teacher: (batch, words, teacher hidden).
        relation_heads: into how many parts each vector is cut; need not be the attention heads of either model.

    Raises:
        ValueError: a width is not a multiple of ``relation_heads``, or the mask is not boolean and (batch, words).
    """
    check_same_shape(student[..., :1], teacher[..., :1], "relations", mask)  # the widths may differ
    # Zeros in place of words that do not count: in a product, an infinity there would make a gradient here NaN.
    student, teacher = (vectors.where(mask[..., None], 0) for vectors in (student, teacher))
    student, teacher = (attention_scores(vectors, vectors, relation_heads) for vectors in (student, teacher))
    ignored = ~mask[:, None, None, :]
    log_q, log_p = (
        F.log_softmax(scores.masked_fill(ignored, torch.finfo(scores.dtype).min), dim=-1)
        for scores in (student, teacher)
    )
    divergence = (log_p.exp() * (log_p - log_q)).masked_fill(ignored, 0).sum(-1)  # (batch, heads, words)
    return mean(divergence.mean(1)[mask])


def _heads(vectors: Tensor, heads: int) -> Tensor:
    """Cut (batch, words, hidden) into (batch, heads, words, hidden / heads)."""
    batch, words, hidden = vectors.shape
    if heads < 1 or hidden % heads:
        raise ValueError(f"a width of {hidden} cannot be cut into {heads} heads")
    return precise(vectors).view(batch, words, heads, hidden // heads).transpose(1, 2)
