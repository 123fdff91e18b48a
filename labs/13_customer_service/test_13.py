"""Grade lab 13: pytest in this folder."""

import numpy as np
from grading import expect


def test_exercise_1_two_shares(work):
    customers, strangers = np.array([0.9, 0.8, 0.4]), np.array([0.5, 0.3])
    hints = {
        "a message at the threshold is answered, too": 0.5,
        "only the strangers were looked at": 0.9,
        "halfway between the two means is not the best": 0.55,
    }
    expect(work.best_threshold(customers, strangers), 0.8, hints, "the threshold of three customers and two strangers")


def test_exercise_1_ten_times_as_many_strangers(work):
    customers, strangers = np.array([0.9, 0.6, 0.6, 0.4]), np.repeat([0.7, 0.5, 0.3, 0.2], 10)
    hints = {
        "messages were counted, not shares: a person who writes more has more weight": 0.9,
        "a message at the threshold is answered, too": 0.5,
    }
    expect(work.best_threshold(customers, strangers), 0.6, hints, "the threshold, strangers writing ten times,")


def test_exercise_1_a_stranger_at_the_threshold(work):
    customers, strangers = np.array([0.913, 0.613, 0.613, 0.1, 0.1]), np.array([0.613, 0.3])
    hints = {
        "a stranger at the threshold is answered, too": 0.613,
        "a confidence that occurs is looked for, not one of a grid": 0.91,
    }
    expect(
        work.best_threshold(customers, strangers),
        0.913,
        hints,
        "the threshold with a stranger at a customer's confidence",
    )


def test_exercise_2_set_on_valid_read_on_test(work):
    valid = np.array([0.9, 0.6, 0.6]), np.array([0.5, 0.32])
    test = np.array([0.9, 0.7, 0.4, 0.3]), np.array([0.65, 0.35, 0.1])

    def lowest(customers, strangers):
        return customers.min()

    hints = {
        "the threshold was set on test": (1.0, 1 / 3),
        "customers and strangers are exchanged": (0.75, 1 / 3),
        "the shares are those of valid, on which the threshold was set": (1.0, 1.0),
        "these are the strangers that were answered": (0.5, 1 / 3),
    }
    expect(work.report(lowest, valid, test), (0.5, 2 / 3), hints, "customers answered and strangers not")


def test_exercise_2_the_choice_sees_valid_alone(work):
    valid, test = (np.array([0.6]), np.array([0.2])), (np.array([0.9, 0.7]), np.array([0.8]))
    seen = []

    def spy(customers, strangers):
        seen.append((customers.tolist(), strangers.tolist()))
        return 0.75

    expect(work.report(spy, valid, test), (0.5, 0.0), {}, "customers answered and strangers not, at 0.75")
    edge = {"a message at the threshold is answered, too": (0.0, 1.0)}
    at = work.report(lambda *_: 0.75, valid, (np.array([0.75]), np.array([0.75])))
    expect(at, (1.0, 0.0), edge, "customers answered and strangers not, all at the threshold,")
    named = {
        "the threshold was set on test": ([0.9, 0.7], [0.8]),
        "customers and strangers are exchanged": ([0.2], [0.6]),
    }
    other = "test had a part in setting the threshold"
    named = next((name for name, shown in named.items() if shown == seen[0]), other)
    assert all(shown == ([0.6], [0.2]) for shown in seen), f"{named}: the choice was shown {seen}"


def test_exercise_3_places_alone(work):
    words, meaning = np.array([7.0, 3.0, 3.0, 0.0]), np.array([0.1, 0.9, 0.2, 0.3])
    ranks = np.array([[1, 2, 2, 4], [4, 1, 3, 2]])
    for k in (60.0, 1.0):
        hints = {
            "the best has rank 1, not 0": (1 / (k + ranks - 1)).sum(0),
            "ranked from the wrong end": (1 / (k + np.array([[4, 2, 2, 1], [1, 4, 2, 3]]))).sum(0),
            "the constant is fixed at 60": (1 / (60 + ranks)).sum(0),
            "equal scores were given different ranks": (1 / (k + np.array([[1, 2, 3, 4], [4, 1, 3, 2]]))).sum(0),
            "scores were added, and they live on different scales": words + meaning,
        }
        expect(work.fused(words, meaning, k), (1 / (k + ranks)).sum(0), hints, f"four articles with k = {k:.0f}")
