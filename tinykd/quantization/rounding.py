"""Quantization: a number becomes an integer of few bits, times a scale. Taught in lesson 09.

``x ≈ scale * (q - zero_point)``, with ``q = round(x / scale) + zero_point`` clamped to a range (Jacob et al. 2018,
equations 1 and 12). The result stays in floating point here ("fake quantization").
"""

import torch
from torch import Tensor

from tinykd.errors import SettingError, is_whole

BLOCK = 32  #: numbers of a row that share a scale in 4 bits


def integer_range(bits: int, symmetric: bool) -> tuple[int, int]:
    """Return the smallest and the largest integer of 2 to 16 bits: of 8, (-127, 127) if symmetric, else (0, 255)."""
    if not is_whole(bits, 2) or bits > 16:
        raise SettingError(f"bits is {bits}; it must lie between 2 and 16, and be a whole number")
    return (1 - 2 ** (bits - 1), 2 ** (bits - 1) - 1) if symmetric else (0, 2**bits - 1)


@torch.no_grad()
def scale_and_zero_point(
    tensor: Tensor, bits: int = 8, channel_dim: int | None = None, symmetric: bool = True
) -> tuple[Tensor, Tensor]:
    """Return the scale and the zero point that spread the integers over the range of ``tensor``.

    Args:
        tensor: of floating point (any other is a SettingError), any shape, not empty.
        channel_dim: the dimension whose every index gets a scale of its own; without it the whole tensor shares one.
        symmetric: as far below zero as above, zero point 0 (weights); else from the lowest to the highest value, 0
            included (activations).

    Returns:
        Two tensors, float32 at least, that broadcast against ``tensor``: of 1 in every dimension but ``channel_dim``.
    """
    lowest, highest = integer_range(bits, symmetric)
    if not tensor.is_floating_point():
        raise SettingError(f"{tensor.dtype} is not of floating point; there is nothing to round")
    tensor = tensor.to(torch.promote_types(tensor.dtype, torch.float32))  # bfloat16 has no 8 bits to spare
    others = [dim for dim in range(tensor.dim()) if channel_dim is None or dim != channel_dim % tensor.dim()]
    # 0 is on the grid, so that it stays exactly 0. Without other dimensions, each number is its own extreme.
    low = (tensor.amin(others, keepdim=True) if others else tensor).clamp(max=0)
    high = (tensor.amax(others, keepdim=True) if others else tensor).clamp(min=0)
    scale = torch.maximum(-low, high) / highest if symmetric else (high - low) / (highest - lowest)
    scale = scale.where(scale > 0, 1)  # nothing but zeros: any scale will do
    zero_point = torch.zeros_like(scale) if symmetric else (-low / scale).round()
    return scale, zero_point


def fake_quantize(tensor: Tensor, bits: int = 8, channel_dim: int | None = None, symmetric: bool = True) -> Tensor:
    """Return ``tensor`` rounded to its ``2 ** bits`` grid, in its own shape and type.

    No value moves by more than scale / 2; in bfloat16 and float16, by more than a scale. The gradient of rounding is 0
    almost everywhere, so it is replaced by that of the identity (the straight-through estimator, Bengio et al. 2013).

    Args, errors: as :func:`scale_and_zero_point`.
    """
    scale, zero_point = scale_and_zero_point(tensor, bits, channel_dim, symmetric)
    integers = ((tensor.to(scale.dtype) / scale).round() + zero_point).clamp(*integer_range(bits, symmetric))
    largest = torch.finfo(tensor.dtype).max  # the last integer times the scale may lie beyond it
    rounded = ((integers - zero_point) * scale).clamp(-largest, largest).to(tensor.dtype)
    return tensor + (rounded - tensor).detach()


@torch.no_grad()
def blockwise(matrix: Tensor) -> Tensor:
    """Return a matrix in 4 bits: of each ``BLOCK`` numbers of a row, the largest is -8 times their scale.

    ONNX Runtime stores it so (``dynamic_int8(…, embedding_bits=4)``), in five eighths of a byte per number, scales
    included. Round the embedding matrix *before* the layers are trained: they then learn to read it as it is stored.
    """
    rounded = []
    for block in matrix.split(BLOCK, dim=1):
        scale = block.gather(1, block.abs().argmax(1, keepdim=True)) / -8
        rounded.append((block / scale.where(scale != 0, 1)).round().clamp(-8, 7) * scale)
    return torch.cat(rounded, dim=1)
