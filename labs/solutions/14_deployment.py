# %% [markdown]
# # Lab 14. A phone that you don't have
#
# It goes with lesson 14, *On a server, in a page, on a phone*. You need a maximum, a power, and a percentile.

# %% [markdown]
# ## Exercise 1. Two ceilings (15 minutes)
#
# A processor can't multiply faster than its units multiply, and it can't fetch faster than its memory delivers; both
# go on at once. A student has so many weights in its layers, a byte each. Each weight is fetched once for a text,
# however long, and multiplied once for each word piece. Leave out everything else. **In your head first:** one phone
# multiplies 3 billion times a second and fetches 20 GB, another multiplies 60 billion times and fetches 2 GB. Which
# is better for 16 pieces, which for one?

# %% [markdown] tags=["teacher"]
# **To the guess.** For 16 pieces the second, by far: 3 ms against 28, since there multiplying decides. For one piece
# the first: 1.8 ms against 2.7, since there fetching does. (A student of three layers, 5.3 million weights.)

# %%
import math


def seconds(weights: int, pieces: int, products_a_second: float, bytes_a_second: float) -> float:
    """Return the least time for one text.

    Args:
        weights: in the layers, a byte each.
        pieces: of the text.
        products_a_second: what the units can.
        bytes_a_second: what the memory can.
    """
    ### BEGIN SOLUTION 1
    compute = weights * pieces / products_a_second
    fetch = weights / bytes_a_second
    return max(compute, fetch)
    ### END SOLUTION


# %%
# Try it here.
# for pieces in (16, 1):
#     print(pieces, seconds(5_308_416, pieces, 3e9, 20e9), seconds(5_308_416, pieces, 60e9, 2e9))

# %% [markdown]
# ## Exercise 2. How many canaries (15 minutes)
#
# Some sentences travel with the model, with the answers that they got at home, and the new machine answers them
# first. A new processor turns one of 200 tags at random. A sentence has 12 words. With how many sentences is at least
# one turned tag among them, with a probability of 99 %? **Guess first:** 10, 80 or 800?

# %% [markdown] tags=["teacher"]
# **To the guess.** 77. A sentence passes unnoticed with 0.995 to the power of 12, which is 0.94; 0.94 to the power of
# 77 is 0.01.


# %%
def canaries(turned: float, words: int, chance: float) -> int:
    """Return the least number of sentences that notice with a probability of ``chance`` or more.

    Args:
        turned: the share of tags that are turned, each at random, in (0, 1).
        words: of a sentence, each with one tag.
        chance: in (0, 1).
    """
    ### BEGIN SOLUTION 2
    unnoticed = (1 - turned) ** words
    return math.ceil(math.log(1 - chance) / math.log(unnoticed))
    ### END SOLUTION


# %%
# Try it here.
# print(canaries(1 / 200, 12, 0.99))

# %% [markdown]
# ## Exercise 3. Cold, first and warm (10 minutes)
#
# You have timed a process answering one text after another, from its start. The first answer is the slowest and is a
# figure of its own. So are the next few, until buffers are there; they belong to nobody, and are left out. What comes
# after them is *warm*: report its median, and its 95th percentile, because that is what the unlucky users feel. (There
# are several rules for a percentile between two values; take that of `np.percentile`.)

# %%
import numpy as np


def report(times: np.ndarray, warm_up: int) -> tuple[float, float, float]:
    """Return the first time, and the median and the 95th percentile of the warm ones.

    Args:
        times: (answers,), in the order in which they were given.
        warm_up: so many answers, the first included, are not warm.
    """
    ### BEGIN SOLUTION 3
    median, late = np.percentile(times[warm_up:], [50, 95])
    return times[0], median, late
    ### END SOLUTION


# %%
# Try it here.
# print(report(np.array([200.0, 30, 20, 10, 11, 10, 12, 10]), 3))
