import copy

import pytest
import torch
from torch import nn

from tests import tiny
from tinykd import adapters, data, models, samples, training
from tinykd.errors import ModelError, SettingError
from tinykd.pruning import mask_gradients, sparsify, sparsity


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    return models.teacher(str(tiny.base_model(tmp_path_factory.mktemp("sparsity") / "base")), tiny.LABELS)


def matrices(model):
    return [module.weight for module in model.bert.encoder.modules() if isinstance(module, nn.Linear)]


@pytest.mark.parametrize("amount", [0.0, 0.3, 0.9])
def test_the_smallest_weights_of_all_matrices_are_zero_and_the_rest_untouched(parts, amount):
    model, _ = parts
    sparse = sparsify(model, amount)
    assert sparsity(model) == 0
    assert sparsity(sparse) == pytest.approx(amount, abs=1e-3)
    before, after = (torch.cat([weight.flatten() for weight in matrices(m)]) for m in (model, sparse))
    assert torch.equal(after[after != 0], before[after != 0])
    if amount:
        assert before[after == 0].abs().max() <= after[after != 0].abs().min()
    assert sparse.state_dict().keys() == model.state_dict().keys()
    assert torch.equal(sparse.classifier.weight, model.classifier.weight)


def test_it_saves_nothing_by_itself(parts, tmp_path):
    model, tokenizer = parts
    models.save(model, tokenizer, tmp_path / "whole")
    models.save(sparsify(model, 0.9), tokenizer, tmp_path / "sparse")
    sizes = [(tmp_path / name / "model.safetensors").stat().st_size for name in ("whole", "sparse")]
    assert sizes[0] == sizes[1]
    assert sparsity(models.load(tmp_path / "sparse")[0]) == pytest.approx(0.9, abs=1e-3)


@pytest.mark.parametrize("held", [True, False])
def test_distilling_keeps_the_zeros_that_are_held(parts, tmp_path, held):
    model, tokenizer = parts
    corpus = data.load(str(tiny.corpus(tmp_path / "corpus")))
    train = samples.with_teacher(corpus["train"], model, tokenizer, tmp_path / "store")
    models.save(sparsify(model, 0.5), tokenizer, tmp_path / "sparse")
    student, _ = models.load(tmp_path / "sparse")
    before = copy.deepcopy(student)
    if held:
        student = mask_gradients(student)
    settings = training.Settings(epochs=1, batch_size=16, alpha=1.0)
    training.distill(student, tokenizer, train, tmp_path / "out", settings)
    after = sparsity(models.load(tmp_path / "out")[0])
    assert after == sparsity(before) if held else after < 0.1
    assert not torch.equal(matrices(before)[0], matrices(student)[0])


def test_it_is_the_same_model_after_saving(parts, tmp_path):
    model, tokenizer = parts
    sparse = sparsify(model, 0.5)
    models.save(sparse, tokenizer, tmp_path / "sparse")
    again, _ = models.load(tmp_path / "sparse")
    assert models.weights_digest(again) == models.weights_digest(sparse)
    assert [name for name, _ in sparse.named_parameters()] == [name for name, _ in model.named_parameters()]


def test_a_frozen_model_can_be_sparse_and_an_adapted_one_cannot(parts):
    model, _ = parts
    assert sparsity(sparsify(copy.deepcopy(model).requires_grad_(False), 0.5)) == pytest.approx(0.5, abs=1e-3)
    for function in (lambda one: sparsify(one, 0.5), mask_gradients, sparsity):
        with pytest.raises(ModelError, match="adapted, by lora; merge it first"):
            function(adapters.adapt(model))


def test_bad_input_is_one_clear_error(parts):
    model, _ = parts
    for amount in (-0.1, 1.0, float("nan"), "2:4", None):
        with pytest.raises(SettingError, match=r"expected a share of zeros in \[0, 1\)$"):
            sparsify(model, amount)
