"""The real int8 of an exported model: smaller files, integer matrix products. Taught in lesson 08.

Each function reads a folder of ``export.to_onnx`` and writes another, for :func:`tinykd.runtime.load`. Time a precision
in a process of its own: the runtimes keep threads and buffers.
"""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from tinykd import manifest
from tinykd.errors import DataError, ModelError, RunError
from tinykd.files import new_folder
from tinykd.quantization.rounding import BLOCK
from tinykd.runtime import MODEL, OPENVINO, QUANTIZED, load


def dynamic_int8(
    folder: str | Path, out: str | Path, reduce_range: bool = True, keep_float32: bool = False, table_bits: int = 8
) -> Path:
    """Quantize the weights, embeddings too; the range of each activation is found anew while the model runs.

    Each attention becomes one operation of ONNX Runtime first (:mod:`tinykd.quantization.attention`).

    Args:
        folder: made by ``export.to_onnx``.
        out: the new folder; ``folder`` itself with ``keep_float32`` gives a browser both files.
        reduce_range: 7 bits for the matrices (embeddings keep 8). Without it, processors that have AVX2 or AVX-512 but
            no VNNI add two products in 16 bits, and large sums are cut off.
        keep_float32: leave ``onnx/model.onnx`` beside ``onnx/model_quantized.onnx``.
        table_bits: 4 stores the table of word pieces as :func:`tinykd.quantization.in_blocks` rounds it.

    Raises:
        ModelError: a folder that is quantized already, damaged, or not an export.
        RunError: the disk is full, the place cannot be written, or one folder would lie inside the other.
        ValueError: ``table_bits`` is neither 8 nor 4.
    """
    _check_bits(table_bits)

    def quantize(source: Path, target: Path) -> None:
        from onnxruntime.quantization import QuantType, quantize_dynamic

        from tinykd.quantization.attention import fuse_attention

        fused = shutil.copy(source, target.with_name("fused.onnx"))
        fuse_attention(fused)
        if table_bits == 4:
            _table_in_4_bits(fused)
        # A scale for each output halves the error at the same speed; unsigned weights are slower.
        quantize_dynamic(fused, target, weight_type=QuantType.QInt8, per_channel=True, reduce_range=reduce_range)
        fused.unlink()

    return _quantized(folder, out, "int8-dynamic", QUANTIZED, quantize, keep_float32)


def weight_only_int8(folder: str | Path, out: str | Path, keep_float32: bool = False, table_bits: int = 8) -> Path:
    """Store the matrices in 8 bits, and let them multiply in float32: the file is as small, nothing is faster.

    The graph turns a matrix back itself, its integers times the scale of their column; ONNX Runtime does so once, when
    it opens the file; so it takes as much memory as in float32. No activation is rounded: nothing can fall to one
    integer on one processor and to its neighbour on another, and the answers are as equal as float32's.

    Args, errors: as for :func:`dynamic_int8`.
    """
    _check_bits(table_bits)

    def quantize(source: Path, target: Path) -> None:
        from onnxruntime.quantization import QuantType, quantize_dynamic

        from tinykd.quantization.matrices import round_matrices

        copied = shutil.copy(source, target.with_name("copied.onnx"))
        if table_bits == 4:
            _table_in_4_bits(copied)
        quantize_dynamic(copied, target, op_types_to_quantize=["Gather"], weight_type=QuantType.QInt8)
        copied.unlink()
        round_matrices(target)

    return _quantized(folder, out, "int8-weights", QUANTIZED, quantize, keep_float32)


def _check_bits(table_bits: int) -> None:
    if table_bits not in (8, 4):
        raise ValueError(f"table_bits is {table_bits}; it must be 8 or 4")


def _table_in_4_bits(path: Path) -> None:
    """Let ONNX Runtime store the largest table that the graph looks rows up in as 4 bits, in place."""
    import onnx
    from onnxruntime.quantization.matmul_nbits_quantizer import DefaultWeightOnlyQuantConfig, MatMulNBitsQuantizer

    model = onnx.load(path)
    rows = {weight.name: weight.dims[0] for weight in model.graph.initializer if len(weight.dims) == 2}
    lookups = [node for node in model.graph.node if node.op_type == "Gather"]
    table = max(lookups, key=lambda node: rows.get(node.input[0], 0))
    config = DefaultWeightOnlyQuantConfig(block_size=BLOCK, is_symmetric=True, op_types_to_quantize=("Gather",))
    others = [node.name for node in lookups if node is not table]
    quantizer = MatMulNBitsQuantizer(model, nodes_to_exclude=others, algo_config=config)
    quantizer.process()
    onnx.save(quantizer.model.model, path)


def static_int8(
    folder: str | Path,
    out: str | Path,
    calibration: Sequence[str] | Sequence[list[str]],
    reduce_range: bool = True,
    keep_float32: bool = False,
) -> Path:
    """Quantize weights and activations; the range of each activation is the widest seen on ``calibration``.

    Nothing is measured while it runs, but a range that one rare value has stretched stays so: look at the scores.

    Args:
        calibration: a hundred texts or so of the kind to come (lists of words for tagging), of training data.
        folder, out, reduce_range, keep_float32: as for :func:`dynamic_int8`.

    Raises:
        DataError: nothing to calibrate with.
        ModelError, RunError: as for :func:`dynamic_int8`.
    """
    feeds = _feeds(folder, calibration)

    def quantize(source: Path, target: Path) -> None:
        from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_dynamic, quantize_static

        class Reader(CalibrationDataReader):
            def __init__(self):
                self.rest = iter(feeds)

            def get_next(self):
                return next(self.rest, None)

        # The embeddings apart, as in dynamic_int8: the call below would round them more coarsely.
        embedded = target.with_name("embedded.onnx")
        quantize_dynamic(source, embedded, op_types_to_quantize=["Gather"])
        quantize_static(
            embedded,
            target,
            Reader(),
            op_types_to_quantize=["MatMul"],
            per_channel=True,
            reduce_range=reduce_range,
            activation_type=QuantType.QUInt8,  # the default, signed times signed, has no fast product on a PC
            weight_type=QuantType.QInt8,
            extra_options={
                "MatMulConstBOnly": True,  # not the products of two activations inside the attention
                "OpTypesToExcludeOutputQuantization": ["MatMul"],  # only what enters a product is rounded
            },
        )
        embedded.unlink()

    return _quantized(folder, out, "int8-static", QUANTIZED, quantize, keep_float32)


def openvino_int8(
    folder: str | Path,
    out: str | Path,
    calibration: Sequence[str] | Sequence[list[str]],
    keep_float32: bool = False,
) -> Path:
    """Quantize statically with NNCF, for OpenVINO, Intel's own runtime: ``openvino/model_quantized.xml`` and ``.bin``.

    Args, errors: as for :func:`static_int8`; also ModelError where OpenVINO or NNCF is not installed.
    """
    try:
        import nncf
        import openvino
    except ImportError:
        raise ModelError('OpenVINO is an extra; run: pip install "tinykd[openvino]"') from None
    feeds = _feeds(folder, calibration)

    def quantize(source: Path, target: Path) -> None:
        target.parent.mkdir(exist_ok=True)
        model = openvino.Core().read_model(source)  # convert_model would cut the path at a comma
        data = nncf.Dataset(feeds)
        quantized = nncf.quantize(model, data, subset_size=len(feeds), model_type=nncf.ModelType.TRANSFORMER)
        openvino.save_model(quantized, target)

    return _quantized(folder, out, "int8-openvino", OPENVINO, quantize, keep_float32)


def _feeds(folder: str | Path, calibration: Sequence) -> list[dict]:
    if not len(calibration):
        raise DataError("static quantization needs texts to calibrate with; it got none")
    _float32(Path(folder))
    return [feeds for feeds, _ in load(folder, quantized=False).batches(list(calibration), batch_size=8)]


def _float32(folder: Path) -> dict:
    facts = manifest.read(folder)
    if (there := facts.get("precision")) != "fp32":
        said = f"quantized already ({there})" if there else f"{manifest.NAME} says nothing of its precision"
        raise ModelError(f"{folder}: {said}; start from the folder of export.to_onnx")
    return facts


def _quantized(
    folder: str | Path,
    out: str | Path,
    precision: str,
    name: str,
    quantize: Callable[[Path, Path], None],
    keep_float32: bool,
) -> Path:
    from tinykd.export import silent

    folder, out = Path(folder), Path(out)
    facts = _float32(folder)
    here, there = folder.resolve(), out.resolve()
    if here in there.parents or there in here.parents:
        raise RunError(f"{out}: one of {folder} and this would lie inside the other; put them side by side")
    with new_folder(out, manifest.NAME) as unfinished, silent():
        shutil.copytree(folder, unfinished, dirs_exist_ok=True)
        quantize(unfinished / MODEL, unfinished / name)
        if not keep_float32:
            (unfinished / MODEL).unlink()
            if name == OPENVINO:
                (unfinished / MODEL).parent.rmdir()
        manifest.seal(unfinished, facts | {"precision": precision})
    return out
