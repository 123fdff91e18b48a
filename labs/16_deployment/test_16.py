"""Grade lab 16: pytest in this folder."""

import numpy as np
from grading import expect


def test_exercise_1_sixteen_tokens(work):
    # 80 million multiplications, 5 million bytes: on this phone multiplying takes longer
    hints = {
        "the two go on at once, and were added": 0.027,
        "every weight was fetched again for each token": 0.032,
        "the slower of the two decides, not the faster": 0.002,
    }
    found = work.seconds(5_000_000, 16, 3.2e9, 2.5e9)
    expect(found, 0.025, hints, "seconds for 16 tokens at 3.2 billion multiplications and 2.5 GB")


def test_exercise_1_one_token(work):
    hints = {
        "the memory was forgotten": 1e-4,
        "the slower of the two decides, not the faster": 1e-4,
        "the two go on at once, and were added": 2.1e-3,
    }
    found = work.seconds(5_000_000, 1, 50e9, 2.5e9)
    expect(found, 2e-3, hints, "seconds for one token at 50 billion multiplications and 2.5 GB")


def test_exercise_2_one_of_two_hundred(work):
    hints = {
        "these are words, not sentences": 919,
        "chances were added, as if no two tags could turn together": 17,
        "one sentence too few: the chance is not reached": 76,
        "so many miss it with that probability": 1,
        "a sentence that notices was taken for one that does not": 1,
    }
    expect(work.golden_sentences(1 / 200, 12, 0.99), 77, hints, "sentences for 1 of 200 tags and 99 %")


def test_exercise_2_the_chance_is_reached(work):
    for turned, words, chance in ((0.01, 20, 0.5), (0.3, 2, 0.9), (0.5, 1, 0.75)):
        found = work.golden_sentences(turned, words, chance)
        missed = [(1 - turned) ** (words * count) for count in (found, found - 1)]
        reached = missed[0] <= 1 - chance < missed[1]
        reason = "one sentence too few: the chance is not reached" if missed[0] > 1 - chance else "fewer are enough"
        assert reached, f"{reason}: {found} sentences for {turned} of the tags, {words} words and {chance:.0%}"


def test_exercise_3_three_figures(work):
    times = np.array([200.0, 40, 20, 10, 11, 10, 12, 10, 50, 11, 13, 10, 12])
    warm = np.array([10.0, 10, 10, 10, 11, 11, 12, 12, 13, 50])
    late = 13 + 0.55 * (50 - 13)  # of ten values the 95th percentile lies 0.95 · 9 = 8.55 steps above the lowest
    hints = {
        "the slow beginning is in it": (200, 12, np.percentile(times, 95)),
        "a mean and no median: one slow prediction moves it": (200, warm.mean(), late),
        "the slowest of all is not the 95th percentile": (200, 11, 50),
        "the first prediction is the one before all others, warm or not": (10, 11, late),
    }
    expect(work.report(times, 3), (200, 11, late), hints, "first, median and 95th percentile, 3 of 13 not warm,")
    found = work.report(np.array([9.0, 12, 1, 4, 2, 3]), 2)
    expect(found, (9, 2.5, 3.85), {}, "first, median and 95th percentile, 2 of 6 not warm,")
