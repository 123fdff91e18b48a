import torch


# %% exercise 1: one scale for the whole matrix
def rounded_rows(matrix, bits=8):
    scale = matrix.abs().max() / (2 ** (bits - 1) - 1)
    return (matrix / scale).round() * scale


# %% exercise 1: a scale for each column, and the product cannot use it
def rounded_rows(matrix, bits=8):
    scale = matrix.abs().amax(0, keepdim=True) / (2 ** (bits - 1) - 1)
    return (matrix / scale.where(scale > 0, 1)).round() * scale


# %% exercise 1: cut off instead of rounded
def rounded_rows(matrix, bits=8):
    scale = matrix.abs().amax(1, keepdim=True) / (2 ** (bits - 1) - 1)
    scale = scale.where(scale > 0, 1)
    return (matrix / scale).trunc() * scale


# %% exercise 1: one step too many: with 8 bits the largest number is 127
def rounded_rows(matrix, bits=8):
    scale = matrix.abs().amax(1, keepdim=True) / 2 ** (bits - 1)
    scale = scale.where(scale > 0, 1)
    return (matrix / scale).round() * scale


# %% exercise 1: the largest value was taken, and not the largest size
def rounded_rows(matrix, bits=8):
    highest = 2 ** (bits - 1) - 1
    scale = matrix.amax(1, keepdim=True) / highest
    scale = scale.where(scale > 0, 1)
    return (matrix / scale).round().clamp(-highest, highest) * scale


# %% exercise 1: a row of zeros was divided by zero
def rounded_rows(matrix, bits=8):
    scale = matrix.abs().amax(1, keepdim=True) / (2 ** (bits - 1) - 1)
    return (matrix / scale).round() * scale


# %% exercise 2: zero is not on the grid
def grid(values, bits=8):
    scale = (values.max().item() - values.min().item()) / (2**bits - 1)
    return scale, round(-values.min().item() / scale)


# %% exercise 2: the zero point is not a whole number
def grid(values, bits=8):
    low, high = min(values.min().item(), 0.0), max(values.max().item(), 0.0)
    scale = (high - low) / (2**bits - 1)
    return scale, -low / scale


# %% exercise 2: 256 numbers have 255 steps between them
def grid(values, bits=8):
    low, high = min(values.min().item(), 0.0), max(values.max().item(), 0.0)
    scale = (high - low) / 2**bits
    return scale, round(-low / scale)


# %% exercise 2: this grid is symmetric, and half of it is never used
def grid(values, bits=8):
    return 2 * values.abs().max().item() / (2**bits - 1), 2 ** (bits - 1) - 1


# %% exercise 2: the zero point has the wrong sign
def grid(values, bits=8):
    low, high = min(values.min().item(), 0.0), max(values.max().item(), 0.0)
    scale = (high - low) / (2**bits - 1)
    return scale, round(low / scale)
