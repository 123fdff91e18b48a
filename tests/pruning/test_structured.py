import copy
import json
import subprocess
import sys

import pytest
import torch
from transformers import AutoModelForTokenClassification

from tests import tiny
from tinykd import models, pruning
from tinykd.errors import ModelError, SettingError
from tinykd.models import FeatureHooks, Layers
from tinykd.pruning import Importance, prune, shape_of

TEXT = "Mara Hope left Jordan for Nice."


@pytest.fixture(scope="module", params=["tagging", "classification"])
def parts(tmp_path_factory, request):
    folder = tiny.base_model(tmp_path_factory.mktemp("structured") / "base", layers=3)
    return models.teacher(str(folder), tiny.LABELS, task=request.param)


@pytest.fixture(scope="module")
def tagger(tmp_path_factory):
    return models.teacher(str(tiny.base_model(tmp_path_factory.mktemp("tagger") / "base", layers=3)), tiny.LABELS)


@pytest.fixture
def measured():
    """Importance of our own making: layer 1 is worst, then heads and neurons in their order."""
    heads = tuple(torch.tensor([0.1, 1.0]) + n for n in range(3))
    return Importance(heads, tuple(torch.arange(32.0) + 8 * n for n in range(3)), torch.tensor([2.0, 1.0, 3.0]))


@torch.inference_mode()
def logits(model, tokenizer, **options):
    return model(**tokenizer(TEXT, return_tensors="pt"), **options).logits


def test_the_least_important_go_and_at_least_one_stays(parts, measured):
    model, _ = parts
    assert shape_of(prune(model, measured, heads=0.5, neurons=0.25)) == [(1, 16), (1, 24), (1, 32)]
    assert shape_of(prune(model, measured, heads=1 / 3)) == [(1, 32), (1, 32), (2, 32)]
    assert shape_of(prune(model, measured, neurons=0.25, per_layer=True)) == [(2, 24)] * 3
    assert shape_of(prune(model, measured, neurons=1 - 3 / 96)) == [(2, 1)] * 3
    assert shape_of(prune(model, measured, heads=0.5, layers=1 / 3)) == [(1, 32), (1, 32)]
    assert shape_of(model) == [(2, 32)] * 3


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_the_type_of_the_weights_stays(parts, measured, dtype):
    model = copy.deepcopy(parts[0]).to(dtype)
    model.config.architectures = None  # as of a model that was never saved
    for pruned in (prune(model, measured, heads=1 / 3), prune(model, measured, layers=1 / 3)):
        assert pruned.dtype == dtype and models.task_of(pruned) == models.task_of(parts[0])
        kept = pruned.bert.embeddings.word_embeddings.weight
        assert torch.equal(kept, model.bert.embeddings.word_embeddings.weight)


def test_what_stays_is_the_same_weights_in_the_same_order(parts, measured):
    model, _ = parts
    pruned = prune(model, measured, heads=1 / 3, neurons=0.25)
    before, after = model.bert.encoder.layer[0], pruned.bert.encoder.layer[0]
    assert torch.equal(after.attention.self.key.weight, before.attention.self.key.weight[8:])
    assert torch.equal(after.attention.self.value.bias, before.attention.self.value.bias[8:])
    assert torch.equal(after.attention.output.dense.weight, before.attention.output.dense.weight[:, 8:])
    assert torch.equal(after.intermediate.dense.weight, before.intermediate.dense.weight[16:])
    assert torch.equal(after.output.dense.weight, before.output.dense.weight[:, 16:])
    assert torch.equal(pruned.classifier.weight, model.classifier.weight)


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_removing_what_writes_nothing_changes_nothing(parts, measured, attention):
    model, tokenizer = copy.deepcopy(parts[0]), parts[1]
    model.set_attn_implementation(attention)
    with torch.no_grad():
        for layer in model.bert.encoder.layer:
            layer.attention.output.dense.weight[:, :8] = 0
            layer.output.dense.weight[:, :10] = 0
    pruned = prune(model, measured, heads=0.5, neurons=10 / 32, per_layer=True)
    pruned.set_attn_implementation(attention)
    assert shape_of(pruned) == [(1, 22)] * 3
    torch.testing.assert_close(logits(pruned, tokenizer), logits(model, tokenizer), rtol=1e-5, atol=1e-6)


def test_removing_a_living_head_is_scaling_its_output_to_zero(parts, measured):
    model, tokenizer = copy.deepcopy(parts[0]), parts[1]
    pruned = prune(model, measured, heads=0.5, neurons=10 / 32, per_layer=True)
    with torch.no_grad():
        for layer in model.bert.encoder.layer:
            layer.attention.output.dense.weight[:, :8] = 0
            layer.output.dense.weight[:, :10] = 0
    torch.testing.assert_close(logits(pruned, tokenizer), logits(model, tokenizer), rtol=1e-5, atol=1e-6)


def test_a_pruned_model_can_be_cut_and_pruned_again(parts, measured):
    model, tokenizer = parts
    once = prune(model, measured, heads=1 / 3, neurons=0.25)
    assert shape_of(models.student("cut:0,2", once)) == [shape_of(once)[0], shape_of(once)[2]]
    twice = prune(once, pruning.importance(once, tokenizer, None, "magnitude"), neurons=0.5, layers=1 / 3)
    assert sum(neurons for _, neurons in shape_of(twice)) <= 72 / 2
    assert torch.isfinite(logits(twice, tokenizer)).all()


def test_a_pruned_model_reloads_to_equal_outputs_in_a_fresh_process(tagger, measured, tmp_path):
    model, tokenizer = tagger
    pruned = prune(model, measured, heads=1 / 3, neurons=0.4)
    models.save(pruned, tokenizer, tmp_path / "pruned")
    models.save(model, tokenizer, tmp_path / "whole")
    script = (
        "import sys, torch; from tinykd import models\n"
        "model, tokenizer = models.load(sys.argv[1])\n"
        f"batch = tokenizer({TEXT!r}, return_tensors='pt')\n"
        "for attention in ('sdpa', 'eager'):\n"
        "    model.set_attn_implementation(attention)\n"
        "    torch.save(model(**batch).logits, f'{sys.argv[1]}/{attention}')\n"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "pruned")], check=True)
    for attention in ("sdpa", "eager"):
        again = torch.load(tmp_path / "pruned" / attention)
        torch.testing.assert_close(again, logits(pruned, tokenizer), rtol=1e-5, atol=1e-6)
    gone = sum(p.numel() for p in model.parameters()) - sum(p.numel() for p in pruned.parameters())
    assert gone == 2 * 8 * (4 * 16 + 3) + round(0.4 * 96) * (2 * 16 + 1)  # two heads 8 wide, 38 neurons
    sizes = [(tmp_path / name / "model.safetensors").stat().st_size for name in ("whole", "pruned")]
    assert sizes[0] - sizes[1] == pytest.approx(4 * gone, abs=500)  # the header counts too


def test_plain_transformers_says_that_it_does_not_know_the_model(tagger, measured, tmp_path):
    models.save(prune(tagger[0], measured, heads=0.5), tagger[1], tmp_path / "pruned")
    script = (
        "import sys, transformers\n"
        "try: transformers.AutoConfig.from_pretrained(sys.argv[1])\n"
        "except ValueError as error: print(error)\n"
    )
    run = subprocess.run([sys.executable, "-c", script, str(tmp_path / "pruned")], check=True, capture_output=True)
    assert b"pruned-bert" in run.stdout


def test_a_saved_model_reloads_to_equal_outputs(parts, measured, tmp_path):
    model, tokenizer = parts
    pruned = prune(model, measured, heads=1 / 3, neurons=0.4)
    models.save(pruned, tokenizer, tmp_path / "pruned")
    again, _ = models.load(tmp_path / "pruned")
    assert again.state_dict().keys() == pruned.state_dict().keys()
    assert all(torch.equal(again.state_dict()[name], weight) for name, weight in pruned.state_dict().items())
    # Not to the last bit: where in memory a matrix begins decides the order of some sums.
    torch.testing.assert_close(logits(again, tokenizer), logits(pruned, tokenizer), rtol=1e-6, atol=1e-7)


def test_layers_alone_leave_a_plain_bert(parts, measured, tmp_path):
    model, tokenizer = parts
    shallow = prune(model, measured, layers=1 / 3)
    assert type(shallow) is type(model)
    after, before = shallow.bert.encoder.layer[1], model.bert.encoder.layer[2]
    assert torch.equal(after.output.dense.weight, before.output.dense.weight)
    models.save(shallow, tokenizer, tmp_path / "shallow")
    assert json.loads((tmp_path / "shallow" / "config.json").read_text())["model_type"] == "bert"


def test_hidden_states_and_projections_can_be_watched(tagger, measured):
    model, tokenizer = tagger
    pruned = prune(model, measured, heads=1 / 3)
    batch = tokenizer(TEXT, return_tensors="pt")
    found = FeatureHooks(pruned, Layers((0, 1, 2, 3), (1,)))(
        batch["input_ids"], batch["attention_mask"], torch.tensor([[1, 2, 3]])
    )
    assert found["hidden_states"].shape == (1, 3, 4, 16) and found["queries"].shape == (1, 3, 1, 8)


def test_bad_input_is_one_clear_error(tagger, measured):
    model, _ = tagger
    for name in ("heads", "neurons", "layers"):
        for share in (-0.1, 1.5, float("nan")):
            with pytest.raises(SettingError, match=rf"{name} is .*in \[0, 1\]"):
                prune(model, measured, **{name: share})
        for per_layer in (True, False):
            with pytest.raises(SettingError, match=f"{name} is 1.*leave nothing"):
                prune(model, measured, **{name: 1.0}, per_layer=per_layer)
    with pytest.raises(ModelError, match="importance is of another model"):
        prune(models.student("cut:2", model), measured, heads=0.5)
    with pytest.raises(ModelError, match="not of BertModel"):
        prune(model.bert, measured, heads=0.5)
    wrapped = copy.deepcopy(model)
    wrapped.bert.encoder.layer[0].attention.self.query = torch.nn.Sequential()
    with pytest.raises(ModelError, match="carries adapters or is quantized"):
        prune(wrapped, measured, heads=0.5)


def test_it_loads_through_the_auto_class_and_exports_as_a_plain_module(tagger, measured, tmp_path):
    model, tokenizer = tagger
    pruned = prune(model, measured, heads=1 / 3, neurons=0.4)
    models.save(pruned, tokenizer, tmp_path / "pruned")
    again = AutoModelForTokenClassification.from_pretrained(tmp_path / "pruned").eval()
    batch = tokenizer(TEXT, return_tensors="pt")
    program = torch.export.export(again, (), dict(batch))  # what the ONNX exporter starts from
    torch.testing.assert_close(program.module()(**batch).logits, logits(pruned, tokenizer))
