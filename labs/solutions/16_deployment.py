# %% [markdown]
# # Lab 16. A phone that you don't have
#
# It goes with lesson 16, *On a server, in a page, on a phone*. You need a maximum, a power, and a percentile.

# %% [markdown]
# ## Exercise 1. Two ceilings (15 minutes)
#
# A processor multiplies no faster than its units allow, and fetches no faster than its memory delivers; it does both
# at the same time. The weights in a student's layers have one byte each. Each weight is fetched once per text, however
# long, and multiplied once per subword token. Leave out everything else. **In your head first:** one phone multiplies
# 3 billion times per second and fetches 20 GB, another multiplies 60 billion times and fetches 2 GB. Which is better
# for 16 tokens, which for one?

# %% [markdown] tags=["teacher"]
# **To the guess.** For 16 tokens the second, by far: 3 ms against 28, since multiplying decides there. For one token
# the first: 1.8 ms against 2.7, since fetching decides there. (A student of three layers, 5.3 million weights.)

# %%
import math


def seconds(weights: int, tokens: int, macs_per_second: float, bytes_per_second: float) -> float:
    """Return the least time for one text.

    Args:
        weights: in the layers, a byte each.
        tokens: subword tokens of the text.
        macs_per_second: multiplications, of the units.
        bytes_per_second: of the memory.
    """
    ### BEGIN SOLUTION 1
    compute = weights * tokens / macs_per_second
    fetch = weights / bytes_per_second
    return max(compute, fetch)
    ### END SOLUTION


# %%
# Try it here.
# for tokens in (16, 1):
#     print(tokens, seconds(5_308_416, tokens, 3e9, 20e9), seconds(5_308_416, tokens, 60e9, 2e9))

# %% [markdown]
# ## Exercise 2. How many golden sentences (15 minutes)
#
# A golden test: some sentences travel with the model, with the predictions that they had at home, and the new machine
# has to repeat them. A new processor turns one of 200 tags, at random. A sentence has 12 words. How many sentences
# hold at least one turned tag with a probability of 99 %? **Guess first:** 10, 80 or 800?

# %% [markdown] tags=["teacher"]
# **To the guess.** 77. A sentence passes unnoticed with 0.995 to the power of 12, which is 0.94; 0.94 to the power of
# 77 is 0.01.


# %%
def golden_sentences(turned: float, words: int, chance: float) -> int:
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
# print(golden_sentences(1 / 200, 12, 0.99))

# %% [markdown]
# ## Exercise 3. Cold, first and warm (10 minutes)
#
# You have timed a process that predicts one text after another, from its start. The first prediction is the slowest,
# and a figure of its own. The next few are left out, until buffers are filled. What comes after them is *warm*: report
# its median, and its 95th percentile, because that is what the unlucky users feel. (There are several rules for a
# percentile between two values; take that of `np.percentile`.)

# %%
import numpy as np


def report(times: np.ndarray, warm_up: int) -> tuple[float, float, float]:
    """Return the first time, and the median and the 95th percentile of the warm ones.

    Args:
        times: (predictions,), in the order in which they were made.
        warm_up: so many predictions, the first included, are not warm.
    """
    ### BEGIN SOLUTION 3
    median, late = np.percentile(times[warm_up:], [50, 95])
    return times[0], median, late
    ### END SOLUTION


# %%
# Try it here.
# print(report(np.array([200.0, 30, 20, 10, 11, 10, 12, 10]), 3))
