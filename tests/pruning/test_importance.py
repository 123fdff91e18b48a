import copy

import numpy as np
import pytest
import torch
from datasets import ClassLabel, Dataset
from torch import nn

from tests import tiny
from tinykd import data, losses, models, pruning, samples
from tinykd.errors import DataError, ModelError, SettingError
from tinykd.models.students import cut
from tinykd.pruning import measures


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("importance")
    valid = data.load(str(tiny.corpus(folder / "corpus")))["valid"].select(range(6))
    teacher, tokenizer = models.teacher(str(tiny.base_model(folder / "teacher", seed=1)), tiny.LABELS, seed=1)
    model, _ = models.teacher(str(tiny.base_model(folder / "model")), tiny.LABELS)
    for network in (teacher, model):  # untrained weights are so small that nothing would matter
        with torch.no_grad():
            for matrix in network.bert.encoder.parameters():
                matrix.mul_(4 if matrix.dim() == 2 else 1)
            network.classifier.weight.mul_(20)
    return model, tokenizer, samples.with_teacher(valid, teacher, tokenizer, folder / "store")


def loss(model, tokenizer, dataset, measure):
    """The mean loss per word, from other parts of the package."""
    logits = torch.from_numpy(np.concatenate(models.logits(model, tokenizer, dataset)))
    labels = torch.tensor([label for row in dataset["labels"] for label in row])
    if measure == "gradient":
        return losses.cross_entropy(logits, labels).item()
    teacher = torch.tensor(np.concatenate(dataset.with_format("numpy")["teacher_logits"][:]))
    return losses.soft_target_loss(logits, teacher, labels).item()


class Scaled:
    """A model whose head or neuron is multiplied by a factor, through its outgoing weights."""

    def __init__(self, model, name, layer, number, factor):
        layer = model.bert.encoder.layer[layer]
        out = layer.attention.output.dense if name == "heads" else layer.output.dense
        size = layer.attention.self.attention_head_size if name == "heads" else 1
        self.columns, self.factor = out.weight.data[:, number * size : (number + 1) * size], factor

    def __enter__(self):
        self.before = self.columns.clone()
        self.columns.mul_(self.factor)

    def __exit__(self, *error):
        self.columns.copy_(self.before)


EVERY = {"heads": 1, "neurons": 5}  # enough of them to compare


def some(measured, name):
    return np.concatenate([layer.numpy()[:: EVERY[name]] for layer in getattr(measured, name)])


def rises(parts, measure, name, factor):
    """The loss with each of some parts scaled, minus the loss without."""
    model, tokenizer, valid = parts
    whole, found = loss(model, tokenizer, valid, measure), []
    for layer, counts in enumerate(pruning.shape_of(model)):
        for number in range(0, counts[name == "neurons"], EVERY[name]):
            with Scaled(model, name, layer, number, factor):
                found.append(loss(model, tokenizer, valid, measure) - whole)
    return np.array(found)


@pytest.mark.parametrize("name", ["heads", "neurons"])
def test_the_gradient_measure_is_the_finite_difference_of_the_loss(parts, name):
    model, tokenizer, valid = parts
    one = valid.select([0])  # of one sentence the bars stand outside the only sum
    measured = some(pruning.importance(model, tokenizer, one, "gradient"), name)
    up, down = (rises((model, tokenizer, one), "gradient", name, factor) for factor in (1.02, 0.98))
    np.testing.assert_allclose(measured, abs(up - down) / 0.04, rtol=0.02, atol=2e-4)


def test_of_many_sentences_the_gradient_measure_is_the_mean_weighted_by_words(parts, monkeypatch):
    model, tokenizer, valid = parts
    words = np.array([len(row) for row in valid["tokens"]])
    each = [pruning.importance(model, tokenizer, valid.select([i]), "gradient").heads[1] for i in range(len(valid))]
    mean = sum(n * one for n, one in zip(words, each, strict=True)) / words.sum()
    for batch_size in (4, 32):
        monkeypatch.setattr(measures, "BATCH", batch_size)
        together = pruning.importance(model, tokenizer, valid, "gradient").heads[1]
        torch.testing.assert_close(together, mean, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ["heads", "neurons"])
def test_the_distillation_measure_is_the_mean_square_of_a_finite_difference(parts, name):
    model, tokenizer, valid = parts
    row = valid.with_format(None)[0]
    row = {column: value[:1] for column, value in row.items()}  # one word, so that no two draws meet in a square
    many = Dataset.from_list([row] * 600, features=valid.features)
    measured = some(pruning.importance(model, tokenizer, many, "distillation"), name)
    teacher, expected = torch.tensor(row["teacher_logits"]).softmax(-1), []

    def log_q():
        return torch.from_numpy(models.logits(model, tokenizer, many.select([0]))[0]).log_softmax(-1)

    for layer, counts in enumerate(pruning.shape_of(model)):
        for number in range(0, counts[name == "neurons"], EVERY[name]):
            with Scaled(model, name, layer, number, 1.02):
                up = log_q()
            with Scaled(model, name, layer, number, 0.98):
                slope = (up - log_q()) / 0.04
            expected.append(float((teacher * slope**2).sum()) / 2)
    np.testing.assert_allclose(measured, expected, rtol=0.25, atol=1e-4)


def test_a_teacher_that_prunes_itself_has_no_gradient_but_a_curvature(parts, tmp_path):
    model, tokenizer, valid = parts
    own = samples.with_teacher(valid.remove_columns("teacher_logits"), model, tokenizer, tmp_path / "store")
    measured = some(pruning.importance(model, tokenizer, own, "distillation"), "neurons")
    exact = rises((model, tokenizer, own), "distillation", "neurons", 0.0)
    assert measured.min() >= -1e-4 and exact.min() >= -1e-4
    assert np.corrcoef(measured, exact)[0, 1] > 0.7


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_drawn_labels_have_the_curvature_of_the_distillation_loss(temperature):
    student = torch.tensor([1.0, -0.5, 2.0])
    hessian = torch.autograd.functional.hessian(
        lambda z: temperature**2 * losses.kl_divergence(z, student, temperature), student
    )
    many = student.repeat(20_000, 1).requires_grad_()
    drawn = measures.loss_of_drawn_labels(many, many.detach(), temperature, torch.Generator().manual_seed(0))
    (scores,) = torch.autograd.grad(drawn, many)
    torch.testing.assert_close(scores.T @ scores / len(many), hessian, rtol=0, atol=0.01)


@pytest.mark.parametrize("measure", ["gradient", "distillation"])
def test_the_importance_of_a_layer_is_the_rise_of_the_loss_without_it(parts, measure):
    model, tokenizer, valid = parts
    measured = pruning.importance(model, tokenizer, valid, measure).layers
    whole = loss(model, tokenizer, valid, measure)
    without = [loss(cut(model, [kept]), tokenizer, valid, measure) for kept in (1, 0)]
    np.testing.assert_allclose(measured.numpy(), np.array(without) - whole, atol=1e-4)


@pytest.mark.parametrize("measure", pruning.MEASURES)
def test_a_dead_head_and_a_dead_neuron_matter_least(parts, measure):
    model, tokenizer, valid = parts
    with Scaled(model, "heads", 1, 0, 0.0), Scaled(model, "neurons", 0, 5, 0.0):
        measured = pruning.importance(model, tokenizer, valid, measure)
    assert measured.heads[1][0].abs() < 1e-9 and measured.neurons[0][5].abs() < 1e-9
    assert torch.cat(measured.heads).argmin() == 2 and torch.cat(measured.neurons).argmin() == 5


def test_magnitude_is_the_norm_of_the_product_of_matrices(parts):
    model, tokenizer, _ = parts
    measured = pruning.importance(model, tokenizer, None, "magnitude")
    layer = model.bert.encoder.layer[0]
    value, out = layer.attention.self.value, layer.attention.output.dense.weight
    product = torch.cat([out[:, 8:] @ value.weight[8:], (out[:, 8:] @ value.bias[8:])[:, None]], dim=1)
    torch.testing.assert_close(measured.heads[0][1], product.norm())
    into = torch.cat([layer.intermediate.dense.weight[3], layer.intermediate.dense.bias[3:4]])
    torch.testing.assert_close(measured.neurons[0][3], into.norm() * layer.output.dense.weight[:, 3].norm())


def test_measuring_leaves_the_model_as_it_was(parts):
    model, tokenizer, valid = parts
    before = loss(model, tokenizer, valid, "gradient")
    pruning.importance(model, tokenizer, valid)
    assert loss(model, tokenizer, valid, "gradient") == before
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    pruning.importance(model.train(), tokenizer, valid)
    assert model.training and not model.eval().training


def test_a_measurement_that_is_interrupted_leaves_the_model_as_it_was(parts, monkeypatch):
    model, tokenizer, valid = parts
    before, original, passes = loss(model, tokenizer, valid, "gradient"), measures.losses_on, []

    def interrupted(*arguments):
        passes.append(1)
        if len(passes) == 3:  # by gates, whole, and now without a layer
            raise KeyboardInterrupt
        return original(*arguments)

    monkeypatch.setattr(measures, "losses_on", interrupted)
    with pytest.raises(KeyboardInterrupt):
        pruning.importance(model, tokenizer, valid)
    assert loss(model, tokenizer, valid, "gradient") == before


def test_the_distillation_measure_needs_no_labels(parts):
    model, tokenizer, valid = parts
    wanted = pruning.importance(model, tokenizer, valid)
    without = pruning.importance(model, tokenizer, valid.remove_columns("labels"))
    torch.testing.assert_close(vars(without), vars(wanted))


@pytest.mark.parametrize("without", [torch.no_grad, torch.inference_mode])
def test_it_needs_gradients_and_takes_them(parts, without):
    wanted = pruning.importance(*parts)
    with without():
        found = pruning.importance(*parts)
    torch.testing.assert_close(vars(found), vars(wanted))


@pytest.mark.parametrize("measure", ["magnitude", "gradient"])
def test_a_model_in_half_precision_is_measured_in_single(parts, measure):
    model, tokenizer, valid = parts
    measured = pruning.importance(copy.deepcopy(model).bfloat16(), tokenizer, valid, measure)
    assert {part.dtype for part in (*measured.heads, *measured.neurons, measured.layers)} == {torch.float32}


def test_a_classifier_is_measured_too(tmp_path, tokenizer):
    folder = tiny.base_model(tmp_path / "base")
    model, tokenizer = models.teacher(str(folder), ["no", "yes"], task="classification")
    texts = Dataset.from_dict({"text": ["good", "a bad day", "fine words here"], "label": [1, 0, 1]})
    texts = texts.cast_column("label", ClassLabel(names=["no", "yes"]))
    measured = pruning.importance(model, tokenizer, texts, "gradient")
    assert [len(part) for part in (*measured.heads, *measured.neurons, measured.layers)] == [2, 2, 32, 32, 2]
    assert torch.cat(measured.heads).min() > 0


def test_bad_input_is_one_clear_error(parts, tokenizer):
    model, tokenizer, valid = parts
    with pytest.raises(SettingError, match="unknown importance 'taylor'"):
        pruning.importance(model, tokenizer, valid, "taylor")
    with pytest.raises(DataError, match="make it with samples"):
        pruning.importance(model, tokenizer, valid.remove_columns("teacher_logits"))
    with pytest.raises(SettingError, match="temperature is 0; it must be above 0"):
        pruning.importance(model, tokenizer, valid, temperature=0)
    with pytest.raises(DataError, match="no labels here"):
        pruning.importance(model, tokenizer, valid.remove_columns("labels"), "gradient")
    short = copy.deepcopy(model)
    short.bert.embeddings.position_embeddings = nn.Embedding(5, 16)
    with pytest.raises(ModelError, match="max_length is 128; this model takes at most 5 subword tokens"):
        pruning.importance(short, tokenizer, valid)
    with pytest.raises(ModelError, match="not of BertModel"):
        pruning.importance(model.bert, tokenizer, valid)
