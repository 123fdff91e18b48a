"""Rewrites of an exported graph: attentions as one operation each, matrices stored in 8 bits. Taught in lesson 10."""

from pathlib import Path

import numpy as np
import torch
from onnxscript import ir
from onnxscript.rewriter import RewriteRuleClassBase, rewrite

from tinykd.quantization.rounding import scale_and_zero_point


def fuse_attention(path: Path) -> int:
    """Rewrite the ONNX file in place; return how many attentions became ``com.microsoft.Attention``.

    One operation replaces some twenty. What does not match the self-attention of BERT stays as it is.
    """
    model = rewrite(ir.load(path), [_SelfAttention.rule(remove_nodes=False)])  # the mask is made once for all
    ir.save(model, path)
    return sum(node.op_type == "Attention" for node in model.graph)


def round_matrices(path: Path) -> None:
    """Store each matrix of a multiplication as ``quantization.finish`` rounds it; rewrite the ONNX file in place."""
    ir.save(rewrite(ir.load(path), [_StoredMatrix.rule()]), path)


class _SelfAttention(RewriteRuleClassBase):
    """Queries, keys and values of one text, in as many heads each, and the mask as ``export`` makes it."""

    def pattern(
        self, op, x, query, query_bias, key, key_bias, value, value_bias, shape, scale, one, mask, axes, low, flat
    ):
        def heads(weight, bias, order):
            return op.Transpose(op.Reshape(op.Add(op.MatMul(x, weight), bias), shape), perm=order)

        scores = op.MatMul(heads(query, query_bias, [0, 2, 1, 3]), heads(key, key_bias, [0, 2, 3, 1]))
        unseen = op.Mul(op.Sub(one, op.Cast(op.Unsqueeze(mask, axes))), low)
        shares = op.Softmax(op.Add(op.Mul(scores, scale), unseen), axis=-1, _outputs=["shares"])  # (batch, heads, …)
        mixed = op.MatMul(shares, heads(value, value_bias, [0, 2, 1, 3]))
        return op.Reshape(op.Transpose(mixed, perm=[0, 2, 1, 3]), flat)

    def rewrite(self, op, x, query, query_bias, key, key_bias, value, value_bias, scale, mask, shares, **_):
        weight = np.concatenate([matrix.const_value.numpy() for matrix in (query, key, value)], axis=1)
        bias = np.concatenate([vector.const_value.numpy() for vector in (query_bias, key_bias, value_bias)])
        return op.Attention(
            x,
            op.initializer(ir.tensor(weight), name=f"{shares.name}.weight"),
            op.initializer(ir.tensor(bias), name=f"{shares.name}.bias"),
            op.Cast(mask, to=ir.DataType.INT32),
            num_heads=shares.shape[1],
            scale=float(scale.const_value.numpy()),
            _domain="com.microsoft",
            _version=1,
        )


class _StoredMatrix(RewriteRuleClassBase):
    """An input times a matrix that the file stores: not the multiplication of two activations inside the attention."""

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
