import copy
import itertools
import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from torch import nn

from tests import tiny
from tests.untrained import classifier, tagger
from tinykd import adapters, data, export, models, runtime, samples, training
from tinykd.errors import DataError, ModelError, RunError
from tinykd.inference import logits
from tinykd.quantization import (
    dynamic_int8,
    fake_quantize,
    finish,
    in_blocks,
    is_prepared,
    openvino_int8,
    prepare,
    scale_and_zero_point,
    static_int8,
    to_bfloat16,
    weight_only_int8,
)
from tinykd.quantization.rounding import BLOCK

matrices = arrays.arrays(
    np.float32,
    st.tuples(st.integers(1, 5), st.integers(1, 6)),
    elements=st.floats(-100, 100, width=32, allow_subnormal=False),
).map(torch.from_numpy)
grids = st.fixed_dictionaries(
    {"bits": st.integers(2, 9), "channel_dim": st.sampled_from([None, 0, 1, -1]), "symmetric": st.booleans()}
)


@given(matrices, grids)
def test_no_value_moves_over_half_a_scale(tensor, grid):
    scale, _ = scale_and_zero_point(tensor, **grid)
    moved = (fake_quantize(tensor, **grid) - tensor).abs()
    assert (moved <= scale / 2 + 1e-5 * tensor.abs().amax()).all()


@given(matrices, grids)
def test_values_on_the_grid_stay_and_zero_is_one_of_them(tensor, grid):
    scale, zero_point = scale_and_zero_point(tensor, **grid)
    once = fake_quantize(tensor, **grid)
    integers = once / scale + zero_point
    torch.testing.assert_close(integers, integers.round(), atol=1e-2, rtol=0)
    assert len(integers.round().unique()) <= 2 ** grid["bits"]
    assert (once[tensor == 0] == 0).all()
    if grid["symmetric"]:  # here the largest value is on the grid, so that the grid stays too
        torch.testing.assert_close(fake_quantize(once, **grid), once, atol=1e-4, rtol=1e-5)


@given(matrices, st.integers(2, 9), st.sampled_from([0, 1]))
def test_a_scale_for_each_channel_is_never_coarser(tensor, bits, channel_dim):
    apart, _ = scale_and_zero_point(tensor, bits, channel_dim)
    together, _ = scale_and_zero_point(tensor, bits)
    filled = tensor.abs().amax(1 - channel_dim, keepdim=True) > 1e-30
    assert apart.numel() == tensor.shape[channel_dim]
    assert (apart <= together)[filled].all()


def test_each_number_of_a_vector_can_have_a_scale_of_its_own():
    scale, zero_point = scale_and_zero_point(torch.tensor([1.27, -127.0, 0.0]), channel_dim=0)
    torch.testing.assert_close(scale, torch.tensor([0.01, 1.0, 1.0]))
    assert zero_point.tolist() == [0, 0, 0]
    assert scale_and_zero_point(torch.tensor(2.54))[0].item() == pytest.approx(0.02)


def test_scale_and_zero_point_by_hand():
    symmetric = scale_and_zero_point(torch.tensor([-2.54, 0.5]))
    assert [round(float(value), 6) for value in symmetric] == [0.02, 0]
    shifted = scale_and_zero_point(torch.tensor([-1.0, 0.5, 4.1]), symmetric=False)
    assert [round(float(value), 6) for value in shifted] == [0.02, 50]
    positive = scale_and_zero_point(torch.tensor([2.0, 5.1]), symmetric=False)  # stretched to take in 0
    assert [round(float(value), 6) for value in positive] == [0.02, 0]


def test_each_further_bit_halves_the_error():
    weights = torch.randn(64, 64, generator=torch.Generator().manual_seed(0))
    errors = [(fake_quantize(weights, bits) - weights).square().mean().sqrt().item() for bits in range(3, 11)]
    for more, fewer in itertools.pairwise(errors):
        assert 0.4 < fewer / more < 0.6
    apart = (fake_quantize(weights, 8, channel_dim=0) - weights).square().mean().sqrt().item()
    assert apart < errors[8 - 3]


def test_the_gradient_goes_straight_through():
    tensor = torch.randn(4, 5, requires_grad=True)
    weight = torch.randn(4, 5)
    (fake_quantize(tensor, 2, channel_dim=0) * weight).sum().backward()
    torch.testing.assert_close(tensor.grad, weight)


def test_bfloat16_is_rounded_in_float32():
    tensor = torch.linspace(-1, 3, 200)
    rounded = fake_quantize(tensor.bfloat16(), symmetric=False)
    assert rounded.dtype == torch.bfloat16
    assert (rounded.float() - tensor).abs().max() < 3 / 2**8 + 4 / 255


@given(arrays.arrays(np.float32, st.tuples(st.integers(1, 4), st.integers(1, 70)), elements=st.floats(-9, 9, width=32)))
def test_blocks_of_4_bits_are_those_of_the_runtime(table):
    from onnxruntime.quantization.matmul_nbits_quantizer import DefaultWeightOnlyQuantizer as Runtime

    found = in_blocks(torch.tensor(table)).numpy()
    for start in range(0, table.shape[1], BLOCK):
        block = table[:, start : start + BLOCK]
        largest = np.abs(block).max(1, keepdims=True)
        assert (np.abs(found[:, start : start + BLOCK] - block) <= largest / 8 * (1 + 1e-5)).all()
        # of two numbers as large, one above and one below zero, the runtime takes the lower for its scale, we the first
        if not np.isin(-largest, block[block != 0]).any() or not np.isin(largest, block[block != 0]).any():
            integers, scale = Runtime.quant_slice_symmetric(block)
            np.testing.assert_allclose(found[:, start : start + BLOCK], integers * scale, rtol=1e-5, atol=1e-30)


@given(
    arrays.arrays(np.float32, (3, 40), elements=st.floats(-9, 9, width=32).filter(lambda x: x == 0 or abs(x) > 1e-6))
)
def test_what_4_bits_hold_stays(table):
    once = in_blocks(torch.tensor(table))
    torch.testing.assert_close(in_blocks(once), once, rtol=1e-6, atol=0)


@pytest.mark.parametrize("bits", [1, 17, 8.5])
def test_impossible_bits_are_refused(bits, tokenizer):
    with pytest.raises(ValueError, match=f"bits is {bits}; it must lie between 2 and 16"):
        fake_quantize(torch.ones(2), bits)
    with pytest.raises(ValueError, match="between 2 and 16"):
        prepare(tagger(tokenizer), bits)


def test_what_has_no_grid_is_refused():
    with pytest.raises(ValueError, match=r"int32 is not of floating point"):
        fake_quantize(torch.ones(2, dtype=torch.int32))
    for channel_dim in (2, 5, -3):
        with pytest.raises(ValueError, match=f"channel_dim is {channel_dim}; the tensor has 2 dimensions"):
            scale_and_zero_point(torch.ones(3, 4), channel_dim=channel_dim)
    assert scale_and_zero_point(torch.ones(3, 4).bfloat16())[0].dtype == torch.float32


def batch(tokenizer):
    return tokenizer(["Mara Low won 2-1 in Nice.", "No."], padding=True, return_tensors="pt")


def test_finish_bakes_what_prepare_computes(tokenizer, tmp_path):
    model, inputs = tagger(tokenizer), batch(tokenizer)
    before = copy.deepcopy(model.state_dict())
    prepared = prepare(model, bits=4, activations=False)
    plain = finish(prepared)
    assert {type(module) for module in plain.modules() if "Rounded" in type(module).__name__} == set()
    assert is_prepared(prepared) and not is_prepared(plain) and not is_prepared(model)
    with torch.inference_mode():
        exact, aware, baked = (m(**inputs).logits for m in (model, prepared, plain))
    torch.testing.assert_close(aware, baked)
    assert (exact - baked).abs().max() > 0.1
    for name, tensor in model.state_dict().items():
        torch.testing.assert_close(tensor, before[name], atol=0, rtol=0)
    for layer in plain.modules():
        if isinstance(layer, nn.Linear):
            assert all(len(row.unique()) < 2**4 for row in layer.weight)
    models.save(plain, tokenizer, tmp_path / "model")
    again = models.load(tmp_path / "model")[0]
    with torch.inference_mode():
        torch.testing.assert_close(again(**inputs).logits, baked, atol=0, rtol=0)


def test_activations_are_rounded_too(tokenizer):
    model, inputs = tagger(tokenizer), batch(tokenizer)
    with torch.inference_mode():
        weights, both = (prepare(model, 8, on)(**inputs).logits for on in (False, True))
    assert not torch.allclose(weights, both, atol=1e-6)


def test_what_cannot_be_prepared_or_finished_is_refused(tokenizer):
    model = tagger(tokenizer)
    prepared = prepare(model, 4)
    for wrong, message in (
        (lambda: prepare(prepared), "prepared for quantization already"),
        (lambda: prepare(nn.LayerNorm(2)), "no linear layer and no embedding"),
        (lambda: prepare(adapters.adapt(model)), "adapted, by lora; merge it first"),
        (lambda: adapters.adapt(prepared), "prepared for quantization; adapt a plain one"),
        (lambda: finish(model), "say how many bits"),
        (lambda: finish(prepared, 8), "prepared with 4 bits, not 8"),
        (lambda: export.to_onnx(prepared, tokenizer, "nowhere"), "finish it first"),
    ):
        with pytest.raises(ModelError, match=message):
            wrong()


def test_distillation_with_rounded_weights(tmp_path):
    """A prepared student trains, saves plain exact weights, and its rounded form has learned."""
    base = str(tiny.base_model(tmp_path / "base"))
    rows = data.load(str(tiny.corpus(tmp_path / "corpus")))["train"]
    teacher, tokenizer = models.teacher(base, tiny.LABELS, seed=7)
    student = models.teacher(base, tiny.LABELS, seed=1)[0]
    transfer = samples.with_teacher(rows, teacher, tokenizer, tmp_path / "signals")
    settings = training.Settings(epochs=3, learning_rate=3e-3, batch_size=8, alpha=0.0)

    def distance(model):
        pairs = zip(logits(model, tokenizer, rows), transfer["teacher_logits"], strict=True)
        return np.mean([np.square(mine - np.array(theirs, np.float32)).mean() for mine, theirs in pairs])

    before = prepare(student, bits=4)
    after = training.distill(before, tokenizer, transfer, tmp_path / "out", settings, progress=False)
    assert is_prepared(after)
    again = training.distill(prepare(student, bits=4), tokenizer, transfer, tmp_path / "out", settings, progress=False)
    assert is_prepared(again)  # only loaded, and still rounded
    assert all(torch.equal(a, b) for a, b in zip(again.parameters(), after.parameters(), strict=True))
    assert distance(after) < 0.9 * distance(prepare(student, bits=4))
    saved = models.load(tmp_path / "out")[0]
    for (name, mine), (same, theirs) in zip(saved.named_parameters(), after.named_parameters(), strict=True):
        assert name == same
        torch.testing.assert_close(mine, theirs, atol=0, rtol=0)
    for one, other in zip(finish(saved, 4).parameters(), finish(after).parameters(), strict=True):
        torch.testing.assert_close(one, other, atol=0, rtol=0)


def test_bfloat16_halves_the_bytes_and_reloads(tokenizer, tmp_path):
    model, inputs = tagger(tokenizer), batch(tokenizer)
    half = to_bfloat16(model)
    models.save(model, tokenizer, tmp_path / "full")
    models.save(half, tokenizer, tmp_path / "half")
    sizes = [(tmp_path / name / "model.safetensors").stat().st_size for name in ("full", "half")]
    assert 0.49 < sizes[1] / sizes[0] < 0.51
    again = models.load(tmp_path / "half")[0]
    assert again.dtype == torch.bfloat16
    with torch.inference_mode():
        torch.testing.assert_close(again(**inputs).logits, half(**inputs).logits, atol=0, rtol=0)


TEXTS = ["Mara Low won 2-1 in the U.S.", "Orkla's shares fell in Oslo.", "Nice " * 40, "Bonn", "No one came."] * 4


@pytest.fixture(scope="module")
def rounded(tokenizer):
    """A tagger whose weights lie on a grid of 8 bits."""
    return finish(tagger(tokenizer), bits=8)


@pytest.fixture(scope="module")
def exported(rounded, tokenizer, tmp_path_factory):
    return export.to_onnx(rounded, tokenizer, tmp_path_factory.mktemp("exported") / "fp32", max_length=32)


def quantize(kind, folder, out, **options):
    if kind in (known := {"dynamic": dynamic_int8, "weights": weight_only_int8}):
        return known[kind](folder, out, **options)
    return static_int8(folder, out, TEXTS, **options)


@pytest.mark.parametrize("kind", ["dynamic", "static", "weights"])
def test_int8_is_a_quarter_and_agrees(kind, exported, tmp_path):
    out = quantize(kind, exported, tmp_path / "int8")
    full, small = runtime.load(exported, threads=1), runtime.load(out, threads=1)
    assert small.path.name == "model_quantized.onnx"
    assert not (out / runtime.MODEL).exists()
    assert small.path.stat().st_size < 0.3 * full.path.stat().st_size
    pairs = list(zip(full.logits(TEXTS), small.logits(TEXTS), strict=True))
    agree = np.concatenate([mine.argmax(-1) == theirs.argmax(-1) for mine, theirs in pairs]).mean()
    assert agree > 0.9
    moved = any(not np.allclose(mine, theirs, atol=1e-4) for mine, theirs in pairs)
    assert moved == (kind != "weights")  # these weights lie on the grid already; activations are what moves


@pytest.mark.parametrize("kind", ["dynamic", "weights"])
def test_a_table_in_4_bits_is_the_table_that_was_rounded(kind, tokenizer, tmp_path):
    model = tagger(tokenizer)
    export.to_onnx(model, tokenizer, tmp_path / "exact", max_length=32)
    with torch.no_grad():
        table = model.get_input_embeddings().weight
        table.copy_(in_blocks(table))
    export.to_onnx(model, tokenizer, tmp_path / "rounded", max_length=32)
    for name, bits in (("exact", 8), ("exact", 4), ("rounded", 4)):
        quantize(kind, tmp_path / name, tmp_path / f"{name}-{bits}", table_bits=bits)
    large, small, same = (runtime.load(tmp_path / name) for name in ("exact-8", "exact-4", "rounded-4"))
    saved = large.path.stat().st_size - small.path.stat().st_size
    assert 0.9 < saved / (table.numel() * 3 / 8) < 1.1  # 8 bits become 4, and one more for a share of the scale
    for mine, theirs in zip(small.logits(TEXTS), same.logits(TEXTS), strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-4)
    with pytest.raises(ValueError, match="table_bits is 3"):
        quantize(kind, tmp_path / "exact", tmp_path / "three", table_bits=3)


@pytest.mark.parametrize("task", ["tagging", "classification"])
def test_weights_alone_in_8_bits_answer_as_a_model_that_was_rounded_by_hand(task, tokenizer, tmp_path):
    """Alone or beside others: without rounded activations an answer does not depend on its neighbours either."""
    model = tagger(tokenizer) if task == "tagging" else classifier(tokenizer, {"good": 0.5, "bad": 0.5})
    nn.init.normal_(model.classifier.weight)
    export.to_onnx(model, tokenizer, tmp_path / "exact", max_length=32)
    export.to_onnx(finish(model, bits=8), tokenizer, tmp_path / "by-hand", max_length=32)
    small = runtime.load(weight_only_int8(tmp_path / "exact", tmp_path / "int8"))
    exact, by_hand = runtime.load(tmp_path / "exact"), runtime.load(tmp_path / "by-hand")
    assert small.path.stat().st_size < 0.3 * exact.path.stat().st_size
    alone = small.logits(TEXTS, batch_size=1)
    for mine, other, wanted in zip(alone, small.logits(TEXTS), by_hand.logits(TEXTS), strict=True):
        np.testing.assert_allclose(mine, wanted, atol=1e-5)
        np.testing.assert_allclose(other, wanted, atol=1e-5)
    assert any(np.abs(mine - far).max() > 1e-4 for mine, far in zip(alone, exact.logits(TEXTS), strict=True))


def test_a_folder_for_a_browser_holds_both(exported, tmp_path):
    out = tiny.copy(exported, tmp_path / "web")
    assert dynamic_int8(out, out, keep_float32=True) == out
    names = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    wanted = {"config.json", "tokenizer.json", "tokenizer_config.json", runtime.MODEL, runtime.QUANTIZED}
    assert names == wanted | {"export.json"}
    assert runtime.load(out).path == runtime.load(out, quantized=True).path == out / runtime.QUANTIZED
    assert runtime.load(out, quantized=False).path == out / runtime.MODEL


@pytest.mark.parametrize("kind", ["dynamic", "static", "weights"])
def test_int8_reloads_to_equal_outputs_in_a_fresh_process(kind, exported, tmp_path):
    out = quantize(kind, exported, tmp_path / "int8")
    here = runtime.load(out, threads=1).logits(TEXTS)
    script = """
import json, sys
import numpy as np
from tinykd import runtime
np.savez(sys.argv[2], *runtime.load(sys.argv[1], threads=1).logits(json.loads(sys.argv[3])))
"""
    there = tmp_path / "there.npz"
    subprocess.run([sys.executable, "-c", script, str(out), str(there), json.dumps(TEXTS)], check=True)
    with np.load(there) as found:
        assert len(found.files) == len(here) == len(TEXTS)
        for i, row in enumerate(here):
            np.testing.assert_array_equal(found[f"arr_{i}"], row)


def test_rounded_weights_reach_int8_unchanged(rounded, exported, tmp_path):
    """ONNX Runtime's 8-bit grid is that of ``finish``: nothing that distillation has learned is rounded again."""
    import onnx

    graph = onnx.load(dynamic_int8(exported, tmp_path / "int8", reduce_range=False) / runtime.QUANTIZED).graph
    stored = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    found = []
    for name, integers in stored.items():
        if name.endswith("_quantized"):
            scale, zero_point = (stored[name.removesuffix("quantized") + kind] for kind in ("scale", "zero_point"))
            assert integers.dtype.itemsize == 1
            values = (integers - zero_point.astype(np.float32)) * scale
            found += np.split(values, 3, axis=1) if "softmax" in name else [values]  # stored as one matrix
    weights = [layer.weight.detach().numpy() for layer in rounded.modules() if isinstance(layer, nn.Linear)]
    tables = [layer.weight.detach().numpy() for layer in rounded.modules() if isinstance(layer, nn.Embedding)]
    for wanted in [weight.T for weight in weights] + tables:
        alike = [values for values in found if values.shape == wanted.shape]
        assert any(np.allclose(values, wanted, rtol=1e-5, atol=1e-6) for values in alike)


@pytest.mark.parametrize("kind", ["dynamic", "static", "weights"])
def test_quantizing_twice_is_refused(kind, exported, tmp_path):
    once = dynamic_int8(exported, tmp_path / "once", keep_float32=True)
    with pytest.raises(ModelError, match=r"once: quantized already \(int8-dynamic\); start from"):
        quantize(kind, once, tmp_path / "twice")
    assert [path.name for path in tmp_path.iterdir()] == ["once"]


def test_a_damaged_or_foreign_folder_is_not_quantized(exported, tmp_path):
    broken = tiny.copy(exported, tmp_path / "broken")
    content = (broken / runtime.MODEL).read_bytes()
    (broken / runtime.MODEL).write_bytes(content[: len(content) // 2])
    (tmp_path / "empty").mkdir()
    for name, message in (("broken", "model.onnx: cut short"), ("empty", "not an exported model")):
        with pytest.raises(ModelError, match=message):
            dynamic_int8(tmp_path / name, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_export_that_does_not_say_its_precision_is_not_quantized(exported, tmp_path):
    folder = tiny.copy(exported, tmp_path / "silent")
    facts = json.loads((folder / "export.json").read_text(encoding="utf-8"))
    del facts["precision"]
    (folder / "export.json").write_text(json.dumps(facts), encoding="utf-8")
    with pytest.raises(ModelError, match="says nothing of its precision"):
        dynamic_int8(folder, tmp_path / "out")


def test_a_folder_inside_the_other_is_refused_and_nothing_is_lost(exported, tmp_path):
    whole = tiny.copy(exported, tmp_path / "whole")
    inner = tiny.copy(exported, whole / "inner")
    before = sorted(tmp_path.rglob("*"))
    for folder, out in ((inner, whole), (whole, whole / "int8")):
        with pytest.raises(RunError, match="would lie inside the other"):
            dynamic_int8(folder, out)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_quantizer_that_fails_leaves_nothing(exported, tmp_path, monkeypatch):
    import onnxruntime.quantization

    def fail(source, target, **_):
        target.write_bytes(b"half")
        raise RuntimeError("no")

    monkeypatch.setattr(onnxruntime.quantization, "quantize_dynamic", fail)
    with pytest.raises(RuntimeError):
        dynamic_int8(exported, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_static_needs_texts(exported, tmp_path):
    with pytest.raises(DataError, match="it got none"):
        static_int8(exported, tmp_path / "out", [])


def test_openvino(exported, tmp_path):
    try:
        import nncf  # noqa: F401
        import openvino  # noqa: F401
    except ImportError:
        with pytest.raises(ModelError, match="OpenVINO is an extra; run: pip install"):
            openvino_int8(exported, tmp_path / "out", TEXTS)
        return
    out = openvino_int8(exported, tmp_path / "out", TEXTS)
    full, small = (runtime.load(folder, threads=1).logits(TEXTS) for folder in (exported, out))
    pairs = zip(full, small, strict=True)
    agree = np.concatenate([mine.argmax(-1) == theirs.argmax(-1) for mine, theirs in pairs]).mean()
    assert agree > 0.9
