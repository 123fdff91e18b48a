"""The methods by name: each trains a real, tiny student from stored signals; stages resume."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from transformers import AutoConfig, AutoModelForTokenClassification

from tests import tiny
from tinykd import data, inference, losses, methods, models, samples, training
from tinykd.errors import ModelError, RunError
from tinykd.objective import Weights
from tinykd.training import Settings

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
    layers = methods.needed(method, teacher, student)
    return samples.with_teacher(train, teacher, tokenizer, folder / f"signals-{method}", layers=layers)


@pytest.mark.parametrize("method", methods.METHODS)
def test_a_student_comes_nearer_to_its_teacher(room, tmp_path, method):
    train, teacher, tokenizer, _ = room
    torch.manual_seed(3)
    student = models.student("cut:1", teacher)
    student.classifier.weight.data.normal_(std=0.02)
    transfer = transfer_set(room, method, student)

    def disagreement(model):
        told = zip(inference.logits(model, tokenizer, train), transfer["teacher_logits"], strict=True)
        return np.mean([losses.kl_divergence(torch.tensor(s), torch.tensor(t)).mean() for s, t in told])

    before = disagreement(student)
    student = methods.distill_by(method, student, tokenizer, transfer, tmp_path / "out", SETTINGS, progress=False)
    assert disagreement(student) < 0.8 * before
    log = json.loads((tmp_path / "out" / "log.json").read_text())
    last = methods.stages(method)[-1].weights
    assert {name for name, weight in vars(last).items() if weight} <= set(log[0])


def test_the_stages_share_the_epochs_and_the_first_does_not_train_the_head(room, tmp_path):
    _, teacher, tokenizer, _ = room
    student = models.student("cut:1", teacher)
    transfer = transfer_set(room, "two-stage", student)
    methods.distill_by("two-stage", student, tokenizer, transfer, tmp_path / "out", SETTINGS, progress=False)
    epochs = [json.loads((tmp_path / name / "settings.json").read_text())["epochs"] for name in ("out-stage-1", "out")]
    assert epochs == [3, 2]
    middle = models.load(tmp_path / "out-stage-1")[0]
    assert torch.equal(middle.classifier.weight, models.student("cut:1", teacher).classifier.weight)


def test_a_run_stopped_between_two_stages_goes_on_with_the_second(room, tmp_path, monkeypatch):
    _, teacher, tokenizer, _ = room
    transfer = transfer_set(room, "two-stage", models.student("cut:1", teacher))

    def run(out):
        student = models.student("cut:1", teacher)
        methods.distill_by("two-stage", student, tokenizer, transfer, out, SETTINGS, progress=False)

    run(tmp_path / "whole")
    original = training.distill
    calls = []

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


@pytest.mark.parametrize("weights", [Weights(prediction=0, hidden=1, attention=1), Weights(prediction=0, relations=1)])
def test_a_general_stage_needs_no_labels(room, tmp_path, weights):
    train, teacher, tokenizer, _ = room
    student = models.student("tinybert-4", teacher)
    config = student.config
    config.num_hidden_layers, config.hidden_size, config.num_attention_heads, config.intermediate_size = 1, 8, 2, 16
    student = type(student)(config)
    out = methods.general_stage(
        student, teacher, tokenizer, train.remove_columns("labels"), tmp_path / "out",
        replace(SETTINGS, epochs=6), weights, progress=False,
    )  # fmt: skip
    losses_seen = [line["loss"] for line in json.loads((tmp_path / "out" / "log.json").read_text()) if "loss" in line]
    assert losses_seen[-1] < 0.8 * losses_seen[0]
    assert out.config.hidden_size == 8


def test_what_is_not_there_is_refused(room, tmp_path):
    train, teacher, tokenizer, _ = room
    with pytest.raises(RunError, match="unknown losses 'magic'; expected one of logits, hidden"):
        methods.stages("magic")
    with pytest.raises(RunError, match="prediction=0"):
        methods.general_stage(teacher, teacher, tokenizer, train, tmp_path / "out", SETTINGS, Weights(hidden=1))


def test_a_model_that_cannot_be_looked_into_is_refused_before_any_training(room):
    small = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    stranger = AutoModelForTokenClassification.from_config(AutoConfig.for_model("deberta-v2", vocab_size=40, **small))
    teacher = room[1]
    assert methods.needed("hidden", stranger, teacher).hidden_states == (1, 2)
    for pair in ((stranger, teacher), (teacher, stranger)):
        with pytest.raises(ModelError, match="DebertaV2ForTokenClassification: its query, key and value projections"):
            methods.needed("relations", *pair)
