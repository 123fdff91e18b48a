import errno
import gc
import json
import math
import subprocess
import sys
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from datasets import ClassLabel, Dataset
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tokenizers.pre_tokenizers import WhitespaceSplit
from transformers import BertConfig, BertForTokenClassification, TrainerCallback, get_linear_schedule_with_warmup
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from tests import tiny
from tinykd import (
    callbacks,
    checkpoints,
    data,
    evaluation,
    hardware,
    inference,
    losses,
    models,
    pruning,
    samples,
    training,
)
from tinykd.errors import DataError, ModelError, RunError
from tinykd.objective import Objective, Weights
from tinykd.samples import DisagreementSampler, Dynamic
from tinykd.training import Settings, distill, fine_tune

SETTINGS = Settings(epochs=3, learning_rate=1e-3, batch_size=8, temperature=2.0, alpha=0.3)


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    """A base model, a corpus, and the corpus with the signals of a teacher."""
    folder = tmp_path_factory.mktemp("room")
    base = str(tiny.base_model(folder / "base"))
    train = data.load(str(tiny.corpus(folder / "corpus")))["train"]
    teacher, tokenizer = models.teacher(base, tiny.LABELS, seed=7)
    transfer = samples.with_teacher(train, teacher, tokenizer, folder / "signals")
    return base, tokenizer, train, transfer


def fresh(room, seed=0):
    return models.teacher(room[0], tiny.LABELS, seed=seed)[0]


def test_training_lowers_the_loss_and_saves_a_model_that_reloads(room, tmp_path):
    _, tokenizer, train, _ = room
    model = fresh(room)

    def loss(model):
        batch = data.collate(tokenizer)(list(data.encode(train, tokenizer)))
        labels = batch.pop("labels")
        with torch.inference_mode():
            del batch["word_starts"]
            return losses.cross_entropy(model(**batch).logits, labels).item()

    before = loss(model)
    fine_tune(model, tokenizer, train, tmp_path / "out", SETTINGS, progress=False)
    assert loss(model) < 0.9 * before
    assert loss(models.load(tmp_path / "out")[0]) == loss(model)
    assert not (tmp_path / "out-unfinished").exists()


def test_the_teacher_makes_a_difference_and_alpha_1_makes_none(room, tmp_path):
    _, tokenizer, train, transfer = room
    ends = {}
    for name, rows, alpha in (("labels", train, 0.3), ("alpha 1", transfer, 1.0), ("teacher", transfer, 0.3)):
        settings = Settings(epochs=1, learning_rate=1e-3, batch_size=8, alpha=alpha)
        ends[name] = distill(fresh(room), tokenizer, rows, tmp_path / name, settings, progress=False).state_dict()
    weight = "classifier.weight"
    torch.testing.assert_close(ends["labels"][weight], ends["alpha 1"][weight])
    assert not torch.allclose(ends["labels"][weight], ends["teacher"][weight], atol=1e-4)


def test_dropout_is_that_of_the_settings_while_it_trains_and_the_models_own_after(room, tmp_path, monkeypatch):
    seen = []
    original = training.DistillationTrainer.compute_loss

    def spy(self, model, *args, **kwargs):
        seen.append({module.p for module in model.modules() if isinstance(module, torch.nn.Dropout)})
        return original(self, model, *args, **kwargs)

    monkeypatch.setattr(training.DistillationTrainer, "compute_loss", spy)
    model = fresh(room)
    own = {module.p for module in model.modules() if isinstance(module, torch.nn.Dropout)}
    assert own == {0.1}
    distill(model, room[1], room[3], tmp_path / "out", replace(SETTINGS, epochs=1, dropout=0.0), progress=False)
    assert seen and all(shares == {0.0} for shares in seen)
    assert {module.p for module in model.modules() if isinstance(module, torch.nn.Dropout)} == own
    assert models.load(tmp_path / "out")[0].config.hidden_dropout_prob == 0.1
    with pytest.raises(ValueError, match=r"dropout is 1\.5"):
        replace(SETTINGS, dropout=1.5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_dropout_loses_its_share_at_random_and_keeps_the_mean(share, dtype):
    x = torch.ones(1000, 257, dtype=dtype, requires_grad=True)
    torch.manual_seed(0)
    dropped = hardware.dropout(x, share)
    lost = dropped == 0
    tolerance = 5 * math.sqrt(share * (1 - share) / x.numel())
    assert lost.float().mean().item() == pytest.approx(share, abs=tolerance)
    both = (lost[:, :-1] & lost[:, 1:]).float().mean().item()  # neighbours come from one draw
    assert both == pytest.approx(share**2, abs=2 * tolerance)
    assert set(dropped.unique().tolist()) == {0.0, torch.tensor(1.0, dtype=dtype).div(1 - share).item()}
    assert dropped.dtype == dtype and dropped.shape == x.shape
    dropped.sum().backward()
    torch.testing.assert_close(x.grad, dropped)  # the derivative of x * noise is the noise, and x is 1
    torch.manual_seed(0)
    assert torch.equal(hardware.dropout(x, share), dropped)


def test_dropout_of_nearly_everything_loses_nearly_everything():
    torch.manual_seed(0)
    assert (hardware.dropout(torch.ones(100_000), 1 - 2**-17) == 0).float().mean() > 0.999


def test_dropout_is_drawn_this_way_in_training_only(room):
    model, x = fresh(room).train(), torch.ones(10, 16)
    layer = model.dropout
    with hardware.with_dropout(model, None):
        torch.manual_seed(0)
        ours = layer(x)
        torch.manual_seed(0)
        assert torch.equal(ours, hardware.dropout(x, 0.1)) and (ours == 0).any()
        assert torch.equal(layer.eval()(x), x)
    assert "forward" not in vars(layer)
    for share in (0.0, 1.0):
        with hardware.with_dropout(model, share):
            assert torch.equal(layer.train()(x), (1 - share) * x)


def attend(attention, case, share):
    """Return what ``attention`` makes of three sentences, one of them half as long, and its derivatives."""
    generator = torch.Generator().manual_seed(0)
    tensors = [torch.randn(3, 2, 8, 4, generator=generator, requires_grad=True) for _ in range(3)]
    options = {"dropout": share, "scaling": None if case == "no scaling" else 0.3}
    mask = torch.ones(3, 1, 8, 8, dtype=torch.bool)
    mask[2, :, :, 4:] = False
    if case in ("float mask", "bias"):
        options |= {"position_bias": torch.ones(3, 2, 8, 8)} if case == "bias" else {}
        mask = torch.zeros(3, 1, 8, 8).masked_fill(~mask, -1e4) if case == "float mask" else mask
    layer = torch.nn.Module()
    layer.is_causal = case == "causal"
    with torch.autocast("cpu", torch.bfloat16, enabled=case == "bfloat16"):
        ready = [x.bfloat16() for x in tensors] if case == "bfloat16" else tensors
        mixed, none = attention(layer, *ready, None if case in ("no mask", "causal") else mask, **options)
    mixed.float().square().sum().backward()
    assert none is None
    return [mixed, *(x.grad for x in tensors)]


@pytest.mark.parametrize(
    "case", ["padding", "no mask", "no scaling", "bfloat16", "float mask", "bias", "causal", "nothing to drop"]
)
def test_attention_that_drops_next_to_nothing_is_that_of_the_library(case):
    share = 0.0 if case == "nothing to drop" else 1e-9  # rounds to no weight at all
    close = {"atol": 0.05, "rtol": 0.05} if case == "bfloat16" else {}
    pairs = zip(attend(hardware.attention, case, share), attend(sdpa_attention_forward, case, 0.0), strict=True)
    for ours, theirs in pairs:
        assert ours.dtype == theirs.dtype and ours.shape == theirs.shape
        torch.testing.assert_close(ours, theirs, **close)


def test_attention_drops_weights_with_our_numbers_while_training_and_the_librarys_after(room):
    model = models.teacher(room[0], tiny.LABELS)[0].train()
    inputs = {"input_ids": torch.arange(200, 216).view(2, 8)}
    attentions = [hardware.attention, sdpa_attention_forward]
    assert ALL_ATTENTION_FUNCTIONS["sdpa"] is attentions[1]
    results = []
    with hardware.with_dropout(model, 0.3):
        assert ALL_ATTENTION_FUNCTIONS["sdpa"] is attentions[0]
        for attention in attentions:
            ALL_ATTENTION_FUNCTIONS["sdpa"] = attention
            torch.manual_seed(0)
            results.append(model(**inputs).logits)
        ALL_ATTENTION_FUNCTIONS["sdpa"] = another = partial(sdpa_attention_forward)
        with hardware.with_dropout(model, 0.3):
            pass
        assert ALL_ATTENTION_FUNCTIONS["sdpa"] is another
    assert ALL_ATTENTION_FUNCTIONS["sdpa"] is attentions[1] and "sdpa" not in ALL_ATTENTION_FUNCTIONS._local_mapping
    assert not torch.allclose(*results)
    dropped = attend(hardware.attention, "padding", 0.5)[0]
    assert not torch.allclose(dropped, attend(hardware.attention, "padding", 1e-9)[0])


@pytest.mark.parametrize(("flag", "ratio", "expected"), [(False, 9.0, False), (True, 0.5, False), (True, 1.8, True)])
def test_bfloat16_is_used_where_it_is_there_and_faster(monkeypatch, flag, ratio, expected):
    """An Intel processor with AVX512-BF16 and without AMX takes twice as long with it."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: flag)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    seconds = {torch.float32: 1e-3, torch.bfloat16: 1e-3 / ratio}
    monkeypatch.setattr(hardware, "_seconds_a_product", seconds.get)
    assert hardware.prefers_bf16.__wrapped__() is expected


@pytest.mark.parametrize(("fast", "length", "fused"), [(True, 128, False), (True, 256, True), (False, 128, True)])
def test_attention_over_short_texts_is_plain_products_in_bfloat16(room, tmp_path, monkeypatch, fast, length, fused):
    """And only while it trains: who asks the model afterwards has the fused kernel again."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(hardware, "prefers_bf16", lambda: fast)
    kernel, seen, original = torch.backends.cuda.flash_sdp_enabled, [], training.DistillationTrainer.compute_loss

    def look(self, *args, **kwargs):
        seen.append(kernel())
        return original(self, *args, **kwargs)

    monkeypatch.setattr(training.DistillationTrainer, "compute_loss", look)
    settings = replace(SETTINGS, epochs=1, max_length=length)
    fine_tune(fresh(room), room[1], room[2], tmp_path / "out", settings, progress=False)
    assert set(seen) == {fused} and kernel()


def test_the_trainer_path_equals_the_loop_written_by_hand(room, tmp_path, monkeypatch):
    """The fifteen-line loop of lesson 02, on the same batches, ends at the same weights."""
    _, tokenizer, _, transfer = room
    monkeypatch.setattr(training, "prefers_bf16", lambda: False)
    seen = []
    original = training.DistillationTrainer.compute_loss

    def spy(self, model, inputs, *args, **kwargs):
        seen.append({key: value.clone() for key, value in inputs.items()})
        return original(self, model, inputs, *args, **kwargs)

    monkeypatch.setattr(training.DistillationTrainer, "compute_loss", spy)
    theirs = fresh(room)
    for module in theirs.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    ours = models.student("cut:2", theirs).train()
    distill(theirs, tokenizer, transfer, tmp_path / "out", SETTINGS, progress=False)

    for module in ours.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    optimizer = torch.optim.AdamW(ours.parameters(), lr=SETTINGS.learning_rate, weight_decay=0.0)
    schedule = get_linear_schedule_with_warmup(optimizer, math.ceil(0.1 * len(seen)), len(seen))
    for batch in seen:
        labels, teacher_logits = batch.pop("labels"), batch.pop("teacher_logits")
        words = batch.pop("word_starts") >= 0
        logits = ours(**batch).logits[labels != data.IGNORE]
        loss = losses.mixture(logits, teacher_logits[words], labels[labels != data.IGNORE], 0.3, 2.0)
        loss.backward()
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
    for (name, mine), other in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine, other, atol=1e-5, rtol=1e-4, msg=name)


class Stop(TrainerCallback):
    """Break off as Ctrl-C does, some steps after the first checkpoint."""

    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step == 9:  # 6 steps an epoch
            raise KeyboardInterrupt


@pytest.mark.usefixtures("every_epoch")
def test_an_interrupted_run_resumes_to_the_same_weights(room, tmp_path, monkeypatch):
    _, tokenizer, _, transfer = room
    distill(fresh(room), tokenizer, transfer, tmp_path / "whole", SETTINGS, progress=False)
    with monkeypatch.context() as patch:
        patch.setattr(training, "Bar", lambda title: Stop())
        with pytest.raises(KeyboardInterrupt):
            distill(fresh(room), tokenizer, transfer, tmp_path / "parts", SETTINGS)
    checkpoints = tmp_path / "parts-unfinished"
    assert (checkpoints / "checkpoint-6" / "finished.json").exists()
    (checkpoints / "checkpoint-9").mkdir()  # killed while it wrote this one
    distill(fresh(room), tokenizer, transfer, tmp_path / "parts", SETTINGS, progress=False)
    assert tiny.same_weights(tmp_path / "whole", tmp_path / "parts")


def test_a_finished_model_of_other_texts_or_labels_is_refused(room, tmp_path):
    _, tokenizer, train, _ = room
    quick = replace(SETTINGS, epochs=1)
    model = fine_tune(fresh(room), tokenizer, train, tmp_path / "out", quick, progress=False)
    with pytest.raises(RunError, match="trained on other texts or labels"):
        fine_tune(fresh(room), tokenizer, train.select(range(40)), tmp_path / "out", quick, progress=False)
    note = json.loads((tmp_path / "out" / "settings.json").read_text())
    note.pop("texts")  # the note of an older version
    (tmp_path / "out" / "settings.json").write_text(json.dumps(note))
    again = fine_tune(fresh(room), tokenizer, train.select(range(40)), tmp_path / "out", quick, progress=False)
    assert all(torch.equal(one, two) for one, two in zip(model.parameters(), again.parameters(), strict=True))


def test_a_finished_model_is_not_trained_again_and_other_settings_are_refused(room, tmp_path, monkeypatch):
    _, tokenizer, train, _ = room
    fine_tune(fresh(room), tokenizer, train, tmp_path / "out", SETTINGS, progress=False)
    monkeypatch.setattr(training, "DistillationTrainer", None)  # would fail if it were called
    fine_tune(fresh(room, seed=1), tokenizer, train, tmp_path / "out", SETTINGS, progress=False)
    with pytest.raises(RunError, match="trained with other settings"):
        fine_tune(fresh(room), tokenizer, train, tmp_path / "out", Settings(epochs=9), progress=False)
    for other, what in ((models.student("cut:1", fresh(room)), "num_hidden_layers is 2, not 1"),
                        (models.teacher(room[0], tiny.LABELS[::-1])[0], "id2label is ")):  # fmt: skip
        with pytest.raises(RunError, match=f"holds another model: its {what}"):
            fine_tune(other, tokenizer, train, tmp_path / "out", SETTINGS, progress=False)


@pytest.mark.usefixtures("every_epoch")
def test_an_interrupted_run_does_not_go_on_with_other_settings_or_labels(room, tmp_path, monkeypatch):
    _, tokenizer, train, _ = room
    with monkeypatch.context() as patch:
        patch.setattr(training, "Bar", lambda title: Stop())
        with pytest.raises(KeyboardInterrupt):
            fine_tune(fresh(room), tokenizer, train, tmp_path / "out", SETTINGS)
    slower = replace(SETTINGS, learning_rate=1e-5)
    with pytest.raises(RunError, match=r"checkpoint-6 was trained with other settings; take those of then, or delete"):
        fine_tune(fresh(room), tokenizer, train, tmp_path / "out", slower, progress=False)
    other = train.map(lambda row: {"labels": [0] * len(row["labels"])})  # the same word pieces
    with pytest.raises(RunError, match="is of a run on other samples; take those of then, or delete"):
        fine_tune(fresh(room), tokenizer, other, tmp_path / "out", SETTINGS, progress=False)
    assert not (tmp_path / "out").exists()
    fine_tune(fresh(room), tokenizer, train, tmp_path / "out", SETTINGS, progress=False)


def test_a_folder_that_holds_something_else_is_refused_before_the_work_and_kept(room, tmp_path, monkeypatch):
    _, tokenizer, train, _ = room
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("mine")
    model = fresh(room)
    models.save(model, tokenizer, tmp_path / "a model")  # that no training of ours has made
    monkeypatch.setattr(training, "DistillationTrainer", None)  # would fail if it were called
    for name in ("mine", "a model"):
        with pytest.raises(RunError, match="holds something else"):
            fine_tune(model, tokenizer, train, tmp_path / name, SETTINGS, progress=False)
    with pytest.raises(RunError, match="holds something else"):
        samples.with_teacher(train, model, tokenizer, tmp_path / "mine")
    with pytest.raises(RunError, match="a folder with a name of its own"):
        fine_tune(model, tokenizer, train, ".", SETTINGS, progress=False)
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.txt"]


def test_the_seed_decides_the_learned_projection_too(room, tmp_path):
    _, tokenizer, train, _ = room
    teacher = models.teacher(room[0], tiny.LABELS, seed=7)[0]
    weights = Weights(hidden=1.0)
    config = BertConfig(**teacher.config.to_dict() | {"hidden_size": 8})
    layers = weights.teacher_layers(teacher.config, config)
    transfer = samples.with_teacher(train, teacher, tokenizer, tmp_path / "signals", layers=layers)
    torch.manual_seed(0)
    narrow = BertForTokenClassification(config).state_dict()
    for before in (1, 2):
        student = BertForTokenClassification(config)
        student.load_state_dict(narrow)
        torch.manual_seed(before)  # what else this process has drawn
        settings = replace(SETTINGS, epochs=1, weights=weights)
        distill(student, tokenizer, transfer, tmp_path / f"out-{before}", settings, progress=False)
    assert tiny.same_weights(tmp_path / "out-1", tmp_path / "out-2")


@pytest.mark.usefixtures("every_epoch")
def test_a_loss_that_is_no_number_stops_at_its_step_and_keeps_the_last_good_checkpoint(room, tmp_path):
    _, tokenizer, train, _ = room

    class Poison(TrainerCallback):
        def on_step_begin(self, args, state, control, model=None, **kwargs):
            if state.global_step == 8:
                model.student.classifier.weight.data.fill_(math.nan)

    original = training.Bar
    training.Bar = lambda title: Poison()
    try:
        with pytest.raises(
            RunError,
            match=r"the loss is nan at step 9; the last good checkpoint, if there was one, is kept in .*unfinished",
        ):
            fine_tune(fresh(room), tokenizer, train, tmp_path / "out", SETTINGS)
    finally:
        training.Bar = original
    assert (tmp_path / "out-unfinished" / "checkpoint-6" / "finished.json").exists()
    assert not (tmp_path / "out").exists()


def test_memory_is_kept_only_where_the_c_library_is_glibc(monkeypatch):
    asked = []

    class CLibrary:
        def __init__(self, name):
            self.mallopt = lambda which, value: asked.append(which)

    monkeypatch.setattr(hardware.ctypes, "CDLL", CLibrary)
    for name, found in (("", []), ("glibc", [-3, -1])):
        monkeypatch.setattr(hardware.platform, "libc_ver", lambda name=name: (name, ""))
        hardware.keep_memory()
        assert asked == found


@pytest.mark.parametrize("seconds, saves", [(0, 3), (1e6, 0)])
def test_a_short_run_writes_no_checkpoint(room, tmp_path, monkeypatch, seconds, saves):
    _, tokenizer, train, _ = room
    monkeypatch.setattr(checkpoints, "SECONDS", seconds)
    marked = []
    monkeypatch.setattr(checkpoints, "mark", lambda folder, *_: marked.append(folder.name))
    fine_tune(fresh(room), tokenizer, train, tmp_path / "out", SETTINGS, progress=False)
    assert len(marked) == saves
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("seconds, step", [(0, 6), (1e6, 18)])
def test_weights_that_are_no_numbers_are_never_saved(room, tmp_path, monkeypatch, seconds, step):
    _, tokenizer, train, _ = room
    monkeypatch.setattr(checkpoints, "SECONDS", seconds)
    monkeypatch.setattr(
        training.torch, "isfinite", lambda t: torch.zeros(1, dtype=bool) if t.dim() else torch.ones(1, dtype=bool)
    )
    with pytest.raises(RunError, match=f"no longer numbers at step {step};"):
        fine_tune(fresh(room), tokenizer, train, tmp_path / "out", SETTINGS, progress=False)
    assert not (tmp_path / "out").exists()
    assert not list((tmp_path / "out-unfinished").glob("*/finished.json"))


@pytest.mark.usefixtures("every_epoch")
def test_a_full_disk_is_one_clear_line(room, tmp_path, monkeypatch):
    _, tokenizer, train, _ = room

    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(training.Trainer, "_save_checkpoint", full)
    with pytest.raises(RunError, match="the disk is full"):
        fine_tune(fresh(room), tokenizer, train, tmp_path / "out", SETTINGS, progress=False)


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": 0},
        {"learning_rate": -1},
        {"learning_rate": math.inf},
        {"alpha": 1.5},
        {"temperature": 0},
        {"temperature": math.inf},
        {"temperature_end": math.nan},
        {"batch_size": 0},
        {"batch_size": 1.5},
        {"epochs": 2.5},
        {"max_length": 0},
        {"heads": 0},
    ],
)
def test_impossible_settings_are_refused_before_any_work(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Settings(**wrong)


def test_classification_trains_and_distils_too(room, tmp_path):
    texts = [f"{word} it is {i}" for i in range(12) for word in ("yes", "no")]
    rows = Dataset.from_dict({"text": texts, "label": [0, 1] * 12})
    with pytest.raises(DataError, match="numbers without names"):
        data.label_names(rows)
    rows = rows.cast_column("label", ClassLabel(names=["no", "yes"]))
    model, tokenizer = models.teacher(room[0], ["no", "yes"], "classification")
    transfer = samples.with_teacher(rows, model, tokenizer, tmp_path / "signals")
    assert np.asarray(transfer[0]["teacher_logits"]).shape == (1, 2)
    student = models.student("cut:1", model)
    settings = Settings(epochs=1, batch_size=8)
    distill(student, tokenizer, transfer, tmp_path / "out", settings, progress=False)
    assert models.task_of(models.load(tmp_path / "out")[0]) == "classification"


def test_texts_whose_words_two_tokenizers_see_differently_have_no_common_states(room, tmp_path):
    rows = Dataset.from_dict({"text": ["I don't like it at all"] * 8, "label": [0] * 8})
    rows = rows.cast_column("label", ClassLabel(names=["no", "yes"]))
    teacher, tokenizer = models.teacher(room[0], ["no", "yes"], "classification")
    weights = Weights(hidden=1.0)
    layers = weights.teacher_layers(teacher.config, teacher.config)
    transfer = samples.with_teacher(rows, teacher, tokenizer, tmp_path / "signals", layers=layers)
    own = tiny.another_tokenizer([["do", "like", "it", "at", "all"]])
    own.backend_tokenizer.pre_tokenizer = WhitespaceSplit()  # to which "don't" is one word
    student = models.student("cut:1", teacher)
    settings = Settings(epochs=1, batch_size=8, weights=weights)
    with pytest.raises(DataError, match=r"the student's tokenizer finds fewer; teacher and student must see the same"):
        distill(student, own, transfer, tmp_path / "out", settings, progress=False)
    plain = replace(settings, weights=Weights())
    distill(student, own, transfer.select_columns(["text", "label", "teacher_logits"]), tmp_path / "out", plain)


@pytest.mark.parametrize("name", ["alpha", "temperature", "teacher_share"])
def test_a_schedule_is_a_straight_line(name):
    settings = Settings(**{name: 0.5, f"{name}_end": 1.0})
    assert [settings.at(done)[name] for done in (0.0, 0.5, 1.0)] == [0.5, 0.75, 1.0]
    assert Settings(**{name: 0.5}).at(0.9)[name] == 0.5


def test_the_trainer_follows_the_schedule(room, tmp_path, monkeypatch):
    seen = []
    original = losses.mixture

    def spy(*arguments):
        seen.append(arguments[3] - 10 * arguments[4])  # alpha and temperature
        return original(*arguments)

    monkeypatch.setattr(losses, "mixture", spy)
    settings = replace(SETTINGS, epochs=1, alpha=1.0, alpha_end=0.0, temperature=4.0, temperature_end=1.0)
    distill(fresh(room), room[1], room[3], tmp_path / "out", settings, progress=False)
    assert seen == pytest.approx([(1 - step / 6) - 10 * (4 - 3 * step / 6) for step in range(6)])


def test_every_loss_has_a_curve_of_its_own(room, tmp_path, monkeypatch):
    monkeypatch.delenv("TENSORBOARD_LOGGING_DIR", raising=False)
    _, tokenizer, train, _ = room
    teacher = models.teacher(room[0], tiny.LABELS, seed=7)[0]
    weights = Weights(hidden=1.0, relations=1.0)
    student = models.student("cut:1", fresh(room))
    layers = weights.teacher_layers(teacher.config, student.config)
    transfer = samples.with_teacher(train, teacher, tokenizer, tmp_path / "signals", layers=layers)
    settings = replace(SETTINGS, weights=weights)
    distill(student, tokenizer, transfer, tmp_path / "out", settings, progress=False, report_to="tensorboard")
    log = [line for line in json.loads((tmp_path / "out" / "log.json").read_text()) if "loss" in line]
    for line in log:
        assert line["loss"] == pytest.approx(line["prediction"] + line["hidden"] + line["relations"], rel=0.02)
    fine_tune(fresh(room), tokenizer, train, tmp_path / "other", SETTINGS, progress=False, report_to="tensorboard")
    assert {path.name for path in (tmp_path / "tensorboard").iterdir()} == {"out", "other"}  # each model its own
    board = EventAccumulator(str(tmp_path / "tensorboard" / "out")).Reload()
    for name in ("loss", "prediction", "hidden", "relations"):
        curve = [event.value for event in board.Scalars(f"train/{name}")]
        assert curve == pytest.approx([line[name] for line in log])


def test_a_teacher_asked_at_every_step_says_what_the_store_holds(room, tmp_path):
    _, tokenizer, train, _ = room
    teacher = models.teacher(room[0], tiny.LABELS, seed=7)[0]
    weights = Weights(hidden=1.0, attention=1.0)
    layers = weights.teacher_layers(teacher.config, teacher.config)
    stored = samples.with_teacher(train, teacher, tokenizer, tmp_path / "signals", layers=layers)
    settings = replace(SETTINGS, epochs=1, weights=weights)
    distill(fresh(room), tokenizer, stored, tmp_path / "stored", settings, progress=False)
    asked = {"teacher": teacher, "teacher_layers": layers}
    distill(fresh(room), tokenizer, train, tmp_path / "online", settings, progress=False, **asked)
    curves = []
    for name in ("stored", "online"):
        log = json.loads((tmp_path / name / "log.json").read_text())
        curves.append([line[loss] for line in log if "loss" in line for loss in ("prediction", "hidden", "attention")])
    assert curves[0] == pytest.approx(curves[1], rel=0.01)  # the store keeps 16 bits


def test_a_teacher_asked_at_every_step_with_labels_in_another_order_is_refused(room, tmp_path):
    teacher = models.teacher(room[0], tiny.LABELS[::-1], seed=7)[0]
    with pytest.raises(ModelError, match="in the student's order; it has I-PER, B-PER"):
        distill(fresh(room), room[1], room[2], tmp_path / "out", SETTINGS, progress=False, teacher=teacher)
    assert not (tmp_path / "out").exists()


def test_a_teacher_asked_at_every_step_reads_the_students_pieces(room, tmp_path):
    student, tokenizer = pruning.prune_vocabulary(fresh(room), room[1], [room[2]])
    with pytest.raises(ModelError, match=r"must read the student's word pieces; it knows 30522, the student \d{4}\."):
        distill(student, tokenizer, room[2], tmp_path / "out", SETTINGS, progress=False, teacher=fresh(room, 7))
    assert not (tmp_path / "out").exists()


def test_of_several_devices_one_process_takes_one(tmp_path, monkeypatch):
    assert training._arguments(tmp_path / "out", SETTINGS, "none").n_gpu <= 1
    monkeypatch.setattr(training.TrainingArguments, "n_gpu", property(lambda self: vars(self).get("_n_gpu", 2)))
    monkeypatch.setattr(training.TrainingArguments, "_setup_devices", None)
    assert training._arguments(tmp_path / "out", SETTINGS, "none").n_gpu == 1


def test_each_model_has_a_run_of_its_own_on_a_board(tmp_path, monkeypatch):
    ended = []
    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(finish=lambda: ended.append(1)))
    with pytest.raises(KeyboardInterrupt), callbacks.curves_of(tmp_path / "demo" / "student", "wandb"):
        raise KeyboardInterrupt
    assert ended == [1]
    with callbacks.curves_of(tmp_path / "demo" / "student", "tensorboard"):
        pass
    assert ended == [1]
    assert training._arguments(tmp_path / "demo" / "student", SETTINGS, "none").run_name == "demo/student"


def test_models_go_where_the_trainer_takes_them(room, monkeypatch):
    assert torch.accelerator.is_available() or hardware.device() == torch.device("cpu")
    seen = []
    monkeypatch.setattr(torch.nn.Module, "to", lambda model, place, *_: seen.append(place) or model)
    tokenizer, train = room[1], room[2].select(range(2))
    for ask in (lambda m: inference.logits(m, tokenizer, train), lambda m: evaluation.latency(m, tokenizer, train)):
        ask(fresh(room))
    samples.online(data.collate(tokenizer), fresh(room))
    assert seen == 3 * [hardware.device()]


def test_a_model_that_was_moved_to_answer_can_still_be_trained(room, monkeypatch):
    monkeypatch.setattr(hardware, "device", lambda: torch.float64)  # no other device is here; this moves weights, too
    model = fresh(room)
    assert inference.logits(model, room[1], room[2].select(range(2)))
    assert evaluation.latency(model, room[1], room[2].select(range(2))) > 0
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float64}
    assert not any(parameter.is_inference() for parameter in model.parameters())


def test_a_process_of_torchrun_has_a_device_of_its_own(monkeypatch):
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda: torch.device("cuda"))
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    assert hardware.device() == torch.device("cuda")
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert hardware.device() == torch.device("cuda", 1)


def test_a_student_in_half_precision_is_trained_in_single(room, tmp_path):
    model = fresh(room).half()
    trained = fine_tune(model, room[1], room[2].select(range(8)), tmp_path / "out", Settings(epochs=1), progress=False)
    assert {parameter.dtype for parameter in trained.parameters()} == {torch.float32}


def test_teacher_and_student_may_split_words_differently(room, tmp_path):
    _, tokenizer, train, _ = room
    teacher = models.teacher(room[0], tiny.LABELS, seed=7)[0]
    own = tiny.another_tokenizer(train["tokens"])
    assert len(own("Reykjavik")["input_ids"]) != len(tokenizer("Reykjavik")["input_ids"])
    torch.manual_seed(0)
    student = models.student("tinybert-4", teacher, vocabulary=len(own))
    weights = Weights(hidden=1.0, relations=1.0)
    config = BertConfig(
        **student.config.to_dict() | {"num_hidden_layers": 2, "hidden_size": 24, "num_attention_heads": 2}
    )
    student = BertForTokenClassification(config)
    layers = weights.teacher_layers(teacher.config, student.config)
    transfer = samples.with_teacher(train, teacher, tokenizer, tmp_path / "signals", layers=layers)

    def disagreement(model):
        told = zip(inference.logits(model, own, train), transfer["teacher_logits"], strict=True)
        return np.mean([losses.kl_divergence(torch.tensor(s), torch.tensor(t)).mean() for s, t in told])

    before = disagreement(student)
    settings = Settings(epochs=6, learning_rate=3e-3, batch_size=8, alpha=0.0, temperature=1.0, weights=weights)
    distill(student, own, transfer, tmp_path / "out", settings, progress=False)
    assert disagreement(student) < 0.7 * before
    assert models.load(tmp_path / "out")[1].get_vocab() == own.get_vocab()


DYNAMIC = replace(
    SETTINGS, dynamic=Dynamic(refresh=2, candidates=2.0, correction=0.5), teacher_share=0.5, teacher_share_end=1.0
)


def test_dynamic_samples_resume_to_the_same_weights(room, tmp_path, monkeypatch):
    _, tokenizer, _, transfer = room
    distill(fresh(room), tokenizer, transfer, tmp_path / "whole", DYNAMIC, progress=False)
    with monkeypatch.context() as patch:
        patch.setattr(training, "Bar", lambda title: Stop())
        with pytest.raises(KeyboardInterrupt):
            distill(fresh(room), tokenizer, transfer, tmp_path / "parts", DYNAMIC)
    distill(fresh(room), tokenizer, transfer, tmp_path / "parts", DYNAMIC, progress=False)
    assert tiny.same_weights(tmp_path / "whole", tmp_path / "parts")


def test_dynamic_samples_count_as_they_were_drawn(room, tmp_path, monkeypatch):
    """The loader fetches a batch ahead, so that the next draw comes before the last batch of this one is trained."""
    drawn, trained, draw, forward = [], [], DisagreementSampler._draw, Objective.forward

    def _draw(self, *arguments):
        chosen = draw(self, *arguments)
        drawn.extend(self.weight[chosen].tolist())
        return chosen

    def _forward(self, *arguments, weight=None, **named):
        trained.extend([] if weight is None else weight.tolist())  # None: only to see where it disagrees
        return forward(self, *arguments, weight=weight, **named)

    monkeypatch.setattr(DisagreementSampler, "_draw", _draw)
    monkeypatch.setattr(Objective, "forward", _forward)
    distill(fresh(room), room[1], room[3], tmp_path / "out", DYNAMIC, progress=False)
    assert len(trained) == 3 * len(room[3]) and len(set(trained)) > 10
    assert trained == drawn


def test_dynamic_samples_need_a_teacher(room, tmp_path):
    with pytest.raises(RunError, match="dynamic samples need the teacher's logits"):
        distill(fresh(room), room[1], room[2], tmp_path / "out", DYNAMIC, progress=False)


def test_two_processes_at_one_model_train_it_once(tmp_path, caplog):
    """The second waits, and loads what the first has made."""
    corpus, out = tiny.corpus(tmp_path / "corpus"), tmp_path / "model"
    script = (
        "import sys, logging; logging.basicConfig(level=logging.INFO)\n"
        "from tinykd import data, models, training\n"
        "corpus = data.load(sys.argv[1])\n"
        "model, tokenizer = models.teacher(sys.argv[2], data.label_names(corpus))\n"
        "settings = training.Settings(epochs=4)\n"
        "training.fine_tune(model, tokenizer, corpus['train'], sys.argv[3], settings, progress=False)\n"
    )
    command = [sys.executable, "-c", script, corpus, tiny.base_model(tmp_path / "base"), out]
    two = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = [one.communicate(timeout=300)[1] for one in two]
    assert [one.returncode for one in two] == [0, 0], said
    assert sum("already finished" in text for text in said) == 1
    assert {path.name for path in tmp_path.iterdir()} == {"base", "corpus", "model"}


@pytest.mark.parametrize("frozen", [False, True])
def test_the_garbage_collector_is_as_it_was(room, tmp_path, frozen):
    (gc.freeze if frozen else gc.unfreeze)()
    with hardware.without_old_garbage():
        assert gc.get_freeze_count() > 0
    assert (gc.get_freeze_count() > 0) == frozen
    fine_tune(fresh(room), room[1], room[2], tmp_path / "out", replace(SETTINGS, epochs=1), progress=False)
    assert (gc.get_freeze_count() > 0) == frozen
    gc.freeze()  # as conftest.py did


def test_nothing_to_train_on_is_said(room, tmp_path):
    model, tokenizer, train = fresh(room), room[1], room[2].select([])
    with pytest.raises(DataError, match="there are no rows to train on"):
        training.fine_tune(model, tokenizer, train, tmp_path / "out", Settings())
