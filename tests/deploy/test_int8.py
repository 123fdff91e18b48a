import json
import subprocess
import sys

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from tests import tiny
from tests.untrained import classifier, tagger
from tinykd.deploy import export, int8, runtime
from tinykd.deploy.int8 import dynamic_int8, weight_only_int8
from tinykd.errors import ModelError, RunError, SettingError
from tinykd.quantization import blockwise, finish

TEXTS = ["Mara Low won 2-1 in the U.S.", "Orkla's shares fell in Oslo.", "Nice " * 40, "Bonn", "No one came."] * 4


@pytest.fixture(scope="module")
def rounded(tokenizer):
    """A tagger whose weights lie on a grid of 8 bits."""
    return finish(tagger(tokenizer), bits=8)


@pytest.fixture(scope="module")
def exported(rounded, tokenizer, tmp_path_factory):
    return export.to_onnx(rounded, tokenizer, tmp_path_factory.mktemp("exported") / "fp32", max_length=32)


KINDS = {"dynamic": dynamic_int8, "weights": weight_only_int8}


@pytest.mark.parametrize("kind", KINDS)
def test_int8_is_a_quarter_and_agrees(kind, exported, tmp_path):
    out = KINDS[kind](exported, tmp_path / "int8")
    full, small = runtime.load(exported, threads=1), runtime.load(out, threads=1)
    assert small.path.name == "model_quantized.onnx"
    assert not (out / runtime.MODEL).exists()
    assert small.path.stat().st_size < 0.3 * full.path.stat().st_size
    pairs = list(zip(full.logits(TEXTS), small.logits(TEXTS), strict=True))
    agree = np.concatenate([mine.argmax(-1) == theirs.argmax(-1) for mine, theirs in pairs]).mean()
    assert agree > 0.9
    moved = any(not np.allclose(mine, theirs, atol=1e-4) for mine, theirs in pairs)
    assert moved == (kind != "weights")  # these weights lie on the grid already; activations are what moves


@pytest.mark.parametrize("kind", KINDS)
def test_embeddings_in_4_bits_are_those_that_were_rounded(kind, tokenizer, tmp_path):
    model = tagger(tokenizer)
    export.to_onnx(model, tokenizer, tmp_path / "exact", max_length=32)
    with torch.no_grad():
        matrix = model.get_input_embeddings().weight
        matrix.copy_(blockwise(matrix))
    export.to_onnx(model, tokenizer, tmp_path / "rounded", max_length=32)
    for name, bits in (("exact", 8), ("exact", 4), ("rounded", 4)):
        KINDS[kind](tmp_path / name, tmp_path / f"{name}-{bits}", embedding_bits=bits)
    large, small, same = (runtime.load(tmp_path / name) for name in ("exact-8", "exact-4", "rounded-4"))
    saved = large.path.stat().st_size - small.path.stat().st_size
    assert 0.9 < saved / (matrix.numel() * 3 / 8) < 1.1  # 8 bits become 4, and one more for a share of the scale
    for mine, theirs in zip(small.logits(TEXTS), same.logits(TEXTS), strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-4)
    with pytest.raises(SettingError, match="embedding_bits is 3"):
        KINDS[kind](tmp_path / "exact", tmp_path / "three", embedding_bits=3)


@pytest.mark.parametrize("task", ["tagging", "classification"])
def test_weights_alone_in_8_bits_predict_as_a_model_that_was_rounded_by_hand(task, tokenizer, tmp_path):
    """Alone or beside others: without rounded activations a prediction does not depend on its neighbours either."""
    model = tagger(tokenizer) if task == "tagging" else classifier(tokenizer, {"good": 0.5, "bad": 0.5})
    nn.init.normal_(model.classifier.weight)
    export.to_onnx(model, tokenizer, tmp_path / "exact", max_length=32)
    export.to_onnx(finish(model, bits=8), tokenizer, tmp_path / "by-hand", max_length=32)
    small = runtime.load(weight_only_int8(tmp_path / "exact", tmp_path / "int8"))
    exact, by_hand = runtime.load(tmp_path / "exact"), runtime.load(tmp_path / "by-hand")
    assert small.path.stat().st_size < 0.3 * exact.path.stat().st_size
    alone = list(small.logits(TEXTS, batch_size=1))
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


@pytest.mark.parametrize("kind", KINDS)
def test_int8_reloads_to_equal_outputs_in_a_fresh_process(kind, exported, tmp_path):
    out = KINDS[kind](exported, tmp_path / "int8")
    here = list(runtime.load(out, threads=1).logits(TEXTS))
    script = """
import json, sys
import numpy as np
from tinykd.deploy import runtime
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


@pytest.mark.parametrize("kind", KINDS)
def test_quantizing_twice_is_refused(kind, exported, tmp_path):
    once = dynamic_int8(exported, tmp_path / "once", keep_float32=True)
    with pytest.raises(ModelError, match=r"once: quantized already \(int8-dynamic\); start from"):
        KINDS[kind](once, tmp_path / "twice")
    assert [path.name for path in tmp_path.iterdir()] == ["once"]


def test_a_damaged_or_foreign_folder_is_not_quantized(exported, tmp_path):
    broken = tiny.copy(exported, tmp_path / "broken")
    content = (broken / runtime.MODEL).read_bytes()
    (broken / runtime.MODEL).write_bytes(content[: len(content) // 2])
    (tmp_path / "empty").mkdir()
    for name, message in (
        ("broken", r"model\.onnx: missing, cut short or altered"),
        ("empty", "not an exported model"),
    ):
        with pytest.raises(ModelError, match=message):
            dynamic_int8(tmp_path / name, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_inside_the_other_is_refused_and_nothing_is_lost(exported, tmp_path):
    whole = tiny.copy(exported, tmp_path / "whole")
    inner = tiny.copy(exported, whole / "inner")
    before = sorted(tmp_path.rglob("*"))
    for folder, out in ((inner, whole), (whole, whole / "int8")):
        with pytest.raises(RunError, match="would lie inside the other"):
            dynamic_int8(folder, out)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_quantizer_that_fails_leaves_nothing(exported, tmp_path, monkeypatch):
    def fail(source, target, **_):
        target.write_bytes(b"half")
        raise RuntimeError("no")

    monkeypatch.setattr(int8, "quantize_dynamic", fail)
    with pytest.raises(RuntimeError):
        dynamic_int8(exported, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
