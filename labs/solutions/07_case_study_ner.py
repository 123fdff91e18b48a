# %% [markdown]
# # Lab 7. What is counted
#
# It goes with lesson 07, *Case study: how to read a score*. You need precision, recall and F1, and the BIO tags.

# %% [markdown]
# ## Exercise 1. Strict entity F1 (20 minutes)
#
# An entity that was found is right if its type and both of its borders are right, and it is in the right sentence.
# Precision is the share of the found ones that are right, recall the share of the gold ones that were found. Count
# over the whole corpus, then divide once. Where nothing was found or nothing is there, a share is 0.
#
# `tinykd.text.entities(tags)` gives `(type, first, end)` of each entity of a sentence.

# %%
from tinykd.text import entities


def entity_f1(gold: list[list[str]], found: list[list[str]]) -> float:
    """Return the strict entity F1.

    Args:
        gold, found: BIO tags, a list a sentence.

    Returns:
        in [0, 1].
    """
    ### BEGIN SOLUTION 1
    is_there, was_found = (
        {(sentence, *entity) for sentence, tags in enumerate(rows) for entity in entities(tags)}
        for rows in (gold, found)
    )
    right = len(is_there & was_found)
    return 2 * right / (len(is_there) + len(was_found)) if right else 0.0
    ### END SOLUTION


# %%
# Try it here.
# print(entity_f1([["B-PER", "I-PER", "O"]], [["B-PER", "O", "O"]]))

# %% [markdown]
# ## Exercise 2. Leave O out (15 minutes)
#
# The article's table has a *micro average*. Most words are `O`, and a model earns them by saying nothing. Compute
# precision and recall a *word*, over all tags but `O`: of the words that were called part of a name, how many have
# exactly that tag? Of the words that are part of a name, how many were given exactly that tag? **Guess first:** with
# `O` the two are always equal. Why not without it?

# %% [markdown] tags=["teacher"]
# **To the guess.** With `O` every word is called something and is something, so both shares divide by the number of
# all words. Without it one divides by the words that were called part of a name, the other by those that are.


# %%
def without_o(gold: list[str], found: list[str]) -> tuple[float, float]:
    """Return micro precision and recall over all tags but O.

    Args:
        gold, found: the tags of all words, in one list each.

    Returns:
        precision and recall, in [0, 1]; at least one name is there, and at least one was found.
    """
    ### BEGIN SOLUTION 2
    right = sum(said == true != "O" for true, said in zip(gold, found, strict=True))
    called, present = (sum(tag != "O" for tag in tags) for tags in (found, gold))
    return right / called, right / present
    ### END SOLUTION


# %%
# Try it here.
# print(without_o(["B-PER", "O", "O"], ["B-PER", "B-LOC", "O"]))

# %% [markdown]
# ## Exercise 3. Spoil it (10 minutes)
#
# Make answers that have an entity F1 of exactly 0 and a token accuracy as high as you can: spoil one tag of each
# entity, and nothing else. In the gold no two entities touch. Which tag, so that what is left is wrong for certain?


# %%
def spoil(tags: list[str]) -> list[str]:
    """Return tags of which no entity is right, with one wrong tag for each entity.

    Args:
        tags: BIO, the gold of a sentence, in which no two entities touch.
    """
    ### BEGIN SOLUTION 3
    spoilt = list(tags)
    for _, _, end in entities(tags):
        spoilt[end - 1] = "O"
    return spoilt
    ### END SOLUTION


# %%
# Try it here.
# print(spoil(["B-PER", "I-PER", "O", "B-LOC"]))
