# %% [markdown]
# # Lab 5. What else can be compared
#
# It goes with lesson 05, *Matching layers: the losses of TinyBERT and MiniLM*. You need masks, and to know which
# dimension is which.

# %% [markdown]
# ## Exercise 1. Patient, and by which factor (15 minutes)
#
# The loss of *patient* distillation scales the hidden state of each word to length 1, in both models, and takes the
# squared distance of the two: a sum over the dimensions, as its paper writes it. Ours is the mean of that over the
# words that count.
#
# The published script says `F.mse_loss(F.normalize(t, dim=-1), F.normalize(s, dim=-1))`. **Guess first:** for states
# 384 wide, by which factor does it differ?

# %% [markdown] tags=["teacher"]
# **To the guess.** By 384: `mse_loss` takes the mean over the dimensions, too, and the paper a sum.

# %%
import torch
import torch.nn.functional as F
from torch import Tensor


def pkd(student: Tensor, teacher: Tensor, mask: Tensor) -> Tensor:
    """Return the squared distance of the states at length 1, the mean over the words that count.

    Args:
        student, teacher: (sentences, words, width).
        mask: (sentences, words), True where a word counts.

    Returns:
        one number, between 0 and 4, a tensor through which the student can learn.
    """
    ### BEGIN SOLUTION 1
    mine, theirs = (F.normalize(states[mask], dim=-1) for states in (student, teacher))
    return (mine - theirs).square().sum(-1).mean()
    ### END SOLUTION


# %%
# Try it here. Opposite states are at a squared distance of 4, whatever their lengths.
# states = torch.randn(2, 3, 8)
# print(pkd(states, -7 * states, torch.ones(2, 3, dtype=torch.bool)))

# %% [markdown]
# ## Exercise 2. What the softmax throws away (20 minutes)
#
# Attention scores are compared before their softmax. A constant added to a row of scores changes no attention, and
# still costs a loss. Take the mean of each row off, in both models, before you compare. A row is a word; its columns
# are the words that it looks at. Padding is neither a row nor a column that counts.
#
# Compare as the course does: the squared error, its mean over the heads, its mean over the columns that count, its
# mean over the rows that count.


# %%
def centred_attention(student: Tensor, teacher: Tensor, mask: Tensor) -> Tensor:
    """Return the mean squared error of two tables of scores, each row with its own mean taken off.

    Args:
        student, teacher: (sentences, heads, words, words), scores before the softmax.
        mask: (sentences, words), True where a word counts.

    Returns:
        one number, a tensor through which the student can learn.
    """
    ### BEGIN SOLUTION 2
    rows = []
    for mine, theirs, counted in zip(student, teacher, mask, strict=True):
        mine, theirs = (scores[:, counted][..., counted] for scores in (mine, theirs))
        mine, theirs = (scores - scores.mean(-1, keepdim=True) for scores in (mine, theirs))
        rows.append((mine - theirs).square().mean((0, 2)))
    return torch.cat(rows).mean()
    ### END SOLUTION


# %%
# Try it here. A constant per row must cost nothing.
# scores = torch.randn(1, 2, 4, 4)
# print(centred_attention(scores, scores + torch.randn(1, 2, 4, 1), torch.ones(1, 4, dtype=torch.bool)))
