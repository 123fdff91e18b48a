"""Runs in a folder: finished, resumable or not there; with a teacher, or refused."""

import errno
import json
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import transformers
from datasets import ClassLabel, Dataset
from tokenizers.pre_tokenizers import WhitespaceSplit
from transformers import BertConfig, BertForTokenClassification, TrainerCallback, TrainingArguments

from tests import tiny
from tinykd import artifacts, data, losses, models, pruning, samples
from tinykd.errors import DamagedError, DataError, ModelError, RunError, SettingError
from tinykd.training import Settings, Weights, callbacks, distill, fine_tune, runs
from tinykd.training.settings import arguments

SETTINGS = Settings(epochs=3, learning_rate=1e-3, batch_size=8, temperature=2.0, alpha=0.3)
QUICK = replace(SETTINGS, epochs=1)


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    """A base model, its tokenizer, a corpus, and the corpus with the signals of a teacher."""
    folder = tmp_path_factory.mktemp("room")
    base = str(tiny.base_model(folder / "base"))
    train = data.load(str(tiny.corpus(folder / "corpus")))["train"]
    teacher, tokenizer = models.teacher(base, tiny.LABELS, seed=7)
    transfer = samples.with_teacher(train, teacher, tokenizer, folder / "signals")
    return base, tokenizer, train, transfer


def fresh(room, seed=0):
    return models.teacher(room[0], tiny.LABELS, seed=seed)[0]


class Stop(TrainerCallback):
    """Break off as Ctrl-C does, some steps after the first checkpoint."""

    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step == 9:  # 6 steps per epoch
            raise KeyboardInterrupt


def interrupted(monkeypatch, verb, *arguments):
    with monkeypatch.context() as patch:
        patch.setattr(runs, "Bar", lambda title: Stop())
        with pytest.raises(KeyboardInterrupt):
            verb(*arguments)


@pytest.mark.parametrize("alpha", [0.3, 0.0, 1.0])
def test_distilling_without_a_teacher_is_refused(room, tmp_path, alpha):
    with pytest.raises(RunError, match=r"distill needs a teacher: .* call fine_tune"):
        distill(fresh(room), room[1], room[2], tmp_path / "out", replace(QUICK, alpha=alpha))
    assert not list(tmp_path.iterdir())


def test_a_prediction_loss_without_the_teachers_logits_is_refused(room, tmp_path):
    teacher = fresh(room, 7)
    layers = Weights(hidden=1.0).teacher_layers(teacher.config, teacher.config)
    rows = samples.with_teacher(room[2], teacher, room[1], tmp_path / "signals", layers)
    with pytest.raises(RunError, match="distill needs a teacher"):
        distill(fresh(room), room[1], rows.remove_columns("teacher_logits"), tmp_path / "out", QUICK)
    assert not (tmp_path / "out").exists()


def test_texts_without_labels_are_distilled_at_alpha_0_and_never_fine_tuned_on(room, tmp_path):
    tokenizer, transfer = room[1], room[3]
    unlabelled = transfer.remove_columns("labels")
    with pytest.raises(RunError, match="these texts have no labels: set alpha to 0"):
        distill(fresh(room), tokenizer, unlabelled, tmp_path / "out", QUICK)
    with pytest.raises(DataError, match="these texts have no labels to fine-tune on"):
        fine_tune(fresh(room), tokenizer, unlabelled, tmp_path / "out", QUICK)
    ends = []
    for name, rows in (("without", unlabelled), ("with", transfer)):
        model = distill(fresh(room), tokenizer, rows, tmp_path / name, replace(QUICK, alpha=0.0))
        ends.append(model.state_dict()["classifier.weight"])
    torch.testing.assert_close(*ends)


def test_the_teacher_makes_a_difference_and_alpha_1_makes_none(room, tmp_path):
    _, tokenizer, train, transfer = room
    labels = fine_tune(fresh(room), tokenizer, train, tmp_path / "labels", QUICK)
    alone = distill(fresh(room), tokenizer, transfer, tmp_path / "alpha 1", replace(QUICK, alpha=1.0))
    both = distill(fresh(room), tokenizer, transfer, tmp_path / "teacher", QUICK)
    ends = [model.classifier.weight for model in (labels, alone, both)]
    torch.testing.assert_close(*ends[:2])
    assert not torch.allclose(ends[0], ends[2], atol=1e-4)


@pytest.mark.usefixtures("every_epoch")
@pytest.mark.parametrize("speed", [False, True])
def test_an_interrupted_run_resumes_to_the_same_weights(room, tmp_path, monkeypatch, speed):
    _, tokenizer, _, transfer = room
    settings = replace(SETTINGS, speed=speed)
    distill(fresh(room), tokenizer, transfer, tmp_path / "whole", settings)
    interrupted(monkeypatch, distill, fresh(room), tokenizer, transfer, tmp_path / "parts", settings)
    checkpoints = tmp_path / "parts-unfinished"
    assert (checkpoints / "checkpoint-6" / "finished.json").exists()
    (checkpoints / "checkpoint-9").mkdir()  # killed while it wrote this one
    distill(fresh(room), tokenizer, transfer, tmp_path / "parts", settings)
    assert tiny.same_weights(tmp_path / "whole", tmp_path / "parts")


def test_a_finished_model_is_not_trained_again_and_other_settings_or_texts_are_refused(room, tmp_path, monkeypatch):
    _, tokenizer, train, _ = room
    model = fine_tune(fresh(room), tokenizer, train, tmp_path / "out", QUICK)
    monkeypatch.setattr(runs, "DistillationTrainer", None)  # would fail if it were called
    again = fine_tune(fresh(room, seed=1), tokenizer, train, tmp_path / "out", replace(QUICK, report_to="tensorboard"))
    assert all(torch.equal(one, two) for one, two in zip(model.parameters(), again.parameters(), strict=True))

    def refused(match, model=None, rows=train, settings=QUICK):
        with pytest.raises(RunError, match=rf"was made with other settings or data \(.*{match}"):
            fine_tune(model or fresh(room), tokenizer, rows, tmp_path / "out", settings)

    refused("epochs is 1 there", settings=replace(QUICK, epochs=9))
    refused("precision is fp32 there", settings=replace(QUICK, precision="bf16"))
    refused("texts is .* there", rows=train.select(range(40)))
    refused("num_hidden_layers is 2 there", models.student("cut:1", fresh(room)))
    refused("id2label is ", models.teacher(room[0], tiny.LABELS[::-1])[0])


def test_another_teacher_is_another_run(room, tmp_path, monkeypatch):
    _, tokenizer, train, transfer = room
    distill(fresh(room), tokenizer, transfer, tmp_path / "stored", QUICK)
    distill(fresh(room), tokenizer, train, tmp_path / "online", QUICK, teacher=fresh(room, 7))
    monkeypatch.setattr(runs, "DistillationTrainer", None)  # would fail if it were called
    again = samples.with_teacher(train, fresh(room, 7), tokenizer, tmp_path / "again")
    distill(fresh(room), tokenizer, again, tmp_path / "stored", QUICK)
    distill(fresh(room), tokenizer, train, tmp_path / "online", QUICK, teacher=fresh(room, 7))
    others = samples.with_teacher(train, fresh(room, 8), tokenizer, tmp_path / "others")
    with pytest.raises(RunError, match=r"was made with other settings or data \(teacher is"):
        distill(fresh(room), tokenizer, others, tmp_path / "stored", QUICK)
    with pytest.raises(RunError, match=r"was made with other settings or data \(teacher is"):
        distill(fresh(room), tokenizer, train, tmp_path / "online", QUICK, teacher=fresh(room, 8))


def test_the_note_of_a_model_holds_its_settings_and_seals_its_files(room, tmp_path):
    _, tokenizer, train, _ = room
    settings = replace(QUICK, precision="bf16", max_grad_norm=1.0)
    fine_tune(fresh(room), tokenizer, train, tmp_path / "out", settings)
    note = artifacts.sealed(tmp_path / "out", "settings.json")
    assert (note["precision"], note["max_grad_norm"], note["epochs"]) == ("bf16", 1.0, 1)
    assert {"model.safetensors", "config.json", "log.json", "tokenizer.json"} <= set(note["files"])
    with open(tmp_path / "out" / "model.safetensors", "r+b") as file:
        file.seek(-1, 2)
        last = file.read()
        file.seek(-1, 2)
        file.write(bytes([last[0] ^ 1]))
    with pytest.raises(DamagedError, match=r"model\.safetensors: missing, cut short or altered; delete .*out"):
        fine_tune(fresh(room), tokenizer, train, tmp_path / "out", settings)


@pytest.mark.usefixtures("every_epoch")
def test_an_interrupted_run_does_not_go_on_with_other_settings_labels_or_texts(room, tmp_path, monkeypatch):
    _, tokenizer, train, _ = room
    interrupted(monkeypatch, fine_tune, fresh(room), tokenizer, train, tmp_path / "out", SETTINGS)
    relabelled = train.map(lambda row: {"labels": [0] * len(row["labels"])})  # the same subword tokens
    for what, rows, settings in (
        ("learning_rate is 0.001", train, replace(SETTINGS, learning_rate=1e-5)),
        ("precision is fp32", train, replace(SETTINGS, precision="bf16")),
        ("texts is ", relabelled, SETTINGS),
        ("texts is ", train.select(range(40)), SETTINGS),
    ):
        with pytest.raises(RunError, match=rf"out-unfinished was made with other settings or data \({what}.* there"):
            fine_tune(fresh(room), tokenizer, rows, tmp_path / "out", settings)
    assert not (tmp_path / "out").exists()
    fine_tune(fresh(room), tokenizer, train, tmp_path / "out", SETTINGS)


def test_a_folder_that_holds_something_else_is_refused_before_the_work_and_kept(room, tmp_path, monkeypatch):
    _, tokenizer, train, _ = room
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("mine")
    model = fresh(room)
    models.save(model, tokenizer, tmp_path / "a model")  # that no training of ours has made
    monkeypatch.setattr(runs, "DistillationTrainer", None)  # would fail if it were called
    for name in ("mine", "a model"):
        with pytest.raises(RunError, match="holds something else"):
            fine_tune(model, tokenizer, train, tmp_path / name, SETTINGS)
    with pytest.raises(RunError, match="holds something else"):
        samples.with_teacher(train, model, tokenizer, tmp_path / "mine")
    with pytest.raises(RunError, match="a folder with a name of its own"):
        fine_tune(model, tokenizer, train, ".", SETTINGS)
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.txt"]


def test_the_seed_decides_the_learned_projection_too(room, tmp_path):
    _, tokenizer, train, _ = room
    teacher = fresh(room, 7)
    weights = Weights(hidden=1.0)
    config = BertConfig(**teacher.config.to_dict() | {"hidden_size": 8})
    layers = weights.teacher_layers(teacher.config, config)
    transfer = samples.with_teacher(train, teacher, tokenizer, tmp_path / "signals", layers)
    torch.manual_seed(0)
    narrow = BertForTokenClassification(config).state_dict()
    for before in (1, 2):
        student = BertForTokenClassification(config)
        student.load_state_dict(narrow)
        torch.manual_seed(before)  # what else this process has drawn
        distill(student, tokenizer, transfer, tmp_path / f"out-{before}", replace(QUICK, weights=weights))
    assert tiny.same_weights(tmp_path / "out-1", tmp_path / "out-2")


@pytest.mark.parametrize(("seconds", "saves"), [(0, 3), (1e6, 0)])
def test_a_short_run_writes_no_checkpoint(room, tmp_path, monkeypatch, seconds, saves):
    _, tokenizer, train, _ = room
    monkeypatch.setattr(callbacks, "SECONDS", seconds)
    sealed, seal = [], artifacts.seal
    monkeypatch.setattr(artifacts, "seal", lambda folder, *note: sealed.append(folder.name) or seal(folder, *note))
    fine_tune(fresh(room), tokenizer, train, tmp_path / "out", SETTINGS)
    assert sum(name.startswith("checkpoint-") for name in sealed) == saves
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.usefixtures("every_epoch")
def test_the_last_two_checkpoints_are_kept(room, tmp_path, monkeypatch):
    there = []

    class Look(TrainerCallback):
        def on_epoch_begin(self, args, state, control, **kwargs):
            there.append(sorted(path.name for path in (tmp_path / "out-unfinished").glob("checkpoint-*")))

    monkeypatch.setattr(runs, "Bar", lambda title: Look())
    rows = room[2].select(range(8))
    fine_tune(fresh(room), room[1], rows, tmp_path / "out", replace(SETTINGS, epochs=5))
    assert there[2:] == [[f"checkpoint-{n}", f"checkpoint-{n + 1}"] for n in (1, 2, 3)]


@pytest.mark.usefixtures("every_epoch")
def test_a_full_disk_is_one_clear_line(room, tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(transformers.Trainer, "_save_checkpoint", full)
    with pytest.raises(RunError, match="the disk is full"):
        fine_tune(fresh(room), room[1], room[2], tmp_path / "out", SETTINGS)


def classified(room, names=("no", "yes")):
    """A labelled corpus of short texts, and a model of its labels with the tokenizer."""
    texts = [f"{word} it is {i}" for i in range(12) for word in names]
    rows = Dataset.from_dict({"text": texts, "label": [0, 1] * 12})
    return rows, *models.teacher(room[0], list(names), "classification")


def test_classification_trains_and_distils_too(room, tmp_path):
    rows, model, tokenizer = classified(room)
    with pytest.raises(DataError, match="numbers without names"):
        data.label_names(rows)
    rows = rows.cast_column("label", ClassLabel(names=["no", "yes"]))
    transfer = samples.with_teacher(rows, model, tokenizer, tmp_path / "signals")
    assert np.asarray(transfer[0]["teacher_logits"]).shape == (1, 2)
    student = models.student("cut:1", model)
    distill(student, tokenizer, transfer, tmp_path / "out", Settings(epochs=1, batch_size=8))
    assert models.task_of(models.load(tmp_path / "out")[0]) == "classification"


def test_texts_whose_words_two_tokenizers_see_differently_have_no_common_states(room, tmp_path):
    rows = Dataset.from_dict({"text": ["I don't like it at all"] * 8, "label": [0] * 8})
    rows = rows.cast_column("label", ClassLabel(names=["no", "yes"]))
    teacher, tokenizer = models.teacher(room[0], ["no", "yes"], "classification")
    weights = Weights(hidden=1.0)
    layers = weights.teacher_layers(teacher.config, models.student("cut:1", teacher).config)
    transfer = samples.with_teacher(rows, teacher, tokenizer, tmp_path / "signals", layers)
    own = tiny.another_tokenizer([["do", "like", "it", "at", "all"]])
    own.backend_tokenizer.pre_tokenizer = WhitespaceSplit()  # to which "don't" is one word
    student = models.student("cut:1", teacher)
    settings = Settings(epochs=1, batch_size=8, weights=weights)
    with pytest.raises(DataError, match=r"the student's tokenizer finds fewer; teacher and student must see the same"):
        distill(student, own, transfer, tmp_path / "out", settings)
    plain = replace(settings, weights=Weights())
    distill(student, own, transfer.select_columns(["text", "label", "teacher_logits"]), tmp_path / "out", plain)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_teacher_that_predicts_every_batch_has_the_targets_of_the_store(room, tmp_path, precision):
    """In either precision: an online teacher computes under the run's autocast, as the store did."""
    _, tokenizer, train, _ = room
    teacher = fresh(room, 7)
    layers = models.Layers(attention=(2,))
    stored = samples.with_teacher(train, teacher, tokenizer, tmp_path / "signals", layers, precision=precision)
    encoded = list(data.encode(train, tokenizer))
    read, predict = data.collate(tokenizer, stored), samples.online(data.collate(tokenizer), teacher, layers, precision)
    other = samples.online(data.collate(tokenizer), teacher, layers, "bf16" if precision == "fp32" else "fp32")
    for name in ("teacher_logits", "teacher_queries"):
        gaps = []
        for target in (predict, other):
            gaps.append(0.0)
            for start in range(0, 16, 8):
                one, two = read(encoded[start : start + 8]), target(encoded[start : start + 8])
                words = one["first_subwords"] >= 0
                gaps[-1] = max(gaps[-1], (one[name] - two[name])[words].abs().mean().item())
        assert gaps[0] < gaps[1] / 2, name


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_distilling_with_an_online_teacher_is_distilling_from_the_store(room, tmp_path, precision):
    _, tokenizer, train, _ = room
    teacher, weights, seen = fresh(room, 7), Weights(hidden=1.0, attention=1.0), []
    layers = weights.teacher_layers(teacher.config, teacher.config)
    settings = replace(QUICK, weights=weights, precision=precision)
    stored = samples.with_teacher(train, teacher, tokenizer, tmp_path / "signals", layers, precision=precision)
    distill(fresh(room), tokenizer, stored, tmp_path / "stored", settings)
    teacher.register_forward_hook(lambda *_: seen.append(torch.is_autocast_enabled(teacher.device.type)))
    distill(fresh(room), tokenizer, train, tmp_path / "online", settings, teacher=teacher)
    assert set(seen) == {precision == "bf16"}
    curves = []
    for name in ("stored", "online"):
        log = json.loads((tmp_path / name / "log.json").read_text())
        curves.append([line[loss] for line in log if "loss" in line for loss in ("prediction", "hidden", "attention")])
    assert curves[0] == pytest.approx(curves[1], rel=0.01)  # the store keeps 16 bits


def test_an_online_teacher_with_labels_in_another_order_is_refused(room, tmp_path):
    teacher = models.teacher(room[0], tiny.LABELS[::-1], seed=7)[0]
    with pytest.raises(ModelError, match="in the student's order; it has I-PER, B-PER"):
        distill(fresh(room), room[1], room[2], tmp_path / "out", SETTINGS, teacher=teacher)
    assert not (tmp_path / "out").exists()


def test_an_online_teacher_reads_the_students_subword_tokens(room, tmp_path):
    student, tokenizer = pruning.prune_vocabulary(fresh(room), room[1], [room[2]])
    with pytest.raises(ModelError, match=r"the student's subword tokens; it knows 30522, the student \d{4}\."):
        distill(student, tokenizer, room[2], tmp_path / "out", SETTINGS, teacher=fresh(room, 7))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("weights", [Weights(prediction=0, hidden=1, attention=1), Weights(prediction=0, relations=1)])
def test_a_general_stage_needs_no_labels(room, tmp_path, weights):
    teacher = fresh(room, 7)
    shape = {"num_hidden_layers": 1, "hidden_size": 8, "num_attention_heads": 2, "intermediate_size": 16}
    torch.manual_seed(0)
    student = BertForTokenClassification(BertConfig(**teacher.config.to_dict() | shape))
    texts = room[2].remove_columns("labels")
    settings = replace(SETTINGS, epochs=6, learning_rate=5e-3, weights=weights)
    out = distill(student, room[1], texts, tmp_path / "out", settings, teacher=teacher)
    seen = [line["loss"] for line in json.loads((tmp_path / "out" / "log.json").read_text()) if "loss" in line]
    assert seen[-1] < 0.8 * seen[0]
    assert out.config.hidden_size == 8


def test_of_several_devices_one_process_takes_one(tmp_path, monkeypatch):
    assert arguments(tmp_path / "out", tmp_path / "unfinished", SETTINGS).n_gpu <= 1
    monkeypatch.setattr(TrainingArguments, "n_gpu", property(lambda self: vars(self).get("_n_gpu", 2)))
    monkeypatch.setattr(TrainingArguments, "_setup_devices", None)
    assert arguments(tmp_path / "out", tmp_path / "unfinished", SETTINGS).n_gpu == 1


def test_several_processes_share_a_batch(tmp_path, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "3")
    with pytest.raises(SettingError, match="batch_size is 8; it must be a multiple of the 3 processes"):
        arguments(tmp_path / "out", tmp_path / "unfinished", SETTINGS)


def test_each_model_has_a_run_of_its_own_on_a_board(tmp_path, monkeypatch):
    ended = []
    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(finish=lambda: ended.append(1)))
    with pytest.raises(KeyboardInterrupt), callbacks.curves_of(tmp_path / "demo" / "student", "wandb"):
        raise KeyboardInterrupt
    assert ended == [1]
    with callbacks.curves_of(tmp_path / "demo" / "student", "tensorboard"):
        pass
    assert ended == [1]
    out = tmp_path / "demo" / "student"
    assert arguments(out, out, SETTINGS).run_name == "demo/student"


def test_a_board_that_is_not_installed_is_named(room, tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "find_spec", lambda name: None)
    with pytest.raises(RunError, match="trackio is not installed; run: pip install trackio"):
        fine_tune(fresh(room), room[1], room[2], tmp_path / "out", replace(QUICK, report_to="trackio"))
    assert not list(tmp_path.iterdir())


def test_a_student_in_half_precision_is_trained_in_single(room, tmp_path):
    model = fresh(room).half()
    trained = fine_tune(model, room[1], room[2].select(range(8)), tmp_path / "out", Settings(epochs=1))
    assert {parameter.dtype for parameter in trained.parameters()} == {torch.float32}


def test_teacher_and_student_may_split_words_differently(room, tmp_path):
    _, tokenizer, train, _ = room
    teacher = fresh(room, 7)
    own = tiny.another_tokenizer(train["tokens"])
    assert len(own("Reykjavik")["input_ids"]) != len(tokenizer("Reykjavik")["input_ids"])
    torch.manual_seed(0)
    shape = {"num_hidden_layers": 2, "hidden_size": 24, "num_attention_heads": 2, "intermediate_size": 32}
    student = BertForTokenClassification(
        BertConfig(**teacher.config.to_dict() | shape | {"vocab_size": len(own), "pad_token_id": own.pad_token_id})
    )
    weights = Weights(hidden=1.0, relations=1.0)
    layers = weights.teacher_layers(teacher.config, student.config)
    transfer = samples.with_teacher(train, teacher, tokenizer, tmp_path / "signals", layers)

    def disagreement(model):
        pairs = zip(models.logits(model, own, train), transfer["teacher_logits"], strict=True)
        return np.mean([losses.kl_divergence(torch.tensor(s), torch.tensor(t)).mean() for s, t in pairs])

    before = disagreement(student)
    settings = Settings(epochs=6, learning_rate=3e-3, batch_size=8, alpha=0.0, temperature=1.0, weights=weights)
    distill(student, own, transfer, tmp_path / "out", settings)
    assert disagreement(student) < 0.7 * before
    assert models.load(tmp_path / "out")[1].get_vocab() == own.get_vocab()


def test_two_processes_at_one_model_train_it_once(tmp_path):
    """The second waits, and loads what the first has made."""
    corpus, out = tiny.corpus(tmp_path / "corpus"), tmp_path / "model"
    script = (
        "import sys, logging; logging.basicConfig(level=logging.INFO)\n"
        "from tinykd import data, models, training\n"
        "corpus = data.load(sys.argv[1])\n"
        "model, tokenizer = models.teacher(sys.argv[2], data.label_names(corpus))\n"
        "settings = training.Settings(epochs=4)\n"
        "training.fine_tune(model, tokenizer, corpus['train'], sys.argv[3], settings)\n"
    )
    command = [sys.executable, "-c", script, corpus, tiny.base_model(tmp_path / "base"), out]
    two = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    logs = [one.communicate(timeout=300)[1] for one in two]
    assert [one.returncode for one in two] == [0, 0], logs
    assert sum("already finished" in text for text in logs) == 1
    assert {path.name for path in tmp_path.iterdir()} == {"base", "corpus", "model"}


def test_nothing_to_train_on_is_said(room, tmp_path):
    with pytest.raises(DataError, match="there are no rows to train on"):
        fine_tune(fresh(room), room[1], room[2].select([]), tmp_path / "out", Settings())
    assert not list(tmp_path.iterdir())
