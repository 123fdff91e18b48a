# %% [markdown]
# # Lab 4. A hundred sentences, and more
#
# It goes with lesson 04, *Samples: what the student is trained on*. You need lists, and NumPy's `exp`, `floor` and
# `argsort`.

# %% [markdown]
# ## Exercise 1. Where the teacher hesitates (10 minutes)
#
# The rule *uncertain* takes the sentences of which the teacher is least sure: those with the highest mean entropy per
# word, in nats. Write the measure. **Before you start:** which sentences would the sum choose, instead of the mean?

# %% [markdown] tags=["teacher"]
# **To the guess.** Long sentences: each word adds something, however sure the teacher is of it.


# %%
import numpy as np


def uncertainty(rows: list[np.ndarray]) -> np.ndarray:
    """Return the teacher's mean entropy per word, for each sentence.

    Args:
        rows: one array of logits per sentence, (words, classes); the sentences differ in length.

    Returns:
        (sentences,), in nats.
    """
    ### BEGIN SOLUTION 1
    found = []
    for logits in rows:
        below_the_best = logits - logits.max(-1, keepdims=True)
        log_p = below_the_best - np.log(np.exp(below_the_best).sum(-1, keepdims=True))
        found.append(-(np.exp(log_p) * log_p).sum(-1).mean())
    return np.array(found)
    ### END SOLUTION


# %%
# Try it here. A teacher that knows nothing of three classes has an entropy of log 3.
# print(uncertainty([np.zeros((5, 3))]), np.log(3))

# %% [markdown]
# ## Exercise 2. Share out the places (20 minutes)
#
# A corpus has 90 sentences without a name, 9 with a place and 1 with a work of art. You may choose 10, and each of
# the three *strata* is to have its share. The shares are 9, 0.9 and 0.1, and nobody can choose a tenth of a sentence.
#
# The method of the largest remainder rounds all shares down, and gives the places that are left, one each, to those
# with the largest remainders (the earlier stratum, if two are equal). Then every stratum that still has nothing gets
# one place, if there are as many places as strata; it is taken from the stratum that is farthest above its exact
# share, of those that have two places or more. **Guess:** which stratum gives up a place for the work of art?

# %% [markdown] tags=["teacher"]
# **To the guess.** The sentences without a name. The remainders give 9, 1 and 0 places. Places are one above its share
# of 0.9, but it has no second one to give away; so the ninth of the 90 goes.


# %%
def allocate(counts: np.ndarray, size: int) -> np.ndarray:
    """Share ``size`` places among strata.

    Args:
        counts: (strata,), how many rows each has.
        size: the places to give away.

    Returns:
        (strata,), whole numbers; they sum to ``size``.
    """
    ### BEGIN SOLUTION 2
    exact = size * counts / counts.sum()
    places = np.floor(exact).astype(int)
    by_remainder = np.argsort(places - exact, kind="stable")
    places[by_remainder[: size - places.sum()]] += 1
    if size >= len(counts):
        for empty in np.flatnonzero(places == 0):
            payer = np.where(places > 1, places - exact, -np.inf).argmax()
            places[payer] -= 1
            places[empty] += 1
    return places
    ### END SOLUTION


# %%
# Try it here.
# print(allocate(np.array([90, 9, 1]), 10))

# %% [markdown]
# ## Exercise 3. Another name (15 minutes)
#
# *Coburg denied it* has the tags `B-PER O O`. Put *Mara Hope* in the place of *Coburg* and you have a new sentence
# that nobody had to label. The new name may have more words than the old one, or fewer. Its tags are built anew.


# %%
def swap(tokens: list[str], tags: list[str], first: int, last: int, name: list[str]) -> tuple[list[str], list[str]]:
    """Put another name of the same type in the place of one.

    Args:
        tokens, tags: of the sentence, one BIO tag per word.
        first, last: the old name is ``tokens[first:last]``.
        name: the words of the new one.

    Returns:
        the new tokens and the new tags; the old lists are left as they are.
    """
    ### BEGIN SOLUTION 3
    type_ = tags[first].removeprefix("B-")
    inside = [f"B-{type_}"] + [f"I-{type_}"] * (len(name) - 1)
    return tokens[:first] + name + tokens[last:], tags[:first] + inside + tags[last:]
    ### END SOLUTION


# %%
# Try it here.
# print(swap(["Coburg", "denied", "it"], ["B-PER", "O", "O"], 0, 1, ["Mara", "Hope"]))
