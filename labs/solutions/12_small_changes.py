# %% [markdown]
# # Lab 12. Beside a frozen matrix
#
# It goes with lesson 12, *Small changes: LoRA and adapters*. You need the product of two matrices.

# %% [markdown]
# ## Exercise 1. Merge it (15 minutes)
#
# A layer computes $Wx + b$. LoRA puts a pair beside it: $A$ takes the input down to `rank` numbers, $B$ takes these
# up to the output, and the answer is $Wx + b + s\,B(Ax)$, with a fixed strength $s$. When training is over, the pair
# can vanish into the matrix. Return the matrix that does alone what the three did together.

# %%
import torch
from torch import Tensor


def merged(weight: Tensor, down: Tensor, up: Tensor, strength: float) -> Tensor:
    """Return the matrix into which a pair has vanished.

    Args:
        weight: W, (outputs, inputs).
        down: A, (rank, inputs).
        up: B, (outputs, rank).
        strength: s.

    Returns:
        (outputs, inputs); what was given is left as it is.
    """
    ### BEGIN SOLUTION 1
    return weight + strength * up @ down
    ### END SOLUTION


# %%
# Try it here. A pair whose B is zero changes nothing.
# weight, down = torch.randn(3, 4), torch.randn(2, 4)
# print(merged(weight, down, torch.zeros(3, 2), 1.0) - weight)

# %% [markdown]
# ## Exercise 2. What it costs (15 minutes)
#
# A bottleneck adapter is two matrices, from the width down to `narrow` and up again, each with a bias. Every layer
# gets two adapters. A pair of LoRA has no bias; every layer gets two pairs, beside its queries and its values, which
# are square. **Guess first:** which rank of LoRA costs as much as a bottleneck of 64?

# %% [markdown] tags=["teacher"]
# **To the guess.** 64, nearly: at a width of 384 two pairs of rank 64 have 98,304 numbers a layer, two adapters
# 99,200. The difference is their biases.


# %%
def new_parameters(width: int, layers: int, narrow: int, rank: int) -> tuple[int, int]:
    """Return the new parameters of bottleneck adapters, and of LoRA.

    Args:
        width: of the model.
        layers: how many it has.
        narrow: the width inside a bottleneck adapter.
        rank: of a pair of LoRA.
    """
    ### BEGIN SOLUTION 2
    adapter = width * narrow + narrow + narrow * width + width
    pair = rank * (width + width)
    return 2 * layers * adapter, 2 * layers * pair
    ### END SOLUTION


# %%
# Try it here.
# print(new_parameters(384, 6, 64, 64))

# %% [markdown]
# ## Exercise 3. A strength is a learning rate (15 minutes)
#
# You read "$s = 2$, learning rate $10^{-3}$, Adam" in a paper. Our package has $s = 1$. Which two learning rates, one
# for $A$ and one for $B$, take the same steps there? Adam's step doesn't depend on the size of the gradient, and the
# model sees only $sBA$. $B$ begins at zero.


# %%
def rates(strength: float, rate: float) -> tuple[float, float]:
    """Return the learning rates of A and of B that, with a strength of 1, do what ``rate`` does with ``strength``.

    Args:
        strength: s, above 0.
        rate: of both A and B, with Adam.
    """
    ### BEGIN SOLUTION 3
    return rate, strength * rate
    ### END SOLUTION


# %%
# Try it here.
# print(rates(2.0, 1e-3))
