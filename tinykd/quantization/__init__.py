"""Fewer bits per weight: rounding, and training with it; exports use :mod:`tinykd.deploy.int8`. Taught in lesson 09."""

from tinykd.quantization.aware import finish, prepare
from tinykd.quantization.rounding import blockwise, fake_quantize, scale_and_zero_point
