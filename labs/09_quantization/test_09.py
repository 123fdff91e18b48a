"""Grade lab 9: pytest in this folder."""

import torch
from grading import expect

from tinykd.quantization import fake_quantize

MATRIX = torch.tensor([[0.9, -3.0, 1.3], [0.04, 0.3, -0.17], [-250.0, 33.3, 120.0]])


def on_grid(values, step):
    return torch.round(values / step).mul(step)


def test_exercise_1_a_scale_for_each_row(work):
    size = MATRIX.abs()
    rows = size.amax(1, keepdim=True)
    top = MATRIX.amax(1, keepdim=True) / 7
    expect(
        work.rounded_rows(MATRIX.clone(), 4),
        fake_quantize(MATRIX, 4, channel_dim=0),
        {
            "one scale for the whole matrix": fake_quantize(MATRIX, 4),
            "a scale for each column, and the product cannot use it": fake_quantize(MATRIX, 4, channel_dim=1),
            "cut off instead of rounded": (MATRIX / (rows / 7)).trunc() * rows / 7,
            "one step too many: with 8 bits the largest number is 127": on_grid(MATRIX, rows / 8),
            "two grids' worth of steps, as if there were no sign": on_grid(MATRIX, rows / 15),
            "the largest value was taken, and not the largest size": (MATRIX / top).round().clamp(-7, 7) * top,
            "these are the whole numbers, without their scale": (MATRIX / (rows / 7)).round(),
        },
        "a matrix in 4 bits",
    )


def test_exercise_1_a_row_of_zeros(work):
    matrix = torch.tensor([[0.0, 0.0], [1.0, -0.5]])
    found = torch.as_tensor(work.rounded_rows(matrix.clone()))
    assert not found.isnan().any(), "a row of zeros was divided by zero, and became NaN"
    expect(found[0], matrix[0], {}, "a row of zeros")


def test_exercise_2_below_and_above_zero(work):
    low, high = -1.01, 3.99
    scale = 5.0 / 255
    hints = {
        "the zero point is not a whole number": (scale, -low / scale),
        "256 numbers have 255 steps between them": (5.0 / 256, 52),
        "this grid is symmetric, and half of it is never used": (2 * high / 255, 127),
        "the zero point has the wrong sign": (scale, -52),
    }
    expect(work.grid(torch.tensor([[low, 0.5], [2.0, high]])), (scale, 52), hints, "the grid of -1.01 to 3.99")
    hints = {"the zero point is the nearest whole number": (5.02 / 255, 52)}
    expect(work.grid(torch.tensor([-1.01, 4.01])), (5.02 / 255, 51), hints, "the grid of -1.01 to 4.01")


def test_exercise_2_all_positive(work):
    hints = {
        "zero is not on the grid": (4.0 / 15, round(-2.0 / (4.0 / 15))),
        "this grid is symmetric, and half of it is never used": (2 * 6.0 / 15, 7),
        "256 numbers have 255 steps between them": (6.0 / 16, 0),
    }
    expect(work.grid(torch.tensor([2.0, 3.0, 6.0]), 4), (6.0 / 15, 0), hints, "the grid of 2 to 6, in 4 bits,")


def test_exercise_2_all_negative(work):
    hints = {"zero is not on the grid": (2.0 / 255, round(3.0 / (2.0 / 255)))}
    expect(work.grid(torch.tensor([-3.0, -1.0])), (3.0 / 255, 255), hints, "the grid of -3 to -1")
