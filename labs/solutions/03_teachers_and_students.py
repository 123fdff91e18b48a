# %% [markdown]
# # Lab 3. What a teacher is made of
#
# It goes with lesson 03, *Teachers and students*. You need to know which matrices a layer of BERT holds.

# %% [markdown]
# ## Exercise 1. Who stands for whom (15 minutes)
#
# A student of three layers learns from a teacher of six. The map is uniform: the student's last layer stands for the
# teacher's last, and the steps are equal. A layer map counts the teacher's layers from 0. `hidden_states` counts the
# embeddings as 0, and the first layer as 1. You need both: the map, and the hidden states to store. TinyBERT
# compares the embeddings as well, so they are stored, too.


# %%
def layers_to_store(teacher_layers: int, student_layers: int) -> tuple[list[int], list[int]]:
    """Return the uniform layer map, and which of the teacher's hidden states it needs.

    Args:
        teacher_layers: a multiple of ``student_layers``.
        student_layers: at least 1.

    Returns:
        the map, one of the teacher's layers (from 0) for each layer of the student, and the numbers of the hidden
        states (from 0, the embeddings), the embeddings first.
    """
    ### BEGIN SOLUTION 1
    step = teacher_layers // student_layers
    layer_map = [step * (place + 1) - 1 for place in range(student_layers)]
    return layer_map, [0, *(layer + 1 for layer in layer_map)]
    ### END SOLUTION


# %%
# Try it here. For 6 and 3 the first is [1, 3, 5].
# print(layers_to_store(6, 3))

# %% [markdown]
# ## Exercise 2. Count without loading (20 minutes)
#
# Your device has room for half of a model. Before you download it, you want its number of parameters, from its shape
# alone. A BERT has an embedding matrix for subword tokens, one for positions and one for two segment types, all *width*
# wide, and a LayerNorm over their sum. Each layer has four square matrices (queries, keys, values, output), two of the
# feed-forward part, *width* to *neurons* and back, and two LayerNorms. Every matrix of a layer has a bias; a
# LayerNorm has a weight and a bias. The head for tagging is one matrix with a bias.
#
# **Guess first:** how many parameters does a model save that has half as many heads?

# %% [markdown] tags=["teacher"]
# **To the guess.** None. The heads share out the width among themselves; the matrices stay as they are.


# %%
def count_parameters(pieces: int, positions: int, width: int, layers: int, neurons: int, labels: int) -> int:
    """Return the number of parameters of a BERT for tagging, without a pooler.

    Args:
        pieces, positions: rows of the two large embedding matrices; a third one has 2 rows.
        width: of every word's vector.
        layers: how many.
        neurons: of the feed-forward part of a layer.
        labels: how many the head tells apart.
    """
    ### BEGIN SOLUTION 2
    norm = 2 * width
    embeddings = (pieces + positions + 2) * width + norm
    attention = 4 * (width * width + width)
    feed_forward = 2 * width * neurons + neurons + width
    head = width * labels + labels
    return embeddings + layers * (attention + feed_forward + 2 * norm) + head
    ### END SOLUTION


# %%
# Try it here. Our teacher, for nine tags; lesson 03 says what it should be.
# print(count_parameters(30522, 512, 384, 6, 1536, 9))

# %% [markdown]
# ## Exercise 3. The loss that is 0 for ever (10 minutes)
#
# Fused attention returns no probabilities at all, and a sum over nothing is 0: the run looks perfect and learns nothing
# (lesson 05 has the case). Write an attention loss that avoids this: the mean, over the layers, of the mean squared
# error. If there is nothing to compare, or if the two sides have different numbers of layers, it must raise an error.
# One line is enough.

# %%
import torch
import torch.nn.functional as F
from torch import Tensor


def attention_loss(student: tuple[Tensor, ...], teacher: tuple[Tensor, ...]) -> Tensor:
    """Return the mean squared error of each layer, averaged over the layers, as a tensor that a student can learn from.

    Args:
        student, teacher: (sentences, heads, words, words), one tensor per layer.

    Raises:
        any error, if there is nothing to compare or a layer has no partner.
    """
    ### BEGIN SOLUTION 3
    return torch.stack([F.mse_loss(mine, theirs) for mine, theirs in zip(student, teacher, strict=True)]).mean()
    ### END SOLUTION


# %%
# Try it here. What does it return for nothing?
# attention_loss((), ())
