# %% [markdown]
# # Lab 13. Knowing what you don't know
#
# It goes with lesson 13, *Customer service: knowing what you don't know*. You need NumPy, and the difference
# between `valid` and `test`.

# %% [markdown]
# ## Exercise 1. Below this, it isn't believed (20 minutes)
#
# Customers write to a shop, and so do strangers, whose messages fit no intent. The student gives each message a
# confidence. You set a threshold: a message at or above it is answered, a message below it is not. The best threshold
# has the largest sum of two shares: of the customers at or above it, and of the strangers below it. Try only
# confidences that occur; of equal sums, take the highest threshold.
#
# With customers at 0.9, 0.8 and 0.4 and strangers at 0.5 and 0.3 it is 0.8. **Guess:** and if each stranger had
# written ten times?

# %% [markdown] tags=["teacher"]
# **To the guess.** Nothing changes: shares are compared, not numbers of messages.

# %%
import numpy as np


def best_threshold(customers: np.ndarray, strangers: np.ndarray) -> float:
    """Return the confidence with the largest sum of the two shares.

    Args:
        customers, strangers: the confidences of either kind, in [0, 1].
    """

    ### BEGIN SOLUTION 1
    def worth(threshold: float) -> float:
        return (customers >= threshold).mean() + (strangers < threshold).mean()

    tried = sorted({*customers.tolist(), *strangers.tolist()}, reverse=True)
    return max(tried, key=worth)
    ### END SOLUTION


# %%
# Try it here.
# print(best_threshold(np.array([0.9, 0.8, 0.4]), np.array([0.5, 0.3])))

# %% [markdown]
# ## Exercise 2. Since `valid` is so small (10 minutes)
#
# A colleague sets the threshold on the *test* messages. The figures rise, and the desk is no better. Write an honest
# report: the threshold comes from `valid`, the two shares from `test`. `choose` is a function like the one above; use
# it, so that this exercise is graded on its own.


# %%
def report(choose, valid: tuple[np.ndarray, np.ndarray], test: tuple[np.ndarray, np.ndarray]) -> tuple[float, float]:
    """Return the share of the customers that are answered, and of the strangers that are not.

    Args:
        choose: takes the confidences of customers and of strangers, returns a threshold.
        valid, test: of each split, the confidences of customers and of strangers.
    """
    ### BEGIN SOLUTION 2
    threshold = choose(*valid)
    customers, strangers = test
    return (customers >= threshold).mean(), (strangers < threshold).mean()
    ### END SOLUTION


# %%
# Try it here. This choose takes the lowest customer.
# halves = (np.array([0.9, 0.5]), np.array([0.4])), (np.array([0.7, 0.3]), np.array([0.6, 0.2]))
# print(report(lambda customers, strangers: customers.min(), *halves))

# %% [markdown]
# ## Exercise 3. By rank (15 minutes)
#
# Two searches score the same articles on different scales. Reciprocal rank fusion uses the ranks only: an
# article gets $1 / (k + \text{rank})$ from each search, and the best of a search has rank 1. Articles with equal
# scores share the better rank: one more than there are articles with a higher score. **Guess:** does a small $k$ make
# a first place worth more, or less?

# %% [markdown] tags=["teacher"]
# **To the guess.** More, compared with the second: with $k = 1$ the two are worth 1/2 and 1/3, with $k = 60$ 1/61 and
# 1/62.


# %%
def fused(words: np.ndarray, meaning: np.ndarray, k: float) -> np.ndarray:
    """Return the fused score of each article.

    Args:
        words, meaning: (articles,), the scores of two searches; more is better.
        k: the constant, 60 in the paper.
    """
    ### BEGIN SOLUTION 3
    total = np.zeros(len(words))
    for scores in (words, meaning):
        better = (scores[None, :] > scores[:, None]).sum(1)
        total += 1 / (k + 1 + better)
    return total
    ### END SOLUTION


# %%
# Try it here. First and third, against twice second.
# print(fused(np.array([3.0, 2.0, 1.0]), np.array([0.1, 0.5, 0.9]), 60))
