"""Grade lab 11: pytest in this folder."""

import numpy as np
from grading import expect

from tinykd import fusion


def test_exercise_1_long_sentences_cost_more(work):
    costs, deferred = np.array([4 / 3] * 3 + [6 / 7] * 7), np.arange(10) < 3
    hints = {
        "sentences were counted, not their work": 0.5,
        "the student reads every sentence, also those that are deferred": 0.52,
        "the work that is kept was counted, not what is deferred": 0.8,
        "this is the cost of running both on everything": 1.2,
    }
    expect(work.cascade_cost(0.2, costs, deferred), 0.6, hints, "the cost of 3 long sentences of 10")


def test_exercise_1_nothing_deferred(work):
    expect(
        work.cascade_cost(0.3, np.array([5.0, 1.0]), np.array([False, False])), 0.3, {}, "the cost of deferring nothing"
    )
    found = work.cascade_cost(0.3, np.array([5.0, 1.0]), np.array([True, False]))
    expect(found, 0.3 + 5 / 6, {}, "the cost of work in another unit")


SAID = np.array([[0.80, 0.20]] * 3 + [[0.35, 0.65]] * 2 + [[0.55, 0.45]] * 2 + [[0.40, 0.60]] * 4)
GOLD = np.array([0, 0, 0, 1, 0, 1, 1, 1, 1, 1, 0])
SURE, RIGHT = SAID.max(-1), SAID.argmax(-1) == GOLD


def gaps(place, said):
    """What each bin weighs, and how far from one another confidence and accuracy are in it."""
    parts = [place == number for number in np.unique(place)]
    return [(part.mean(), abs(said[part].mean() - RIGHT[part].mean())) for part in parts]


def error(place, said=SURE):
    return sum(weight * gap for weight, gap in gaps(place, said))


def calibration_hints(bins):
    upper, least = np.ceil(SURE * bins), SURE.min()
    of_gold = SAID[np.arange(len(GOLD)), GOLD]
    return {
        "every bin weighs the same, however few its words": np.mean([gap for _, gap in gaps(upper, SURE)]),
        "too sure in one place and too unsure in another cancel": abs(SURE.mean() - RIGHT.mean()),
        "the probability of the right label is not the confidence": error(np.ceil(of_gold * bins), of_gold),
        "a bin holds its upper border, not its lower one": error(np.floor(SURE * bins)),
        "the bins run from 0 to 1, not from the least sure to the surest": error(
            np.floor((SURE - least) / (SURE.max() - least) * bins).clip(max=bins - 1)
        ),
    }


def test_exercise_2_bins_weigh_their_words(work):
    right = fusion.expected_calibration_error(SAID, GOLD, 10)
    found = work.calibration_error(SAID.copy(), GOLD.copy(), 10)
    expect(found, right, calibration_hints(10), "the calibration error of eleven words")


def test_exercise_2_five_bins(work):
    right = fusion.expected_calibration_error(SAID, GOLD, 5)
    hints = {"the number of bins was not looked at": fusion.expected_calibration_error(SAID, GOLD, 10)}
    found = work.calibration_error(SAID.copy(), GOLD.copy(), 5)
    expect(found, right, hints | calibration_hints(5), "the calibration error in five bins")


def test_exercise_3_chosen_on_valid_read_on_test(work):
    costs = np.array([0.3, 0.4, 0.5, 0.6, 0.7, 0.9])
    valid = np.array([0.80, 0.86, 0.84, 0.86, 0.85, 0.90])
    test = np.array([0.79, 0.82, 0.85, 0.83, 0.81, 0.91])
    hints = {
        "the threshold was chosen on test": (2, 0.85),
        "the score of valid was reported, on which it was chosen": (1, 0.86),
        "the budget was ignored": (5, 0.91),
        "the most expensive within the budget need not be the best": (4, 0.81),
        "of two that score the same, the cheaper one": (3, 0.83),
    }
    expect(work.choose(costs, valid, test, 0.7), (1, 0.82), hints, "the threshold within 0.7, and its score,")
    backwards = [part[::-1].copy() for part in (costs, valid, test)]
    hints = {
        "of two that score the same, the cheaper one": (2, 0.83),
        "this is a place among those within the budget, not among all": (3, 0.85),
    }
    expect(work.choose(*backwards, 0.7), (4, 0.82), hints, "the threshold within 0.7, the most expensive first,")
    expect(work.choose(costs, valid, test, 0.9), (5, 0.91), {}, "the threshold within 0.9, which the last one costs,")
