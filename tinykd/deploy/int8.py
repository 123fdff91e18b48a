"""Int8 for an exported model: smaller files, integer matrix multiplications. Taught in lesson 10.

Each function reads a folder of ``export.to_onnx`` and writes another, for :func:`tinykd.deploy.runtime.load`.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

import onnx
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.quantization.matmul_nbits_quantizer import DefaultWeightOnlyQuantConfig, MatMulNBitsQuantizer

from tinykd.artifacts import new_folder, seal
from tinykd.deploy.export import silent
from tinykd.deploy.rewrites import fuse_attention, round_matrices
from tinykd.deploy.runtime import MODEL, NOTE, QUANTIZED, facts_of
from tinykd.errors import ModelError, RunError, SettingError
from tinykd.quantization.rounding import BLOCK


def dynamic_int8(
    folder: str | Path, out: str | Path, reduce_range: bool = True, keep_float32: bool = False, embedding_bits: int = 8
) -> Path:
    """Quantize the weights, embeddings too; the range of each activation is measured while the model runs.

    Each attention becomes one operation of ONNX Runtime first (:mod:`tinykd.deploy.rewrites`).

    Args:
        folder: made by ``export.to_onnx``.
        out: the new folder; it may be ``folder`` itself.
        reduce_range: 7 bits for the matrices (embeddings keep 8). Without it, processors that have AVX2 or AVX-512 but
            no VNNI add two products in 16 bits, and large sums are cut off.
        keep_float32: leave ``onnx/model.onnx`` beside ``onnx/model_quantized.onnx``, for a browser.
        embedding_bits: 4 stores the embedding matrix as :func:`tinykd.quantization.blockwise` rounds it.

    Raises:
        SettingError: ``embedding_bits`` is neither 8 nor 4.
        ModelError: a folder that is quantized already, damaged, or not an export.
        RunError: the place cannot be written, or one folder would lie inside the other.
    """

    def quantize(model: Path, target: Path) -> None:
        fuse_attention(model)
        _round_embeddings(model, embedding_bits)
        # A scale for each output halves the error at the same speed; unsigned weights are slower.
        quantize_dynamic(model, target, weight_type=QuantType.QInt8, per_channel=True, reduce_range=reduce_range)

    return _quantized(folder, out, "int8-dynamic", quantize, keep_float32)


def weight_only_int8(folder: str | Path, out: str | Path, embedding_bits: int = 8) -> Path:
    """Store the matrices in 8 bits and multiply them in float32: the file is as small as ``dynamic_int8``'s.

    The speed and the memory are those of float32, for ONNX Runtime restores the matrices when it opens the file. No
    activation is rounded. Args, errors: as for :func:`dynamic_int8`.
    """

    def quantize(model: Path, target: Path) -> None:
        _round_embeddings(model, embedding_bits)
        quantize_dynamic(model, target, op_types_to_quantize=["Gather"], weight_type=QuantType.QInt8)
        round_matrices(target)

    return _quantized(folder, out, "int8-weights", quantize)


def _round_embeddings(path: Path, bits: int) -> None:
    """Let ONNX Runtime store the largest matrix that the graph looks rows up in as 4 bits, in place; 8 come later."""
    if bits == 8:
        return
    if bits != 4:
        raise SettingError(f"embedding_bits is {bits}; it must be 8 or 4")
    model = onnx.load(path)
    rows = {weight.name: weight.dims[0] for weight in model.graph.initializer if len(weight.dims) == 2}
    lookups = [node for node in model.graph.node if node.op_type == "Gather"]
    largest = max(lookups, key=lambda node: rows.get(node.input[0], 0))
    config = DefaultWeightOnlyQuantConfig(block_size=BLOCK, is_symmetric=True, op_types_to_quantize=("Gather",))
    others = [node.name for node in lookups if node is not largest]
    quantizer = MatMulNBitsQuantizer(model, nodes_to_exclude=others, algo_config=config)
    quantizer.process()
    onnx.save(quantizer.model.model, path)


def _quantized(
    folder: str | Path, out: str | Path, precision: str, quantize: Callable[[Path, Path], None], keep_float32=False
) -> Path:
    """Copy a folder and put into the copy what ``quantize`` makes of the model, which it may change."""
    folder, out = Path(folder), Path(out)
    facts = facts_of(folder)
    if facts["precision"] != "fp32":
        raise ModelError(f"{folder}: quantized already ({facts['precision']}); start from the folder of export.to_onnx")
    here, there = folder.resolve(), out.resolve()
    if here in there.parents or there in here.parents:
        raise RunError(f"{out}: one of {folder} and this would lie inside the other; put them side by side")
    with new_folder(out, NOTE) as unfinished, silent():
        shutil.copytree(folder, unfinished, dirs_exist_ok=True)
        quantize(unfinished / MODEL, unfinished / QUANTIZED)
        (unfinished / MODEL).unlink()
        if keep_float32:
            shutil.copy(folder / MODEL, unfinished / MODEL)
        seal(unfinished, NOTE, facts | {"precision": precision})
    return out
