# %% [markdown]
# # Lab 11. What a cascade costs, and what it is worth
#
# It goes with lesson 11, *Fusion: call the teacher only in doubt*. You need NumPy, and the difference between
# `valid` and `test`.

# %% [markdown]
# ## Exercise 1. The sum (10 minutes)
#
# The student reads every sentence. The sentences that it is unsure of are deferred: the teacher reads them as well. The
# cost is counted in the teacher's: 1 is the teacher reading everything. A long sentence is more work than a short one.
# **In your head first:** a student costs 0.20. Three sentences in ten are deferred; they are long, and make up 40 % of
# the teacher's work. What does the cascade cost?

# %% [markdown] tags=["teacher"]
# **To the guess.** 0.60: the student's 0.20, and 0.40 of the teacher's work. Counting sentences gives
# 0.50.

# %%
import numpy as np


def cascade_cost(student: float, work: np.ndarray, deferred: np.ndarray) -> float:
    """Return what a cascade costs, 1 being the teacher alone.

    Args:
        student: what the student costs on all sentences, in the teacher's.
        work: (sentences,), what each would cost the teacher, in any unit.
        deferred: (sentences,), True where the teacher is called.
    """
    ### BEGIN SOLUTION 1
    return student + work[deferred].sum() / work.sum()
    ### END SOLUTION


# %%
# Try it here.
# print(cascade_cost(0.2, np.array([4 / 3] * 3 + [6 / 7] * 7), np.arange(10) < 3))

# %% [markdown]
# ## Exercise 2. Sure, and right (20 minutes)
#
# A model is well calibrated if, of the words that it predicts with a confidence of 0.8, eight in ten are right. Sort
# the words into bins by their confidence, the probability of the *best* label. In each bin, take the distance between
# the mean confidence and the accuracy. The expected calibration error is the mean of these distances, where a bin
# weighs as many words as it holds; empty bins weigh nothing. A bin holds its upper border, not its lower one.


# %%
def calibration_error(probabilities: np.ndarray, labels: np.ndarray, bins: int) -> float:
    """Return the expected calibration error.

    Args:
        probabilities: (words, classes), each row sums to 1.
        labels: (words,), class ids.
        bins: how many of equal width between 0 and 1.
    """
    ### BEGIN SOLUTION 2
    sure, right = probabilities.max(-1), probabilities.argmax(-1) == labels
    place = np.ceil(sure * bins).astype(int)
    error = 0.0
    for number in np.unique(place):
        inside = place == number
        error += inside.mean() * abs(sure[inside].mean() - right[inside].mean())
    return error
    ### END SOLUTION


# %%
# Try it here. Six words predicted with 0.95, all right; four with 0.55, one of them right.
# said = np.array([[0.95, 0.05]] * 6 + [[0.55, 0.45]] * 4)
# print(calibration_error(said, np.array([0] * 6 + [0, 1, 1, 1]), 10))

# %% [markdown]
# ## Exercise 3. Choose, then look (10 minutes)
#
# A threshold is chosen on `valid`, within a budget: of those that cost no more, the one with the best score. If two
# score the same, the cheaper one. Then, and only then, its score is read on `test`.


# %%
def choose(costs: np.ndarray, valid: np.ndarray, test: np.ndarray, budget: float) -> tuple[int, float]:
    """Choose a threshold, and report its score.

    Args:
        costs: (thresholds,), on ``valid``; at least one is within the budget.
        valid, test: (thresholds,), the scores on each split.
        budget: the highest cost allowed.

    Returns:
        the number of the chosen threshold, and the score to report.
    """
    ### BEGIN SOLUTION 3
    within = np.flatnonzero(costs <= budget)
    best = min(within, key=lambda place: (-valid[place], costs[place]))
    return int(best), float(test[best])
    ### END SOLUTION


# %%
# Try it here.
# print(choose(np.array([0.3, 0.7, 1.3]), np.array([0.80, 0.88, 0.89]), np.array([0.79, 0.86, 0.88]), 0.7))
