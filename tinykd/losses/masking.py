"""What all losses share: the mean over the positions that count, in single precision at least. Lesson 02."""

import torch
from torch import Tensor

IGNORE = -100  #: the label of a position that no loss and no score counts, as in ``torch.nn.functional.cross_entropy``


def mean(values: Tensor, weight: Tensor | None = None) -> Tensor:
    """Mean of the values at the positions that count, which the caller has *selected*; 0 where there are none.

    They are selected, not multiplied by a mask: what stands at the other positions, even an infinity, touches neither
    value nor gradient. ``weight`` is how much each counts; weights are not normalised, so that 1 everywhere changes
    nothing.
    """
    weighted = values if weight is None else weight * values
    return weighted.sum() / max(1, values.numel())


def precise(tensor: Tensor) -> Tensor:
    """Turn half precision into single; double stays double."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


def check_same_shape(student: Tensor, teacher: Tensor, what: str, mask: Tensor | None = None) -> None:
    """Raise a ValueError for two tensors that would silently be broadcast, and a mask of numbers or of another shape.

    As an index, zeros and ones such as a tokenizer's ``attention_mask`` would select the rows 0 and 1.
    """
    if student.shape != teacher.shape:
        raise ValueError(f"{what}: the student's are {tuple(student.shape)}, the teacher's {tuple(teacher.shape)}")
    if mask is not None and (mask.dtype != torch.bool or mask.shape != (student.shape[0], student.shape[-2])):
        must = "it must be (batch, words), True where a word counts, as attention_mask.bool() is"
        raise ValueError(f"the mask is {tuple(mask.shape)} of {mask.dtype}; {must}")
