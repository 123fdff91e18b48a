# %% [markdown]
# # Lab 10. The copy, and the clock
#
# It goes with lesson 10, *Out of the door*. You need masks of numpy arrays.

# %% [markdown]
# ## Exercise 1. The largest gap (15 minutes)
#
# This is the blank of the lesson. A model was exported, and two runtimes read the same batch. How far are their logits
# apart at most? Nobody reads the logits of padding, and there the runtimes may differ: count only where the mask is 1.

# %%
import numpy as np


def largest_gap(expected: np.ndarray, found: np.ndarray, mask: np.ndarray) -> float:
    """Return the largest absolute difference of two runtimes' logits, padding left out.

    Args:
        expected, found: (sentences, subword tokens, labels).
        mask: (sentences, subword tokens), 1 for a token and 0 for padding.
    """
    ### BEGIN SOLUTION 1
    return np.abs(expected - found)[mask == 1].max()
    ### END SOLUTION


# %%
# Try it here. The second subword token is padding.
# print(largest_gap(np.zeros((1, 2, 1)), np.array([[[0.1], [5.0]]]), np.array([[1, 0]])))

# %% [markdown]
# ## Exercise 2. Whose merit is it? (15 minutes)
#
# A teacher runs in torch, and a student in ONNX Runtime. How much of the speed-up is the runtime's, and how much the
# smaller model's? You also have the teacher's time in ONNX Runtime. The two factors multiply to the whole.


# %%
def factors(teacher_torch: float, teacher_onnx: float, student_onnx: float) -> tuple[float, float]:
    """Return how much faster the runtime makes the teacher, and the smaller model in that runtime.

    Args:
        teacher_torch, teacher_onnx, student_onnx: milliseconds per sentence.

    Returns:
        the runtime's factor and the model's; above 1 is faster.
    """
    ### BEGIN SOLUTION 2
    return teacher_torch / teacher_onnx, teacher_onnx / student_onnx
    ### END SOLUTION


# %%
# Try it here.
# print(factors(20.0, 8.0, 2.0))
