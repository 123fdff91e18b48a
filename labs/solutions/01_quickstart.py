# %% [markdown]
# # Lab 1. A label has room for one answer
#
# It goes with lesson 01, *The demo in five minutes*. You need PyTorch's `log` and `softmax`, and a mean.

# %% [markdown]
# ## Exercise 1. Read it softly (10 minutes)
#
# A teacher gives `PER 0.60, LOC 0.38, O 0.02` for a word. You have no logits, only these probabilities; you want to
# know what the teacher says at a temperature of 4. **Guess first:** does `O` gain more in proportion than `LOC`?
#
# A softmax doesn't see a constant that is added to all logits. So which numbers may stand for the logits?

# %% [markdown] tags=["teacher"]
# **To the guess.** Yes. *O* rises from 0.02 to 0.18, nine times as much; *LOC* stays at 0.38, and *PER* falls to 0.43.
# In proportion the smallest gains most.

# %%
import torch
from torch import Tensor


def soften(probabilities: Tensor, temperature: float) -> Tensor:
    """Return what a teacher says at another temperature.

    Args:
        probabilities: (words, labels), each row sums to 1: what it says at temperature 1.
        temperature: above 0.

    Returns:
        (words, labels), each row sums to 1.
    """
    ### BEGIN SOLUTION 1
    return (probabilities.log() / temperature).softmax(-1)
    ### END SOLUTION


# %%
# Try it here.
teacher = torch.tensor([[0.60, 0.38, 0.02]])
# print(soften(teacher, 4.0), soften(teacher, 4.0) / teacher)

# %% [markdown]
# ## Exercise 2. Two gaps (10 minutes)
#
# Three models have the same shape. The *baseline* was cut before the teacher was fine-tuned. The *twin* was cut
# after it and trained on labels. The *student* was cut after it too, and had the teacher's soft labels as well. Each
# was trained with the same seeds, so that the first score of one belongs to the first score of the others.
#
# What is owed to the weights, and what to the soft labels? A gap that changes its sign with the seed hasn't been
# measured yet.

# %%
import numpy as np


def gaps(baseline: np.ndarray, twin: np.ndarray, student: np.ndarray) -> tuple[tuple, tuple]:
    """Return two pairs, one for the weights and one for the soft labels.

    Args:
        baseline, twin, student: (seeds,), the F1 of each model with each seed.

    Returns:
        ``((mean, measured), (mean, measured))``: the mean gap, and whether it has the same sign with every seed.
    """
    ### BEGIN SOLUTION 2
    found = []
    for better, worse in ((twin, baseline), (student, twin)):
        gap = better - worse
        found.append((gap.mean(), bool((gap > 0).all() or (gap < 0).all())))
    return tuple(found)
    ### END SOLUTION


# %%
# Try it here.
# print(gaps(np.array([0.80, 0.81]), np.array([0.82, 0.83]), np.array([0.83, 0.82])))
