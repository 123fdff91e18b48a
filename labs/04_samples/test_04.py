"""Grade lab 4: pytest in this folder."""

import numpy as np
from grading import expect
from scipy.special import softmax
from scipy.stats import entropy


def test_exercise_1_entropy_per_word(work):
    rng = np.random.default_rng(0)
    rows = [2 * rng.normal(size=(words, 4)) for words in (2, 3, 7)]
    each = [entropy(softmax(row, -1), axis=-1) for row in rows]
    expect(
        work.uncertainty(rows),
        [row.mean() for row in each],
        {
            "the sum prefers long sentences": [row.sum() for row in each],
            "this is doubt of the best label alone": [(1 - softmax(row, -1).max(-1)).mean() for row in rows],
            "these are bits, not nats": [row.mean() / np.log(2) for row in each],
            "the softmax runs over the words, not over the classes": [
                -(softmax(row, 0) * np.log(softmax(row, 0))).sum(-1).mean() for row in rows
            ],
            "the sign is wrong: entropy is not negative": [-row.mean() for row in each],
        },
        "the mean entropy of three sentences",
    )


def test_exercise_1_a_teacher_who_is_certain(work):
    found = np.asarray(work.uncertainty([np.array([[1000.0, 0, 0, 0], [0, 0, 0, 0]])]))
    rounded = "a probability that was rounded to 0 has no logarithm, and e to the 1000 is too large a number"
    assert np.isfinite(found).all(), f"{rounded}: take the logarithm of the softmax; the mean entropy is {found}"
    expect(found, [np.log(4) / 2], {}, "the mean entropy of a word known for certain and one not at all")


def test_exercise_2_the_work_of_art(work):
    hints = {
        "a small stratum got no place at all": [9, 1, 0],
        "rounded shares need not sum to the places": [9, 1, 1],
        "everybody got the same, whatever their share": [4, 3, 3],
    }
    expect(work.allocate(np.array([90, 9, 1]), 10), [8, 1, 1], hints, "10 places for 90, 9 and 1 rows")


def test_exercise_2_who_pays(work):
    # The exact shares are 5.82, 3.02, 0.1 and 0.06: the first two places stand at 6 and 3.
    found = work.allocate(np.array([291, 151, 5, 3]), 9)
    assert np.sum(found) == 9, f"rounded shares need not sum to the places: {np.sum(found)} were given, there are 9"
    hints = {
        "a small stratum got no place at all": [6, 3, 0, 0],
        "the largest stratum paid, and not the one above its share": [4, 3, 1, 1],
        "everybody got the same, whatever their share": [3, 2, 2, 2],
    }
    expect(found, [5, 2, 1, 1], hints, "9 places for 291, 151, 5 and 3 rows")


def test_exercise_2_fewer_places_than_strata(work):
    expect(work.allocate(np.array([3, 2, 2]), 2), [1, 1, 0], {}, "2 places for 3, 2 and 2 rows")


def test_exercise_2_as_many_places_as_strata(work):
    hints = {"a small stratum got no place at all": [3, 0, 0]}
    expect(work.allocate(np.array([90, 9, 1]), 3), [1, 1, 1], hints, "3 places for 90, 9 and 1 rows")


def test_exercise_2_one_pays_for_all(work):
    hints = {"a small stratum got no place at all": [10, 0, 0, 0]}
    expect(work.allocate(np.array([97, 1, 1, 1]), 10), [7, 1, 1, 1], hints, "10 places for 97, 1, 1 and 1 rows")


def test_exercise_2_farthest_is_a_difference(work):
    # 1.6, 8.5, 0.4 and 3.5: the first two places stand at 2 and 9, and 9 is farther above, if not in proportion
    expect(work.allocate(np.array([16, 85, 4, 35]), 14), [2, 8, 1, 3], {}, "14 places for 16, 85, 4 and 35 rows")


TOKENS = ["In", "Rome", "Coburg", "denied", "it"]
TAGS = ["O", "B-LOC", "B-PER", "O", "O"]


def test_exercise_3_a_longer_name(work):
    tokens = ["In", "Rome", "Mara", "Hope", "Lind", "denied", "it"]
    right = (tokens, ["O", "B-LOC", "B-PER", "I-PER", "I-PER", "O", "O"])
    hints = {
        "the tags of the old name were kept": (tokens, TAGS),
        "every word of the name begins a new one": (tokens, ["O", "B-LOC", "B-PER", "B-PER", "B-PER", "O", "O"]),
        "the name has no B- at its beginning": (tokens, ["O", "B-LOC", "I-PER", "I-PER", "I-PER", "O", "O"]),
        "one word too many was cut out": (
            ["In", "Rome", "Mara", "Hope", "Lind", "it"],
            ["O", "B-LOC", "B-PER", "I-PER", "I-PER", "O"],
        ),
    }
    found = work.swap(list(TOKENS), list(TAGS), 2, 3, ["Mara", "Hope", "Lind"])
    expect(found, right, hints, "In Rome Mara Hope Lind denied it")


def test_exercise_3_a_shorter_name(work):
    tokens, tags = ["Mara", "Hope", "left"], ["B-PER", "I-PER", "O"]
    hints = {
        "the tags of the old name were kept": (["Coburg", "left"], tags),
        "the name has no B- at its beginning": (["Coburg", "left"], ["I-PER", "O"]),
        "one word too many was cut out": (["Coburg"], ["B-PER"]),
    }
    found = work.swap(list(tokens), list(tags), 0, 2, ["Coburg"])
    expect(found, (["Coburg", "left"], ["B-PER", "O"]), hints, "Coburg left")


def test_exercise_3_another_type(work):
    tokens, tags, name = ["Bo", "saw", "Bo", "Bell"], ["B-PER", "O", "B-BRAND", "I-BRAND"], ["Ada", "Inn"]
    right = (["Bo", "saw", "Ada", "Inn"], list(tags))
    expect(work.swap(tokens, tags, 2, 4, name), right, {}, "Bo saw Ada Inn, a BRAND,")
