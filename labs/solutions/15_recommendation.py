# %% [markdown]
# # Lab 15. What to borrow next
#
# It goes with lesson 15, *Recommendation: what a text is worth*. You need a logarithm, sets, and the length of a
# vector.

# %% [markdown]
# ## Exercise 1. The place of a hit (15 minutes)
#
# Somebody is shown ten books and goes on to like three, some of them perhaps on the list. A hit at the top is worth
# more than one at the bottom: at place $p$, counted from 1, it is worth $1 / \log_2(p + 1)$. NDCG divides the sum by
# that of the best list possible, which has all the liked books at the top. **Guess first:** somebody goes on to like
# one single book, and it stands first. Is that list worth 1, or less?

# %% [markdown] tags=["teacher"]
# **To the guess.** 1. The best list possible has the one book at the top, too.

# %%
import numpy as np


def ndcg(shown: list[str], liked: set[str]) -> float:
    """Return the discounted gain of a list against that of the best list of the same length.

    Args:
        shown: items, best first; at least one.
        liked: what was liked then; at least one.

    Returns:
        in [0, 1].
    """
    ### BEGIN SOLUTION 1
    worth = 1 / np.log2(np.arange(1, len(shown) + 1) + 1)
    hits = np.array([item in liked for item in shown])
    return float(worth[hits].sum() / worth[: len(liked)].sum())
    ### END SOLUTION


# %%
# Try it here.
# print(ndcg(["a", "b", "c"], {"a"}), ndcg(["a", "b", "c"], {"c"}))

# %% [markdown]
# ## Exercise 2. Past and future (15 minutes)
#
# A recommender predicts on a certain day. What was liked before that day is history; what is liked from it on is the
# target. The day is the same for everybody: if each user's likes were cut in the middle, the model would learn from
# what others liked *after* the moment of its prediction, and no item would ever be new. Leave out users without a
# history, and users who like nothing later.


# %%
def cases(likes: list[tuple[str, str, float]], day: float) -> dict[str, tuple[list[str], set[str]]]:
    """Return, for each user who has both, a history and the target.

    Args:
        likes: (user, item, time), in any order.
        day: of the prediction; a like at this very moment is of the future.

    Returns:
        user → (history, the oldest first; the items liked later).
    """
    ### BEGIN SOLUTION 2
    found = {}
    for user, item, time in sorted(likes, key=lambda like: like[2]):
        history, future = found.setdefault(user, ([], set()))
        if time < day:
            history.append(item)
        else:
            future.add(item)
    return {user: (history, future) for user, (history, future) in found.items() if history and future}
    ### END SOLUTION


# %%
# Try it here.
# print(cases([("ada", "x", 3.0), ("ada", "y", 1.0), ("ada", "z", 5.0)], 4.0))

# %% [markdown]
# ## Exercise 3. A taste is a vector (15 minutes)
#
# A student has read every book into a vector. What somebody likes is a vector as well: the weighted sum of what they
# liked, the latest counting most. A like that lies `half_life` likes further back counts half. The result is brought
# to length 1, so that its product with a book's vector is a cosine.


# %%
def interest(vectors: np.ndarray, half_life: float) -> np.ndarray:
    """Return what somebody likes.

    Args:
        vectors: (likes, width), of what they liked, the *latest first*.
        half_life: so many likes further back, a like counts half.

    Returns:
        (width,), of length 1.
    """
    ### BEGIN SOLUTION 3
    weight = 0.5 ** (np.arange(len(vectors)) / half_life)
    total = weight @ vectors
    return total / np.linalg.norm(total)
    ### END SOLUTION


# %%
# Try it here. One like back, and it counts half.
# print(interest(np.eye(2), 1.0))
