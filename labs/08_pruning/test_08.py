"""Grade lab 8: pytest in this folder."""

import torch
from grading import expect


def test_exercise_1_absolute_values_per_word(work):
    gradients = torch.tensor([[[1.0, 2.0], [-0.5, 4.0]], [[-3.0, 1.0], [0.25, 0.0]]])
    hints = {
        "the derivatives were added first, and those of opposite signs cancel": gradients.sum(0).abs() / 10,
        "the signs were kept": gradients.sum(0) / 10,
        "squares were added, and not absolute values": gradients.square().sum(0) / 10,
        "divided by the sentences, and not by the words": gradients.abs().mean(0),
    }
    right = torch.tensor([[0.4, 0.3], [0.075, 0.4]])
    expect(work.head_importance(gradients, 10), right, hints, "the importance of four heads, two sentences, ten words")


def test_exercise_2_all_layers_compete(work):
    importance = torch.tensor([[5.0, 9, 8, 7], [6, 1, 2, 3]])
    hints = {
        "the most important heads went": [[0], [0, 1, 2, 3]],
        "every layer lost the same share, and the heads did not compete": [[1, 2], [0, 3]],
        "the share that stays was taken for the share that goes": [[1, 2], [0]],
    }
    expect(work.kept_heads(importance, 3 / 8), [[0, 1, 2, 3], [0]], hints, "heads after 3 of 8 are gone")


def test_exercise_2_the_best_of_a_layer_is_safe(work):
    importance = torch.tensor([[5.0, 4, 3, 6], [1, 2, 0.5, 0.4]])
    hints = {
        "a layer was left without any head": [[0, 1, 3], []],
        "the most important heads went": [[], [0, 2, 3]],
        "every layer lost the same share, and the heads did not compete": [[0, 3], [0, 1]],
        "the share that stays was taken for the share that goes": [[0, 1, 2, 3], [1]],
    }
    expect(work.kept_heads(importance, 5 / 8), [[0, 3], [1]], hints, "heads after 5 of 8 are gone")


def test_exercise_2_rounded_and_the_earlier_of_equals(work):
    importance = torch.tensor([[5.0, 9, 8, 7], [6, 1, 2, 3]])
    for share, right in ((0.35, [[0, 1, 2, 3], [0]]), (0.29, [[0, 1, 2, 3], [0, 3]])):
        expect(work.kept_heads(importance.clone(), share), right, {}, f"heads after {share} of 8, rounded, are gone")
    hints = {"of heads that are worth the same, the earlier one goes": [[0, 1], [0]]}
    found = work.kept_heads(torch.tensor([[9.0, 1, 1], [8, 1, 1]]), 0.5)
    expect(found, [[0], [0, 2]], hints, "heads after 3 of 6 are gone, four of them equal,")


def test_exercise_2_of_two_best_the_earlier_is_safe(work):
    found = work.kept_heads(torch.tensor([[1.0, 1], [2, 3]]), 0.25)
    expect(found, [[0], [0, 1]], {}, "heads after 1 of 4 is gone, two of them equal and the best of their layer,")


def test_exercise_3_rows_here_and_columns_there(work):
    query, output = torch.arange(30.0).view(6, 5), 100 + torch.arange(48.0).view(8, 6)
    mask = torch.tensor([1.0, 1, 0, 0, 1, 1])

    def of(rows):
        return query[rows], output[:, rows]

    hints = {
        "rows of the output matrix were cut, and the heads are its columns": (
            query[[0, 1, 4, 5]],
            output[[0, 1, 4, 5]],
        ),
        "one row was kept for each head, and a head is a block of rows": of([0, 2]),
        "every so many rows were taken, and a head's rows stand together": of([0, 3, 2, 5]),
        "a mask of zeros makes nothing smaller": (query * mask[:, None], output * mask),
        "the heads that go were kept": of([2, 3]),
    }
    expect(work.cut(query, output, 3, [0, 2]), of([0, 1, 4, 5]), hints, "heads 0 and 2 of three, of two rows each,")
    query, output = torch.arange(18.0).view(6, 3), torch.arange(24.0).view(4, 6)
    expect(work.cut(query, output, 2, [1]), (query[3:], output[:, 3:]), {}, "head 1 of two, of three rows each,")
