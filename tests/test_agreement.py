"""Our losses against the published formulas, written once more, in NumPy and in double precision, loop by loop.

Elsewhere: entity F1 is that of the shared task's scorer on a thousand random sequences (``test_evaluation.py``), ONNX
predicts as torch does (``deploy/test_export.py``), the Trainer ends where the loop written by hand ends
(``training/test_trainer.py``), two processes have the losses of one (``training/test_distributed.py``), recorded
results come again (``test_experiments.py``), and seven other libraries' losses are ours times a number that can be
derived (``test_loss_zoo.py``).
"""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tinykd import losses

few = settings(max_examples=30)
SHAPE = st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(2, 5), st.integers(0, 99))


def softmax(row):
    powers = [math.exp(x - max(row)) for x in row]
    return [power / sum(powers) for power in powers]


def divergence(p, q):
    return sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))


def draw(seed, *shape):
    return np.random.default_rng(seed).normal(0, 2, shape)


def as_tensors(*arrays):
    return [torch.tensor(array) for array in arrays]


@few
@given(SHAPE, st.floats(0.5, 8), st.floats(0, 1))
def test_hinton_2015(shape, temperature, alpha):
    """α · CE + (1 - α) · T² · KL, the mean over the words that count."""
    batch, words, classes, seed = shape
    student, teacher = draw(seed, batch, words, classes), draw(seed + 100, batch, words, classes)
    labels = np.random.default_rng(seed).integers(0, classes, (batch, words))
    labels[np.random.default_rng(seed + 1).random((batch, words)) < 0.3] = -100
    terms = []
    for s, t, y in zip(student.reshape(-1, classes), teacher.reshape(-1, classes), labels.ravel(), strict=True):
        if y != -100:
            soft = divergence(softmax(t / temperature), softmax(s / temperature))
            terms.append(alpha * -math.log(softmax(s)[y]) + (1 - alpha) * temperature**2 * soft)
    found = losses.kd_loss(*as_tensors(student, teacher, labels), alpha, temperature).item()
    assert found == pytest.approx(sum(terms) / len(terms) if terms else 0, rel=1e-9, abs=1e-12)


def masked(shape, width):
    batch, words, _, seed = shape
    mask = np.random.default_rng(seed + 1).random((batch, words)) < 0.7
    mask[0, 0] = True
    return mask, [draw(seed + i, batch, words, width) for i in range(6)]


@few
@given(SHAPE)
def test_tinybert_2020_hidden_states_and_distilbert_2019_cosine(shape):
    mask, (student, teacher, *_) = masked(shape, 6)
    kept = [(s, t) for s, t, m in zip(student.reshape(-1, 6), teacher.reshape(-1, 6), mask.ravel(), strict=True) if m]
    squares = sum(((s - t) ** 2).mean() for s, t in kept) / len(kept)
    angles = sum(1 - s @ t / (np.linalg.norm(s) * np.linalg.norm(t)) for s, t in kept) / len(kept)
    tensors = as_tensors(student, teacher, mask)
    assert losses.hidden_states(*tensors).item() == pytest.approx(squares, rel=1e-9)
    assert losses.cosine(*tensors).item() == pytest.approx(angles, rel=1e-9)


def scores(queries, keys, heads):
    """(heads, words, words) of one sentence: Vaswani et al. 2017, equation 1, before the softmax."""
    size = queries.shape[-1] // heads
    parts = [slice(head * size, (head + 1) * size) for head in range(heads)]
    return [queries[:, part] @ keys[:, part].T / math.sqrt(size) for part in parts]


@few
@given(SHAPE)
def test_tinybert_2020_attention(shape):
    mask, (sq, sk, tq, tk, *_) = masked(shape, 4)
    total = 0
    for row, keep in enumerate(mask):
        for a, b in zip(scores(sq[row], sk[row], 2), scores(tq[row], tk[row], 2), strict=True):
            total += sum(((a - b)[i, keep] ** 2).mean() for i in range(len(keep)) if keep[i]) / 2
    mine = [losses.attention_scores(*as_tensors(q, k), 2) for q, k in ((sq, sk), (tq, tk))]
    found = losses.attention(*mine, torch.tensor(mask)).item()
    assert found == pytest.approx(total / mask.sum(), rel=1e-9)


@few
@given(SHAPE)
def test_the_relations_of_minilm_v2(shape):
    mask, (_, _, student, _, _, teacher) = masked(shape, 4)

    total = 0
    for row, keep in enumerate(mask):
        pairs = zip(*(scores(vectors[row], vectors[row], 2) for vectors in (student, teacher)), strict=True)
        for a, b in pairs:
            rows = [divergence(softmax(b[i, keep]), softmax(a[i, keep])) for i in range(len(keep)) if keep[i]]
            total += sum(rows) / 2
    found = losses.relations(*as_tensors(student, teacher), 2, torch.tensor(mask)).item()
    assert found == pytest.approx(total / mask.sum(), rel=1e-7, abs=1e-9)
