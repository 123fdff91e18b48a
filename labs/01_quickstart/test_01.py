"""Grade lab 1: pytest in this folder."""

import numpy as np
import torch
from grading import expect


def test_exercise_1_roots_of_odds(work):
    # Odds of 81 : 9 : 1 are 9 : 3 : 1 at T = 2. The second word is turned round, so that rows and columns differ.
    said = torch.tensor([[81.0, 9, 1], [1, 9, 81], [16, 1, 1]]) / torch.tensor([[91.0], [91], [18]])
    right = torch.tensor([[9.0, 3, 1], [1, 3, 9], [4, 1, 1]]) / torch.tensor([[13.0], [13], [6]])
    over_words = said.sqrt() / said.sqrt().sum(0)
    expect(
        work.soften(said.clone(), 2.0),
        right,
        {
            "the probabilities were divided, not their logarithms": said,
            "a probability is no logit": (said / 2).softmax(-1),
            "the softmax runs over the words, not over the labels": over_words,
            "multiplied by the temperature, which makes it sharper": said**2 / (said**2).sum(-1, keepdim=True),
            "these are odds, and do not sum to 1": said.sqrt(),
        },
        "81 : 9 : 1 and two more at T = 2",
    )


def test_exercise_1_temperature_one_changes_nothing(work):
    said = torch.tensor([[0.60, 0.38, 0.02]])
    expect(
        work.soften(said.clone(), 1.0),
        said,
        {"a probability is no logit": said.softmax(-1)},
        "0.60, 0.38, 0.02 at T = 1",
    )


def test_exercise_2_two_gaps_and_their_signs(work):
    baseline = np.array([0.80, 0.79, 0.81])
    twin = np.array([0.82, 0.82, 0.83])
    student = np.array([0.85, 0.81, 0.84])
    right = ((0.07 / 3, True), (0.03 / 3, False))
    expect(
        work.gaps(baseline, twin, student),
        right,
        {
            "the soft labels are credited with the weights as well": (right[0], (0.10 / 3, True)),
            "the sign of the mean says nothing about the seeds": (right[0], (0.03 / 3, True)),
            "the best seed of each was compared": ((0.02, True), (0.02, False)),
        },
        "the two gaps, the second with one seed against it,",
    )


def test_exercise_2_a_loss_is_a_gap(work):
    one, two, three = np.array([0.80, 0.81]), np.array([0.79, 0.79]), np.array([0.81, 0.80])
    right = ((-0.015, True), (0.015, True))
    hints = {
        "a loss with every seed has been measured, too": ((-0.015, False), right[1]),
        "the soft labels are credited with the weights as well": (right[0], (0.0, False)),
    }
    expect(work.gaps(one, two, three), right, hints, "the two gaps, the first a loss with both seeds,")


def test_exercise_2_a_gap_smaller_than_the_seeds_are_apart(work):
    baseline = np.array([0.80, 0.70, 0.90, 0.60])
    twin = baseline + np.array([0.01, 0.01, 0.01, 0.09])
    student = twin + np.array([0.08, -0.12, 0.06, 0.02])
    right = ((0.03, True), (0.01, False))
    hints = {
        "the gaps, not the scores, must have one sign": ((0.03, False), right[1]),
        "the sign of the mean says nothing about the seeds": (right[0], (0.01, True)),
    }
    expect(work.gaps(baseline, twin, student), right, hints, "the two gaps of four seeds that lie far apart")


def test_exercise_2_the_seeds_are_pairs(work):
    baseline = np.array([0.81, 0.71, 0.91, 0.69])
    twin = np.array([0.83, 0.73, 0.80, 0.93])  # put in order, each is above its neighbour; its own is not
    student = twin + np.array([0.08, -0.12, 0.06, 0.02])
    right = ((0.0425, False), (0.01, False))
    hints = {
        "the seeds are pairs: the first score of one belongs to the first of the others": ((0.0425, True), right[1]),
        "the sign of the mean says nothing about the seeds": ((0.0425, True), (0.01, True)),
    }
    expect(work.gaps(baseline, twin, student), right, hints, "the two gaps of four seeds in no order")
