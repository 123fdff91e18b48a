import copy

import numpy as np
import pytest
import torch
from torch import nn

from tests import tiny
from tests.untrained import tagger
from tinykd import adapters, data, models, samples, training
from tinykd.deploy import export
from tinykd.errors import ModelError, SettingError
from tinykd.quantization import finish, prepare


def batch(tokenizer):
    return tokenizer(["Mara Low won 2-1 in Nice.", "No."], padding=True, return_tensors="pt")


def test_finish_bakes_what_prepare_computes(tokenizer, tmp_path):
    model, inputs = tagger(tokenizer), batch(tokenizer)
    before = copy.deepcopy(model.state_dict())
    prepared = prepare(model, bits=4, activations=False)
    plain = finish(prepared)
    assert {type(module) for module in plain.modules() if "Rounded" in type(module).__name__} == set()
    assert [models.is_prepared(one) for one in (prepared, plain, model)] == [True, False, False]
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
    for wrong, error, message in (
        (lambda: prepare(model, 17), SettingError, "bits is 17; it must lie between 2 and 16"),
        (lambda: prepare(prepared), ModelError, "prepared for quantization already"),
        (lambda: prepare(adapters.adapt(model)), ModelError, "adapted, by lora; merge it first"),
        (lambda: adapters.adapt(prepared), ModelError, "prepared for quantization; adapt a plain one"),
        (lambda: finish(model), SettingError, "say how many bits"),
        (lambda: finish(prepared, 8), SettingError, "prepared with 4 bits, not 8"),
        (lambda: export.to_onnx(prepared, tokenizer, "nowhere"), ModelError, "finish it first"),
    ):
        with pytest.raises(error, match=message):
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
        pairs = zip(models.logits(model, tokenizer, rows), transfer["teacher_logits"], strict=True)
        return np.mean([np.square(mine - np.array(theirs, np.float32)).mean() for mine, theirs in pairs])

    before = prepare(student, bits=4)
    after = training.distill(before, tokenizer, transfer, tmp_path / "out", settings)
    assert models.is_prepared(after)
    again = training.distill(prepare(student, bits=4), tokenizer, transfer, tmp_path / "out", settings)
    assert models.is_prepared(again)  # only loaded, and still rounded
    assert all(torch.equal(a, b) for a, b in zip(again.parameters(), after.parameters(), strict=True))
    assert distance(after) < 0.9 * distance(prepare(student, bits=4))
    saved = models.load(tmp_path / "out")[0]
    for (name, mine), (same, theirs) in zip(saved.named_parameters(), after.named_parameters(), strict=True):
        assert name == same
        torch.testing.assert_close(mine, theirs, atol=0, rtol=0)
    for one, other in zip(finish(saved, 4).parameters(), finish(after).parameters(), strict=True):
        torch.testing.assert_close(one, other, atol=0, rtol=0)
