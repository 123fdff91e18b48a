# %% [markdown]
# # Lab 9. Eight bits and a scale
#
# It goes with lesson 09, *Fewer bits*. You need `round`, `clamp`, and maxima along a dimension.

# %% [markdown]
# ## Exercise 1. A scale for each row (20 minutes)
#
# This is the blank of the lesson. A weight becomes a whole number times a scale. With 8 bits and a symmetric grid the
# whole numbers run from -127 to 127, and the largest weight in size falls on one of the ends. One scale for the whole
# matrix lets one large weight spoil all others; so each *row* gets its own. A row belongs to one output of the product,
# and the scale can be multiplied on after the product.
#
# Return the rounded matrix in floating point, as the lesson does. A row of zeros must stay one.

# %%
import torch
from torch import Tensor


def rounded_rows(matrix: Tensor, bits: int = 8) -> Tensor:
    """Return the matrix rounded to its grid, a scale for each row, symmetric.

    Args:
        matrix: (outputs, inputs).
        bits: of a whole number, its sign included.

    Returns:
        (outputs, inputs), in floating point.
    """
    ### BEGIN SOLUTION 1
    highest = 2 ** (bits - 1) - 1
    scale = matrix.abs().amax(1, keepdim=True) / highest
    scale = scale.where(scale > 0, 1)
    return (matrix / scale).round() * scale
    ### END SOLUTION


# %%
# Try it here. One row has a weight that is a hundred times larger; how far off are the others?
# matrix = torch.randn(3, 5)
# matrix[1, 2] = 300
# print((rounded_rows(matrix) - matrix).abs().amax(1))

# %% [markdown]
# ## Exercise 2. Zero must be on the grid (20 minutes)
#
# Activations are rarely symmetric: after a GELU nearly all are positive. Their grid runs from 0 to 255, with 8 bits,
# from their lowest value to their highest. Exact zeros are common, for example the attention to padding, and must stay
# 0: so 0 must be a point of the grid. If all values are positive, the range is stretched down to 0, and if all are
# negative, up to it. Then a value $x$ becomes $q = \mathrm{round}(x / s) + z$, and the *zero point* $z$ is the whole
# number that 0 becomes.


# %%
def grid(values: Tensor, bits: int = 8) -> tuple[float, int]:
    """Return the scale and the zero point of an asymmetric grid.

    Args:
        values: any shape; at least one is not 0.
        bits: the whole numbers run from 0 to ``2 ** bits - 1``.

    Returns:
        the scale, above 0, and the zero point, a whole number of the grid.
    """
    ### BEGIN SOLUTION 2
    low, high = min(values.min().item(), 0.0), max(values.max().item(), 0.0)
    scale = (high - low) / (2**bits - 1)
    return scale, round(-low / scale)
    ### END SOLUTION


# %%
# Try it here. Between -1 and 3, a quarter of the grid lies below zero.
# print(grid(torch.tensor([-1.0, 3.0])))
