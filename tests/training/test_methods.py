"""The methods by name: each trains a real, tiny student from stored signals; stages resume."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from datasets import ClassLabel, Dataset
from transformers import AutoConfig, AutoModelForTokenClassification

from tests import tiny
from tinykd import data, losses, models, pruning, samples
from tinykd.errors import ModelError, SettingError
from tinykd.training import METHODS, Objective, Settings, Weights, distill_by, methods, stages, teacher_layers

SETTINGS = Settings(epochs=4, learning_rate=5e-3, batch_size=8, alpha=0.2, temperature=2.0)


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    folder = tmp_path_factory.mktemp("methods")
    train = data.load(str(tiny.corpus(folder / "corpus")))["train"]
    teacher, tokenizer = models.teacher(str(tiny.base_model(folder / "base")), tiny.LABELS, seed=7)
    teacher.classifier.weight.data.mul_(20)  # an opinion, if not a good one
    return train, teacher, tokenizer, folder


def transfer_set(room, method, student):
    train, teacher, tokenizer, folder = room
    layers = teacher_layers(method, teacher, student)
    return samples.with_teacher(train, teacher, tokenizer, folder / f"signals-{method}", layers)


@pytest.mark.parametrize("method", METHODS)
def test_a_student_comes_nearer_to_its_teacher(room, tmp_path, method):
    train, teacher, tokenizer, _ = room
    torch.manual_seed(3)
    student = models.student("cut:1", teacher)
    student.classifier.weight.data.normal_(std=0.02)
    transfer = transfer_set(room, method, student)

    def disagreement(model):
        pairs = zip(models.logits(model, tokenizer, train), transfer["teacher_logits"], strict=True)
        return np.mean([losses.kl_divergence(torch.tensor(s), torch.tensor(t)).mean() for s, t in pairs])

    before = disagreement(student)
    student = distill_by(method, student, tokenizer, transfer, tmp_path / "out", SETTINGS)
    assert disagreement(student) < 0.8 * before
    log = json.loads((tmp_path / "out" / "log.json").read_text())
    last = METHODS[method][-1].weights
    assert {name for name, weight in vars(last).items() if weight} <= set(log[0])


@pytest.mark.parametrize(("epochs", "parts"), [(2, [1, 1]), (3, [2, 1]), (4, [2, 2]), (5, [3, 2]), (10, [6, 4])])
def test_the_stages_divide_the_epochs_asked_for(epochs, parts):
    assert [part for _, part in stages("two-stage", epochs)] == parts


@pytest.mark.parametrize("epochs", [1, 3, 10])
def test_a_method_of_one_stage_has_all_epochs(epochs):
    for method in set(METHODS) - {"two-stage"}:
        assert [part for _, part in stages(method, epochs)] == [epochs]


def test_the_stages_train_their_epochs_and_the_first_does_not_train_the_head(room, tmp_path):
    _, teacher, tokenizer, _ = room
    student = models.student("cut:1", teacher)
    transfer = transfer_set(room, "two-stage", student)
    distill_by("two-stage", student, tokenizer, transfer, tmp_path / "out", replace(SETTINGS, epochs=2))
    for name in ("out-stage-1", "out"):
        assert json.loads((tmp_path / name / "settings.json").read_text())["epochs"] == 1
        log = json.loads((tmp_path / name / "log.json").read_text())
        assert max(line["epoch"] for line in log) == 1
    middle = models.load(tmp_path / "out-stage-1")[0]
    assert torch.equal(middle.classifier.weight, models.student("cut:1", teacher).classifier.weight)


def test_a_run_stopped_between_two_stages_goes_on_with_the_second(room, tmp_path, monkeypatch):
    _, teacher, tokenizer, _ = room
    transfer = transfer_set(room, "two-stage", models.student("cut:1", teacher))

    def run(out):
        student = models.student("cut:1", teacher)
        distill_by("two-stage", student, tokenizer, transfer, out, replace(SETTINGS, epochs=2))

    run(tmp_path / "whole")
    original, calls = methods.distill, []

    def stop_at_the_second(*arguments):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return original(*arguments)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(methods, "distill", stop_at_the_second)
        run(tmp_path / "parts")
    run(tmp_path / "parts")
    assert tiny.same_weights(tmp_path / "whole", tmp_path / "parts")


def test_what_is_not_there_is_refused():
    with pytest.raises(SettingError, match="unknown method 'magic'; expected one of logits, hidden"):
        stages("magic", 3)
    with pytest.raises(SettingError, match="epochs is 1; two-stage has 2 stages, and each needs at least one"):
        stages("two-stage", 1)


def test_a_model_that_cannot_be_looked_into_is_refused_before_any_training(room):
    small = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    stranger = AutoModelForTokenClassification.from_config(AutoConfig.for_model("deberta-v2", vocab_size=40, **small))
    teacher = room[1]
    assert teacher_layers("hidden", stranger, teacher).hidden_states == (1, 2)
    for pair in ((stranger, teacher), (teacher, stranger)):
        with pytest.raises(ModelError, match="DebertaV2ForTokenClassification: its query, key and value projections"):
            teacher_layers("relations", *pair)


def of_heads(model, heads):
    """A copy of ``model`` with so many attention heads in each layer, from the first on."""
    parts = [torch.arange(count) for count in heads]
    neurons = [torch.arange(width) for _, width in pruning.shape_of(model)]
    return pruning.structured._narrowed(models.student(f"cut:{len(heads)}", model), parts, neurons)


def test_relations_come_from_a_teacher_whose_last_layer_lost_heads(room, tmp_path):
    train, teacher, tokenizer, _ = room
    pruned, student = of_heads(teacher, [2, 1]), models.student("cut:1", teacher)
    layers = teacher_layers("relations", pruned, student)
    transfer = samples.with_teacher(train, pruned, tokenizer, tmp_path / "signals", layers)
    assert transfer.features["teacher_queries"].shape[-1] == 8  # of the layer; the model is 16 wide
    distill_by("relations", student, tokenizer, transfer, tmp_path / "out", replace(SETTINGS, epochs=1))
    log = json.loads((tmp_path / "out" / "log.json").read_text())
    assert log[0]["relations"] > 0


def test_attention_needs_as_many_heads_in_both(room):
    pruned, student = of_heads(room[1], [2, 1]), models.student("cut:1", room[1])
    with pytest.raises(ModelError, match="has 2 attention heads, the teacher's layer 2 has 1: attention needs"):
        Weights(attention=1.0).teacher_layers(pruned.config, student.config)


def test_layers_of_other_attention_widths_do_not_fit_one_signal(room):
    pruned = of_heads(room[1], [2, 1])
    with pytest.raises(ModelError, match="the queries of this model are 16 in layer 1, 8 in layer 2; layers of one"):
        teacher_layers("attention", pruned, pruned)


@pytest.mark.parametrize("method", ["hidden", "two-stage"])
def test_for_classification_the_states_of_cls_are_matched(room, tmp_path, method):
    """It is the only state that the head reads: where only the teacher's [CLS] is another, the loss is another."""
    teacher, tokenizer = models.teacher(str(room[3] / "base"), ["no", "yes"], "classification", seed=7)
    rows = Dataset.from_dict({"text": ["yes it is", "no"], "label": [1, 0]})
    rows = rows.cast_column("label", ClassLabel(names=["no", "yes"]))
    encoded = data.encode(rows, tokenizer)
    assert [firsts[0] for firsts in encoded["first_subwords"]] == [0, 0]
    student = models.student("cut:1", teacher)
    layers = teacher_layers(method, teacher, student)
    transfer = samples.with_teacher(rows, teacher, tokenizer, tmp_path / "signals", layers)
    assert [len(states) for states in transfer["teacher_hidden_states"]] == [4, 2]  # [CLS] and the words
    batch = data.collate(tokenizer, transfer)(list(encoded))
    objective, moved = Objective(student, METHODS[method][0].weights), dict(batch)
    moved["teacher_hidden_states"] = batch["teacher_hidden_states"].clone()
    moved["teacher_hidden_states"][:, 0] += 1
    with torch.no_grad():
        before, after = (objective(**inputs)["hidden"] for inputs in (batch, moved))
    assert after > before + 0.1
