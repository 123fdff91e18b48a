"""Grade lab 15: pytest in this folder."""

import math

import numpy as np
from grading import expect


def test_exercise_1_two_of_three(work):
    at = [1 / math.log2(place + 1) for place in (1, 2, 3, 4, 5)]
    best = at[0] + at[1] + at[2]
    hints = {
        "a hit was worth the same at every place": 2 / 3,
        "no list can have more hits than there are liked items": (at[1] + at[4]) / sum(at),
        "discounted by the place itself, not by its logarithm": (1 / 2 + 1 / 5) / (1 + 1 / 2 + 1 / 3),
        "not divided by the best list possible": at[1] + at[4],
    }
    found = work.ndcg(["a", "b", "c", "d", "e"], {"b", "e", "x"})
    expect(found, (at[1] + at[4]) / best, hints, "NDCG of hits at places 2 and 5, with three liked,")


def test_exercise_1_the_one_liked_book_stands_first(work):
    hints = {"no list can have more hits than there are liked items": 1 / (1 + 1 / math.log2(3) + 1 / 2)}
    expect(work.ndcg(["a", "b", "c"], {"a"}), 1.0, hints, "NDCG of the only liked book at the top")


def test_exercise_1_more_liked_than_shown(work):
    hints = {"the best list is as long as this one": 1 / (1 + 1 / math.log2(3) + 1 / 2)}
    expect(work.ndcg(["a"], {"a", "b", "c"}), 1.0, hints, "NDCG of a list of one, with three liked,")
    expect(work.ndcg(["a", "b"], {"c"}), 0.0, {}, "NDCG without a hit")


LIKES = [
    ("ada", "late", 7.0),
    ("ada", "second", 2.0),
    ("ada", "first", 1.0),
    ("ada", "moment", 5.0),
    ("ada", "newest", 4.9),
    ("ben", "new", 6.0),
    ("ben", "newer", 8.0),
    ("eve", "old", 0.5),
    ("eve", "older", 0.1),
    ("kim", "one", 3.0),
    ("kim", "two", 9.0),
    ("kim", "three", 9.5),
]


def test_exercise_2_one_day_for_everybody(work):
    found = work.cases(list(LIKES), 5.0)
    for user, case in found.items():
        pair = f"each user has a pair, first the history in its order, then the set to be guessed: {user} has {case}"
        assert len(case) == 2 and not isinstance(case[0], set), pair
        single = f"the items alone are kept, without user and time: {user} has {case}"
        assert all(isinstance(item, str) for part in case for item in part), single
    right = {"ada": (["first", "second", "newest"], {"moment", "late"}), "kim": (["one"], {"two", "three"})}
    assert "ben" not in found or found["ben"][0] == ["new"], "somebody without a history was asked: ben, who came later"
    halves = "everybody was cut in the middle of their own likes, not on one day"
    if "eve" in found:
        later = found["eve"][1]
        unscored = "somebody without a future was asked, and can't be scored: eve, who liked nothing later"
        assert later, unscored
        assert not later, f"{halves}: eve liked nothing later, and {later} is to be guessed"
    assert "ada" in found, f"ada, who has a history and a future, was not asked: {found}"
    history, future = found["ada"]
    assert not set(history) & future, f"the future is in the history: {sorted(set(history) & future)}"
    assert "moment" in future, "a like at the moment of the question is of the future: ada's at 5.0"
    assert sorted(history) == sorted(right["ada"][0]), f"{halves}: ada's history is {history}"
    assert history == right["ada"][0], f"the history is not in the order of time: {history}"
    assert found == right, f"{found}, and should be {right}"


def test_exercise_3_half_a_like(work):
    vectors = np.array([[1.0, 0.0, 0.2, 0.4], [0.0, 2.0, 0.1, 0.0], [-0.5, 0.0, 1.0, 0.3]])
    half_life = 2.0

    def mixed(weights, scaled=True):
        total = np.einsum("l,lw->w", np.array(weights), vectors)
        return total / math.sqrt((total**2).sum()) if scaled else total

    weights = [1, math.sqrt(1 / 2), 1 / 2]
    hints = {
        "the oldest counted most": mixed(weights[::-1]),
        "the length is not 1": mixed(np.array(weights) / sum(weights), scaled=False),
        "the length is not 1, it is a plain sum": mixed(weights, scaled=False),
        "all likes counted the same": mixed([1, 1, 1]),
        "after a half-life a third was left, not a half": mixed([1, math.exp(-0.5), math.exp(-1)]),
    }
    expect(work.interest(vectors.copy(), half_life), mixed(weights), hints, "the interest of three likes, half-life 2,")
