"""Grade lab 10: pytest in this folder."""

import numpy as np
from grading import expect


def test_exercise_1_where_the_mask_is_one(work):
    expected = np.zeros((2, 3, 2), np.float32)
    found = expected.copy()
    found[0, 1, 0], found[1, 1, 1], found[1, 2, 0] = 0.5, -0.75, 9.0
    mask = np.array([[1, 1, 1], [1, 1, 0]])
    hints = {
        "the logits of padding were compared, too": 9.0,
        "a difference below 0 was not seen": 0.5,
        "this is the mean of the differences, and it hides the largest": 1.25 / 10,
        "this is the smallest difference": 0.0,
    }
    expect(work.largest_gap(expected, found, mask), 0.75, hints, "the largest gap of two sentences, one with padding,")


def test_exercise_1_without_padding(work):
    expected = np.array([[[1.0, -2.0], [3.0, 4.0]]])
    found = expected + np.array([[[0.0, 0.25], [0.0, 0.0]]])
    expect(work.largest_gap(expected, found, np.ones((1, 2), int)), 0.25, {}, "the largest gap without padding")


def test_exercise_2_two_factors(work):
    hints = {
        "the factors are upside down": (0.5, 0.25),
        "the student was compared with the teacher in torch: this holds both factors": (2.0, 8.0),
        "these are milliseconds saved, and not factors": (10.0, 7.5),
        "the factors were exchanged": (4.0, 2.0),
    }
    expect(work.factors(20.0, 10.0, 2.5), (2.0, 4.0), hints, "the factors of 20, 10 and 2.5 ms")
    expect(work.factors(9.0, 3.0, 6.0), (3.0, 0.5), {}, "the factors of 9, 3 and 6 ms")
