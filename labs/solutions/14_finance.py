# %% [markdown]
# # Lab 14. A sum that forgets
#
# It goes with lesson 14, *Watching opinion about companies*. You need a loop, and sets.

# %% [markdown]
# ## Exercise 1. The chart (20 minutes)
#
# A control chart adds up bad news. Each text adds its weight, the probability that it is bad. With every day that
# passes the sum loses the *drift*, and it never falls below 0. Time takes its share first, then the text is added.
# The first text finds a sum of 0.
#
# **Guess first:** with a drift of a quarter a day, what is left of three bad texts in one day, and of three that are
# five days apart?

# %% [markdown] tags=["teacher"]
# **To the guess.** 2.83 of the three in one day, which lasted sixteen hours; 1 of the three that are five days apart,
# for each finds a sum of 0.

# %%
def levels(days: list[float], weights: list[float], drift: float) -> list[float]:
    """Return the level of the chart after each text.

    Args:
        days: when each text came, in days, not falling.
        weights: of each, in [0, 1].
        drift: what the sum loses a day.
    """
    ### BEGIN SOLUTION 1
    found, level, before = [], 0.0, days[0]
    for day, weight in zip(days, weights, strict=True):
        level = max(0.0, level - drift * (day - before)) + weight
        before = day
        found.append(level)
    return found
    ### END SOLUTION


# %%
# Try it here.
# print(levels([0, 1 / 3, 2 / 3], [1, 1, 1], 0.25), levels([0, 5, 10], [1, 1, 1], 0.25))

# %% [markdown]
# ## Exercise 2. The market's bad day (20 minutes)
#
# On a day on which everybody falls, a company's bad news says little about the company. So a text's weight is
# lessened by the share of the *other* companies that had bad news on the same topic, on the same day, in texts before
# it. Bad is a weight above one half. With nine other companies, three of them in trouble, a weight of 0.9 becomes
# $0.9 \cdot (1 - 3/9) = 0.6$.
#
# The chart runs while the news comes in. It can't know what comes later that day.

# %%
from typing import NamedTuple


class Text(NamedTuple):
    """A text that has been read: the day, the company, the topic, and the probability that it is bad news."""

    day: int
    company: str
    topic: str
    weight: float


def softened(texts: list[Text], companies: int) -> list[float]:
    """Return the lessened weight of each text.

    Args:
        texts: in the order in which they came.
        companies: how many there are, this one included; at least two.
    """
    ### BEGIN SOLUTION 2
    found = []
    for place, text in enumerate(texts):
        in_trouble = {
            earlier.company
            for earlier in texts[:place]
            if (earlier.day, earlier.topic) == (text.day, text.topic) and earlier.weight > 0.5
        }
        others = len(in_trouble - {text.company})
        found.append(text.weight * (1 - others / (companies - 1)))
    return found
    ### END SOLUTION


# %%
# Try it here.
# print(softened([Text(1, "Corvane", "fraud", 0.9), Text(1, "Lumen", "fraud", 0.8)], 3))
