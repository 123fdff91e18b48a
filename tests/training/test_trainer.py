"""The Trainer's own three things: the loss, its terms in the log, the order of the samples."""

import contextlib
import json
import math
from dataclasses import replace

import pytest
import torch
from accelerate import Accelerator
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from transformers import TrainerCallback, get_linear_schedule_with_warmup

from tests import tiny
from tests.training.test_runs import interrupted
from tinykd import data, losses, models, samples
from tinykd.errors import RunError
from tinykd.models import inference, precision
from tinykd.samples import DisagreementSampler, Dynamic
from tinykd.training import DistillationTrainer, Objective, Settings, Weights, callbacks, distill, fine_tune, runs

SETTINGS = Settings(epochs=3, learning_rate=1e-3, batch_size=8, temperature=2.0, alpha=0.3)


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


def test_training_lowers_the_loss_and_saves_a_model_that_reloads(room, tmp_path):
    _, tokenizer, train, _ = room
    model = fresh(room)

    def loss(model):
        batch = data.collate(tokenizer)(list(data.encode(train, tokenizer)))
        labels = batch.pop("labels")
        with torch.inference_mode():
            del batch["first_subwords"]
            return losses.cross_entropy(model(**batch).logits, labels).item()

    before = loss(model)
    fine_tune(model, tokenizer, train, tmp_path / "out", SETTINGS)
    assert loss(model) < 0.9 * before
    assert loss(models.load(tmp_path / "out")[0]) == loss(model)
    assert not (tmp_path / "out-unfinished").exists()


def test_dropout_is_that_of_the_settings_while_it_trains_and_the_models_own_after(room, tmp_path, monkeypatch):
    seen, original = [], DistillationTrainer.compute_loss

    def spy(self, model, *args, **kwargs):
        seen.append({module.p for module in model.modules() if isinstance(module, torch.nn.Dropout)})
        return original(self, model, *args, **kwargs)

    monkeypatch.setattr(DistillationTrainer, "compute_loss", spy)
    model = fresh(room)
    own = {module.p for module in model.modules() if isinstance(module, torch.nn.Dropout)}
    assert own == {0.1}
    distill(model, room[1], room[3], tmp_path / "out", replace(SETTINGS, epochs=1, dropout=0.0))
    assert seen and all(shares == {0.0} for shares in seen)
    assert {module.p for module in model.modules() if isinstance(module, torch.nn.Dropout)} == own
    assert models.load(tmp_path / "out")[0].config.hidden_dropout_prob == 0.1


def test_the_trainer_path_equals_the_loop_written_by_hand(room, tmp_path, monkeypatch):
    """The fifteen-line loop of lesson 02, on the same batches, ends at the same weights."""
    seen, original = [], DistillationTrainer.compute_loss

    def spy(self, model, inputs, *args, **kwargs):
        seen.append({key: value.clone() for key, value in inputs.items()})
        return original(self, model, inputs, *args, **kwargs)

    monkeypatch.setattr(DistillationTrainer, "compute_loss", spy)
    theirs = fresh(room)
    ours = models.student("cut:2", theirs).train()
    distill(theirs, room[1], room[3], tmp_path / "out", replace(SETTINGS, dropout=0.0))

    for module in ours.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    optimizer = torch.optim.AdamW(ours.parameters(), lr=SETTINGS.learning_rate, weight_decay=0.0)
    schedule = get_linear_schedule_with_warmup(optimizer, math.ceil(0.1 * len(seen)), len(seen))
    for batch in seen:
        labels, teacher_logits = batch.pop("labels"), batch.pop("teacher_logits")
        words = batch.pop("first_subwords") >= 0
        logits = ours(**batch).logits[labels != data.IGNORE]
        loss = losses.kd_loss(logits, teacher_logits[words], labels[labels != data.IGNORE], 0.3, 2.0)
        loss.backward()
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
    for (name, mine), other in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine, other, atol=1e-5, rtol=1e-4, msg=name)


def test_gradients_are_clipped_where_the_settings_say_so(room, tmp_path, monkeypatch):
    clipped = []
    clip = Accelerator.clip_grad_norm_

    def noted(self, parameters, norm, *more, **how):
        clipped.append(norm)
        return clip(self, parameters, norm, *more, **how)

    monkeypatch.setattr(Accelerator, "clip_grad_norm_", noted)
    for norm in (0.0, 0.5):
        settings = replace(SETTINGS, epochs=1, max_grad_norm=norm)
        fine_tune(fresh(room), room[1], room[2], tmp_path / str(norm), settings)
    assert set(clipped) == {0.5}


class Poison(TrainerCallback):
    """Spoil the weights before a step."""

    def __init__(self, step):
        self.step = step

    def on_step_begin(self, args, state, control, model=None, **kwargs):
        if state.global_step == self.step:
            model.student.classifier.weight.data.fill_(math.nan)


@pytest.mark.usefixtures("every_epoch")
def test_a_loss_that_is_no_number_stops_at_its_step_and_keeps_the_last_good_checkpoint(room, tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "Bar", lambda title: Poison(8))
    told = r"the loss is nan at step 9; the last good checkpoint, if there was one, is kept in .*unfinished"
    with pytest.raises(RunError, match=told):
        fine_tune(fresh(room), room[1], room[2], tmp_path / "out", SETTINGS)
    assert (tmp_path / "out-unfinished" / "checkpoint-6" / "finished.json").exists()
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("seconds", "step"), [(0, 6), (1e6, 1)])
def test_weights_that_are_no_numbers_are_never_saved(room, tmp_path, monkeypatch, seconds, step):
    """The loss of a step is computed before its update: a number, and yet the weights are none."""
    monkeypatch.setattr(callbacks, "SECONDS", seconds)

    class Overflow(TrainerCallback):
        def on_optimizer_step(self, args, state, control, model=None, **kwargs):
            if state.global_step == step - 1:
                model.student.classifier.weight.data.fill_(math.nan)

    monkeypatch.setattr(runs, "Bar", lambda title: Overflow())
    with pytest.raises(RunError, match=f"the weights are no longer numbers at step {step};"):
        fine_tune(fresh(room), room[1], room[2], tmp_path / "out", SETTINGS)
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.glob("out-unfinished/*/finished.json"))


def test_the_loss_is_not_looked_at_after_every_step(room, tmp_path, monkeypatch):
    """An accelerator would wait for the answer; a loss that is no number is refused at the next line of the log."""
    steps, looks = [], []
    original, finite, item = DistillationTrainer.compute_loss, torch.isfinite, torch.Tensor.item

    def spy(self, *args, **kwargs):
        steps.append(self.state.global_step)
        with monkeypatch.context() as patch:
            patch.setattr(torch.Tensor, "item", lambda tensor: looks.append("item") or item(tensor))
            return original(self, *args, **kwargs)

    monkeypatch.setattr(callbacks, "SECONDS", 1e6)  # a checkpoint looks, too
    monkeypatch.setattr(DistillationTrainer, "compute_loss", spy)
    monkeypatch.setattr(torch, "isfinite", lambda t: looks.append("loss" if t.dim() == 0 else "weights") or finite(t))
    settings = replace(SETTINGS, epochs=50, batch_size=2)
    rows = room[2].select(range(8))
    fine_tune(fresh(room), room[1], rows, tmp_path / "out", settings)
    weights = len(list(fresh(room).parameters()))
    assert len(steps) == 200
    assert not {"item", "loss"} & set(looks)
    assert len(looks) / weights <= 52  # fifty lines of the log, and the end
    monkeypatch.setattr(runs, "Bar", lambda title: Poison(101))
    with pytest.raises(RunError, match=r"the loss is nan at step 104;"):
        fine_tune(fresh(room), room[1], rows, tmp_path / "poisoned", settings)
    assert not (tmp_path / "poisoned").exists()


def test_the_trainer_follows_the_schedule(room, tmp_path, monkeypatch):
    seen, original = [], losses.kd_loss

    def spy(*arguments):
        seen.append(arguments[3] - 10 * arguments[4])  # alpha and temperature
        return original(*arguments)

    monkeypatch.setattr(losses, "kd_loss", spy)
    settings = replace(SETTINGS, epochs=1, alpha=1.0, alpha_end=0.0, temperature=4.0, temperature_end=1.0)
    distill(fresh(room), room[1], room[3], tmp_path / "out", settings)
    assert seen == pytest.approx([(1 - step / 6) - 10 * (4 - 3 * step / 6) for step in range(6)])


def test_every_loss_has_a_curve_of_its_own(room, tmp_path, monkeypatch):
    monkeypatch.delenv("TENSORBOARD_LOGGING_DIR", raising=False)
    _, tokenizer, train, _ = room
    weights, student = Weights(hidden=1.0, relations=1.0), models.student("cut:1", fresh(room))
    teacher = fresh(room, 7)
    layers = weights.teacher_layers(teacher.config, student.config)
    transfer = samples.with_teacher(train, teacher, tokenizer, tmp_path / "signals", layers)
    settings = replace(SETTINGS, weights=weights, report_to="tensorboard")
    distill(student, tokenizer, transfer, tmp_path / "out", settings)
    log = [line for line in json.loads((tmp_path / "out" / "log.json").read_text()) if "loss" in line]
    for line in log:
        assert line["loss"] == pytest.approx(line["prediction"] + line["hidden"] + line["relations"], rel=0.02)
    fine_tune(fresh(room), tokenizer, train, tmp_path / "other", replace(SETTINGS, report_to="tensorboard"))
    assert {path.name for path in (tmp_path / "tensorboard").iterdir()} == {"out", "other"}  # each model its own
    board = EventAccumulator(str(tmp_path / "tensorboard" / "out")).Reload()
    for name in ("loss", "prediction", "hidden", "relations"):
        curve = [event.value for event in board.Scalars(f"train/{name}")]
        assert curve == pytest.approx([line[name] for line in log])


def test_models_go_where_the_trainer_takes_them(room, monkeypatch):
    assert torch.accelerator.is_available() or precision.device() == torch.device("cpu")
    seen = []
    monkeypatch.setattr(torch.nn.Module, "to", lambda model, place, *_: seen.append(place) or model)
    models.logits(fresh(room).train(), room[1], room[2].select(range(2)))
    samples.online(data.collate(room[1]), fresh(room).train())
    assert seen == 2 * [precision.device()]


def test_a_model_that_was_moved_to_predict_can_still_be_trained(room, monkeypatch):
    move = torch.nn.Module.to
    monkeypatch.setattr(precision, "device", lambda: torch.device("meta"))  # no other device is here: …
    monkeypatch.setattr(torch.nn.Module, "to", lambda model, place: move(model, torch.float64))  # … this moves, too
    monkeypatch.setattr(inference, "autocast", lambda precision: contextlib.nullcontext())
    model = fresh(room)
    assert models.logits(model, room[1], room[2].select(range(2)))
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float64}
    assert not any(parameter.is_inference() for parameter in model.parameters())


DYNAMIC = replace(SETTINGS, dynamic=Dynamic(refresh=2, candidates=2.0, correction=0.5), mixing=0.5, mixing_end=1.0)


@pytest.mark.usefixtures("every_epoch")
def test_dynamic_samples_resume_to_the_same_weights(room, tmp_path, monkeypatch):
    _, tokenizer, _, transfer = room
    distill(fresh(room), tokenizer, transfer, tmp_path / "whole", DYNAMIC)
    interrupted(monkeypatch, distill, fresh(room), tokenizer, transfer, tmp_path / "parts", DYNAMIC)
    assert (tmp_path / "parts-unfinished" / "checkpoint-6" / "finished.json").exists()
    distill(fresh(room), tokenizer, transfer, tmp_path / "parts", DYNAMIC)
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
    distill(fresh(room), room[1], room[3], tmp_path / "out", DYNAMIC)
    assert len(trained) == 3 * len(room[3]) and len(set(trained)) > 10
    assert trained == drawn


def test_dynamic_samples_need_a_teacher(room, tmp_path):
    with pytest.raises(RunError, match="dynamic samples need the teacher's logits"):
        fine_tune(fresh(room), room[1], room[2], tmp_path / "out", DYNAMIC)
