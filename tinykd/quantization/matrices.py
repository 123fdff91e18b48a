"""The matrices of an exported graph in 8 bits, multiplied in float32. Taught in lesson 08."""

from pathlib import Path

import torch
from onnxscript import ir
from onnxscript.rewriter import RewriteRuleClassBase, rewrite

from tinykd.quantization.rounding import scale_and_zero_point


def round_matrices(path: Path) -> None:
    """Let the ONNX file, in place, store each matrix that something is multiplied by as :func:`finish` rounds it.

    Tables that rows are looked up in, biases and norms stay as they are.
    """
    ir.save(rewrite(ir.load(path), [_StoredMatrix.rule()]), path)


class _StoredMatrix(RewriteRuleClassBase):
    """What comes in, times a matrix that the file stores: not the products of two activations inside the attention."""

    def pattern(self, op, x, matrix):
        return op.MatMul(x, matrix)

    def check(self, context, matrix, **_):
        return matrix.const_value is not None

    def rewrite(self, op, x, matrix):
        weight = torch.from_numpy(matrix.const_value.numpy())
        scale, _ = scale_and_zero_point(weight, bits=8, channel_dim=1)
        integers = op.initializer(ir.tensor((weight / scale).round().to(torch.int8)), name=f"{matrix.name}_quantized")
        scale = op.initializer(ir.tensor(scale), name=f"{matrix.name}_scale")
        return op.MatMul(x, op.Mul(op.Cast(integers, to=ir.DataType.FLOAT), scale))
