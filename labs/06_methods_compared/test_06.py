"""Grade lab 6: pytest in this folder."""

import numpy as np
from grading import expect


def test_exercise_1_only_the_differences_count(work):
    theirs = np.array([0.90, 0.70, 0.80])
    ours = theirs + np.array([0.004, 0.005, 0.006])
    hints = {
        "the spread is that of the differences, not of the scores": (0.005, False),
        "the best seed of each was compared": (0.004, True),
    }
    expect(work.compare(ours, theirs), (0.005, True), hints, "differences of 4, 5 and 6 thousandths")


def test_exercise_1_twice_the_spread(work):
    theirs = np.array([0.80, 0.80, 0.80])
    ours = theirs + np.array([0.00, 0.01, 0.02])
    hints = {"once the spread is not enough": (0.01, True)}
    expect(work.compare(ours, theirs), (0.01, False), hints, "differences of 0, 1 and 2 points")


def test_exercise_1_a_sample(work):
    theirs = np.array([0.80, 0.80])
    ours = theirs + np.array([0.010, 0.025])
    hints = {"divided by the number of seeds, not by one less": (0.0175, True)}
    expect(work.compare(ours, theirs), (0.0175, False), hints, "differences of 10 and 25 thousandths")


def test_exercise_1_a_loss_is_shown_too(work):
    theirs = np.array([0.80, 0.81, 0.82])
    ours = theirs - np.array([0.020, 0.021, 0.022])
    hints = {"a loss can be shown, too": (-0.021, False)}
    expect(work.compare(ours, theirs), (-0.021, True), hints, "a loss of about 21 thousandths")


def test_exercise_2_between_twin_and_teacher(work):
    teacher, student, twin = np.array([0.80, 0.70]), np.array([0.74, 0.66]), np.array([0.70, 0.50])
    hints = {
        "this is the share of the teacher's score; the twin must count": 0.70 / 0.75,
        "this is the mean of the shares; take the means first": (0.4 + 0.8) / 2,
        "turned round: the way that is left": 1 - 2 / 3,
        "this is the gain, not its share of the way": 0.10,
    }
    expect(work.way(teacher, student, twin), 2 / 3, hints, "the way of two seeds")
