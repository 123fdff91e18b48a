"""Fewer bits per weight: rounding, and training with it. Taught in lesson 08.

The int8 of an exported model is :mod:`tinykd.deploy.int8`.
"""

from tinykd.quantization.aware import finish, prepare
from tinykd.quantization.rounding import blockwise, fake_quantize, scale_and_zero_point
