# %% [markdown]
# # Lab 8. Smaller for good
#
# It goes with lesson 08, *Pruning: what to cut*. You need indexing of tensors, and to know that a matrix of
# PyTorch's
# `Linear` has a row for each of its outputs.

# %% [markdown]
# ## Exercise 1. What a head is worth (10 minutes)
#
# This is the blank of the lesson. Each head has a gate, and for each sentence you have the derivative of the sentence's
# loss by each gate. The importance of a head is the sum of the derivatives' absolute values over the sentences, divided
# by the number of words.

# %%
import torch
from torch import Tensor


def head_importance(gradients: Tensor, words: int) -> Tensor:
    """Return the importance of each head, by the gradient measure.

    Args:
        gradients: (sentences, layers, heads), of each sentence's loss by each gate.
        words: how many words all sentences have together.

    Returns:
        (layers, heads)
    """
    ### BEGIN SOLUTION 1
    return gradients.abs().sum(0) / words
    ### END SOLUTION


# %%
# Try it here. What one sentence adds, the other must not take away.
# print(head_importance(torch.tensor([[[1.0, 2.0]], [[-1.0, 2.0]]]), 10))

# %% [markdown]
# ## Exercise 2. Which heads stay (20 minutes)
#
# Each head of each layer has an importance. A share of all heads is to go, and the heads of all layers compete: the
# least important of the whole model go first. One rule protects a layer: its best head stays, whatever it is worth. A
# layer without heads would have no attention.
#
# The number that goes is the share of all heads, rounded. Of two heads that are worth the same the earlier one goes; of
# two that are both the best of their layer the earlier one is safe.


# %%
def kept_heads(importance: Tensor, share: float) -> list[list[int]]:
    """Return the heads that stay, by layer.

    Args:
        importance: (layers, heads), of each head.
        share: of all heads that go; every layer can keep its best.

    Returns:
        for each layer the numbers of its heads that stay, in order.
    """
    ### BEGIN SOLUTION 2
    protected = importance.clone()
    protected[torch.arange(len(importance)), importance.argmax(-1)] = torch.inf
    goes = protected.flatten().argsort(stable=True)[: round(share * importance.numel())]
    stays = torch.ones(importance.numel(), dtype=torch.bool)
    stays[goes] = False
    return [layer.nonzero()[:, 0].tolist() for layer in stays.view_as(importance)]
    ### END SOLUTION


# %%
# Try it here. The second layer's best is worth less than the first layer's worst.
# print(kept_heads(torch.tensor([[5.0, 4.0, 3.0], [1.0, 2.0, 0.5]]), 0.5))

# %% [markdown]
# ## Exercise 3. Cut it out (20 minutes)
#
# Attention computes its queries (keys, values) with a matrix of `width` rows: the first `width / heads` of them
# belong to head 0, the next to head 1, and so on. The output matrix takes all heads side by side. Where a head goes,
# its *rows* leave the first, and its *columns* the second. A mask of zeros would make nothing smaller.


# %%
def cut(query: Tensor, output: Tensor, heads: int, kept: list[int]) -> tuple[Tensor, Tensor]:
    """Return the two matrices without the heads that go.

    Args:
        query: (width, inputs), ``heads`` blocks of rows.
        output: (outputs, width), ``heads`` blocks of columns.
        heads: how many there are.
        kept: the numbers of those that stay, in order.

    Returns:
        both, with ``len(kept)`` blocks.
    """
    ### BEGIN SOLUTION 3
    blocks, columns = query.unflatten(0, (heads, -1)), output.unflatten(1, (heads, -1))
    return blocks[kept].flatten(0, 1), columns[:, kept].flatten(1)
    ### END SOLUTION


# %%
# Try it here. Two heads of two rows each.
# print(cut(torch.arange(8.0).view(4, 2), torch.arange(8.0).view(2, 4), 2, [1]))
