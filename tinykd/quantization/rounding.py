"""Quantization by hand: a number becomes an integer of few bits, times a scale. Taught in lesson 08.

``x ≈ scale * (q - zero_point)``, with ``q = round(x / scale) + zero_point`` held between two ends; Jacob et al. 2018,
equations 1 and 12. The result is kept in floating point here ("fake"), to see and to train what the rounding does.
"""

import torch
from torch import Tensor

from tinykd.errors import SettingError, is_whole

BLOCK = 32  #: numbers of a row that share a scale in 4 bits


def integer_range(bits: int, symmetric: bool) -> tuple[int, int]:
    """Return the smallest and the largest integer: 8 bits give (-127, 127) if symmetric, else (0, 255).

    Raises:
        SettingError: less than 2 bits or more than 16.
    """
    if not is_whole(bits, 2) or bits > 16:
        raise SettingError(f"bits is {bits}; it must lie between 2 and 16, and be a whole number")
    return (1 - 2 ** (bits - 1), 2 ** (bits - 1) - 1) if symmetric else (0, 2**bits - 1)


@torch.no_grad()
def scale_and_zero_point(
    tensor: Tensor, bits: int = 8, channel_dim: int | None = None, symmetric: bool = True
) -> tuple[Tensor, Tensor]:
    """Return the scale and the zero point that spread the integers over the range of ``tensor``.

    Args:
        tensor: of floating point, any shape, not empty.
        channel_dim: the dimension whose every index gets a scale of its own; without it the whole tensor shares one.
        symmetric: as far below zero as above, zero point 0 (weights); else from the lowest to the highest value, both
            stretched to take in 0 (activations).

    Returns:
        Two tensors, float32 at least, that broadcast against ``tensor``: of 1 in every dimension but ``channel_dim``.

    Raises:
        SettingError: as :func:`integer_range`; integers, or a ``channel_dim`` that ``tensor`` has not.
    """
    lowest, highest = integer_range(bits, symmetric)
    if not tensor.is_floating_point():
        raise SettingError(f"{tensor.dtype} is not of floating point; there is nothing to round")
    if channel_dim is not None and tensor.dim() and not -tensor.dim() <= channel_dim < tensor.dim():
        raise SettingError(f"channel_dim is {channel_dim}; the tensor has {tensor.dim()} dimensions")
    tensor = tensor.to(torch.promote_types(tensor.dtype, torch.float32))  # bfloat16 has no 8 bits to spare
    others = [dim for dim in range(tensor.dim()) if channel_dim is None or dim != channel_dim % tensor.dim()]
    whole = bool(others) or not tensor.dim()  # without a dimension to look along, each number is its own extreme
    low = (tensor.amin(others, keepdim=True) if whole else tensor).clamp(max=0)  # 0 is on the grid: padding holds it
    high = (tensor.amax(others, keepdim=True) if whole else tensor).clamp(min=0)
    scale = torch.maximum(-low, high) / highest if symmetric else (high - low) / (highest - lowest)
    scale = scale.where(scale > 0, 1)  # nothing but zeros: any scale will do
    zero_point = torch.zeros_like(scale) if symmetric else (-low / scale).round()
    return scale, zero_point


def fake_quantize(tensor: Tensor, bits: int = 8, channel_dim: int | None = None, symmetric: bool = True) -> Tensor:
    """Return ``tensor`` rounded to its ``2 ** bits`` grid, in its own shape and type.

    No value moves over scale / 2; in a type of 16 bits, which has few numbers of its own, up to a whole scale.
    Rounding is flat: its gradient is 0 almost everywhere, and nothing would learn. The gradient goes straight through,
    as if nothing had been rounded (Bengio et al. 2013).

    Args, errors: as :func:`scale_and_zero_point`.
    """
    scale, zero_point = scale_and_zero_point(tensor, bits, channel_dim, symmetric)
    integers = ((tensor.to(scale.dtype) / scale).round() + zero_point).clamp(*integer_range(bits, symmetric))
    largest = torch.finfo(tensor.dtype).max  # of which the last mark of a ruler may lie beyond
    rounded = ((integers - zero_point) * scale).clamp(-largest, largest).to(tensor.dtype)
    return tensor + (rounded - tensor).detach()


@torch.no_grad()
def blockwise(matrix: Tensor) -> Tensor:
    """Return a matrix as 4 bits hold it: of each ``BLOCK`` numbers of a row, the largest is -8 times their scale.

    So ONNX Runtime stores it (``dynamic_int8(…, embedding_bits=4)``), in five eighths of a byte per number, scales
    included. To 16 steps most numbers move: round the embedding matrix *before* the layers are trained, and they learn
    to read it as it will be stored. Rounding twice changes nothing.

    Args:
        matrix: (rows, numbers); a last block may be shorter.
    """
    rounded = []
    for block in matrix.split(BLOCK, dim=1):
        scale = block.gather(1, block.abs().argmax(1, keepdim=True)) / -8
        rounded.append((block / scale.where(scale != 0, 1)).round().clamp(-8, 7) * scale)
    return torch.cat(rounded, dim=1)
