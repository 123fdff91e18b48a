# %% [markdown]
# # Lab 6. Is it a gain?
#
# It goes with lesson 06, *The methods compared*. You need a mean and a standard deviation.

# %% [markdown]
# ## Exercise 1. Seed by seed (10 minutes)
#
# Two methods were trained with the same seeds. A difference is *shown* if its mean, whatever its sign, is at least
# twice the standard deviation of the differences (that of a sample: divide by the number of seeds less one).
#
# **Guess first:** the scores of both methods vary by ten points with the seed, and one is always half a point above
# the other. Is that shown?

# %% [markdown] tags=["teacher"]
# **To the guess.** Yes. The differences are all alike, and only they count. What varies with the seed varies in both.

# %%
import numpy as np


def compare(ours: np.ndarray, theirs: np.ndarray) -> tuple[float, bool]:
    """Return the mean difference, and whether it is shown.

    Args:
        ours, theirs: (seeds,), the F1 of each method; the same place is the same seed.
    """
    ### BEGIN SOLUTION 1
    gains = ours - theirs
    return gains.mean(), bool(abs(gains.mean()) >= 2 * gains.std(ddof=1))
    ### END SOLUTION


# %%
# Try it here.
# print(compare(np.array([0.90, 0.80, 0.70]), np.array([0.895, 0.795, 0.695])))

# %% [markdown]
# ## Exercise 2. How much of the way (10 minutes)
#
# A student keeps 96 % of its teacher's F1. That sounds like much, but its twin keeps 95 %. A better measure is the
# share of the way from the twin to the teacher that the student goes: 0 for a student like its twin, 1 for one like
# its teacher. Take the means over the seeds first, then the share.

# %%
import numpy as np


def way(teacher: np.ndarray, student: np.ndarray, twin: np.ndarray) -> float:
    """Return the share of the way from the twin's mean F1 to the teacher's that the student's mean goes.

    Args:
        teacher, student, twin: (seeds,), the F1 of each.
    """
    ### BEGIN SOLUTION 2
    start = twin.mean()
    return (student.mean() - start) / (teacher.mean() - start)
    ### END SOLUTION


# %%
# Try it here.
# print(way(np.array([0.65, 0.63]), np.array([0.59, 0.57]), np.array([0.53, 0.53])))
