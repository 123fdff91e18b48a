"""Fewer bits a weight: rounding by hand, training with it, and the real int8 of an exported model. Lesson 08."""

from tinykd.quantization.aware import finish, is_prepared, prepare
from tinykd.quantization.exported import dynamic_int8, openvino_int8, static_int8, weight_only_int8
from tinykd.quantization.rounding import fake_quantize, in_blocks, scale_and_zero_point, to_bfloat16

__all__ = [
    "dynamic_int8",
    "fake_quantize",
    "finish",
    "in_blocks",
    "is_prepared",
    "openvino_int8",
    "prepare",
    "scale_and_zero_point",
    "static_int8",
    "to_bfloat16",
    "weight_only_int8",
]
