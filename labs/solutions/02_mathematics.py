# %% [markdown]
# # Lab 2. What the mean is over
#
# It goes with lesson 02, *Soft labels and temperature*. You need `softmax`, `log_softmax` and a mean over the
# words that count.

# %% [markdown]
# ## Exercise 1. The teacher's term (20 minutes)
#
# Two sentences of different lengths lie in one batch, the shorter one padded. Where nothing stands the label is -100.
# Write $T^2 \cdot \mathrm{KL}(\text{teacher} \,\|\, \text{student})$ by hand. **Before you start,** put the four
# questions of the lesson to your own loss: is there a $T^2$? What is the mean over? Is the padding in it? And from
# which of the two is the divergence taken?

# %% [markdown] tags=["teacher"]
# **To the guess.** There is a $T^2$. The mean is over the words that have a label, seven of ten places, so no padding
# is in it. And the divergence is taken from the teacher: its probabilities weigh the differences.

# %%
import torch
from torch import Tensor


def soft_loss(student: Tensor, teacher: Tensor, labels: Tensor, temperature: float) -> Tensor:
    """Return T² · KL(teacher ‖ student), the mean over the words that count.

    Args:
        student, teacher: (sentences, words, classes), logits.
        labels: (sentences, words), class ids; -100 where nothing stands.
        temperature: above 0.

    Returns:
        one number, a tensor without dimensions.
    """
    ### BEGIN SOLUTION 1
    log_student = (student / temperature).log_softmax(-1)
    log_teacher = (teacher / temperature).log_softmax(-1)
    each = (log_teacher.exp() * (log_teacher - log_student)).sum(-1)
    return temperature**2 * each[labels != -100].mean()
    ### END SOLUTION


# %%
# Try it here. A student that agrees with its teacher has a loss of 0.
# logits = torch.randn(2, 3, 4)
# print(soft_loss(logits, logits, torch.zeros(2, 3, dtype=torch.long), 4.0))

# %% [markdown]
# ## Exercise 2. Whose alpha? (10 minutes)
#
# Ours is $\alpha \cdot \text{labels} + (1 - \alpha) \cdot \text{teacher}$. A library has the same mixture, but its
# teacher's term is another factor of ours: without $T^2$, at $T = 8$, the factor is 1/64. You know a good $\alpha$
# for ours. Which $\alpha$ must be typed into theirs, so that both terms keep the same balance?


# %%
def their_alpha(ours: float, factor: float) -> float:
    """Return the alpha that gives, in a library whose teacher's term is ``factor`` times ours, the balance of ``ours``.

    Args:
        ours: in [0, 1].
        factor: above 0.

    Returns:
        in [0, 1].
    """
    ### BEGIN SOLUTION 2
    labels, teacher = ours * factor, 1 - ours
    return labels / (labels + teacher)
    ### END SOLUTION


# %%
# Try it here. With a factor of 1 nothing changes.
# print(their_alpha(0.2, 1.0))

# %% [markdown]
# ## Exercise 3. The student's own voice (10 minutes)
#
# A joint target is $\lambda \cdot \text{teacher} + (1 - \lambda) \cdot \text{student}$. The lesson shows that the
# gradient against it is $\lambda$ times that against the teacher. Somebody trains with $\alpha$ and $\lambda$. Which
# $\alpha$ *without* a joint target takes the same steps, up to their length?


# %%
def plain_alpha(alpha: float, mixing: float) -> float:
    """Return the alpha that, without a joint target, pulls in the direction of ``alpha`` with one.

    Args:
        alpha: the share of the labels, in [0, 1].
        mixing: λ, in [0, 1]; not 0 if alpha is 0, too.

    Returns:
        in [0, 1].
    """
    ### BEGIN SOLUTION 3
    pull = (1 - alpha) * mixing
    return alpha / (alpha + pull)
    ### END SOLUTION


# %%
# Try it here. A target that is all teacher changes nothing.
# print(plain_alpha(0.5, 1.0))
