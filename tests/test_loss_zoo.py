"""Each way to write the loss is ours times a number that can be derived, and the recorded table says which."""

import importlib.util
import json
import math
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from tinykd.data import IGNORE

PATH = Path(__file__).resolve().parent.parent / "experiments" / "loss_zoo.py"
spec = importlib.util.spec_from_file_location("loss_zoo", PATH)
zoo = importlib.util.module_from_spec(spec)
spec.loader.exec_module(zoo)

#: gradient of the teacher's term over ours at a word that counts; n words in N positions, B rows, C classes, T
FACTORS = {
    "ours": lambda n, N, B, C, T: 1,
    "textbrewer": lambda n, N, B, C, T: 1 / T**2,
    "torchdistill": lambda n, N, B, C, T: n / N,
    "tinybert": lambda n, N, B, C, T: n / (N * C * T**2),
    "distilbert": lambda n, N, B, C, T: 1,
    "keras": lambda n, N, B, C, T: n / N,
    "trl": lambda n, N, B, C, T: 1 / T**2,
    "pytorch_tutorial": lambda n, N, B, C, T: n / B,
}
LABELS_FACTORS = {"keras": lambda n, N: n / N}  # the others' labels term is ours
SEES_PADDING = {"torchdistill", "tinybert", "keras", "pytorch_tutorial"}
BATCHES = {
    "classification": zoo.classification(),
    "tagging": zoo.tagging(),
    "another shape": zoo.tagging(seed=3, lengths=(7, 2, 4), classes=5),
    "no padding": zoo.tagging(seed=4, lengths=(3, 3)),
}
EVERY_BATCH = pytest.mark.parametrize("batch", BATCHES.values(), ids=BATCHES.keys())
EVERY_ENTRY = pytest.mark.parametrize("name", zoo.ZOO)


def sizes(batch):
    return int((batch.labels != IGNORE).sum()), batch.labels.numel(), batch.student.shape[0], batch.student.shape[-1]


def soft_gradient(name, batch, temperature):
    entry = zoo.ZOO[name]
    return zoo.gradient(lambda b: entry.soft(b.student, b.teacher, b.labels, temperature), batch)


def test_our_own_row_is_the_gradient_by_hand():
    batch, T = BATCHES["tagging"], 3.0
    counted = batch.labels != IGNORE
    by_hand = T * ((batch.student / T).softmax(-1) - (batch.teacher / T).softmax(-1)) / counted.sum()
    assert_close(soft_gradient("ours", batch, T), torch.where(counted[..., None], by_hand, 0))


@EVERY_ENTRY
@EVERY_BATCH
@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0, 8.0])
def test_the_teachers_term_is_ours_times_the_derived_factor(name, batch, temperature):
    n, N, B, C = sizes(batch)
    counted = batch.labels != IGNORE
    theirs, ours = soft_gradient(name, batch, temperature), soft_gradient("ours", batch, temperature)
    assert_close(theirs[counted], FACTORS[name](n, N, B, C, temperature) * ours[counted])
    assert bool(theirs[~counted].any()) == (name in SEES_PADDING and n < N)


@EVERY_ENTRY
@EVERY_BATCH
@pytest.mark.parametrize("alpha", [0.2, 0.5, 0.8])
def test_the_whole_loss_is_ours_with_another_alpha(name, batch, alpha):
    """Their direction, at words that count, is our direction for ``own_alpha``; where there are no labels, for 0."""
    n, N, B, C = sizes(batch)
    T, counted = 4.0, batch.labels != IGNORE
    soft = (1 - alpha) * FACTORS[name](n, N, B, C, T)
    hard = alpha * LABELS_FACTORS.get(name, lambda n, N: 1)(n, N)
    if zoo.ZOO[name].hard is None:
        soft, hard = FACTORS[name](n, N, B, C, T), 0.0
    own_alpha = hard / (hard + soft)
    theirs = zoo.gradient(lambda b: zoo.ZOO[name].total(b, alpha, T), batch)
    ours = zoo.gradient(lambda b: zoo.ZOO["ours"].total(b, own_alpha, T), batch)
    assert_close(theirs[counted], (hard + soft) * ours[counted])
    assert_close(zoo.compare(zoo.ZOO[name], batch, T, alpha)["own_alpha"], own_alpha)


@EVERY_ENTRY
def test_the_formula_that_readers_see_is_the_derived_one(name):
    def value(n, N, B, C, T):
        formula = zoo.ZOO[name].factor.replace("T²", "T**2").replace("·", "*")
        return eval(formula, {}, {"n": n, "N": N, "B": B, "C": C, "T": T})

    for numbers in ((96, 160, 8, 9, 8), (5, 7, 3, 2, 1.5)):
        assert_close(float(value(*numbers)), float(FACTORS[name](*numbers)))


def test_on_the_recorded_batch_40_percent_is_padding_and_the_extremes_are_four_orders_apart():
    n, N, B, C = sizes(BATCHES["tagging"])
    assert (n, N, B, C) == (96, 160, 8, 9)
    factors = [factor(n, N, B, C, 8) for factor in FACTORS.values()]
    assert 4 < math.log10(max(factors) / min(factors)) < 4.1


def test_torchdistill_refuses_tagging_logits_with_labels_and_takes_the_wrong_axis_without():
    batch = BATCHES["tagging"]
    with pytest.raises(RuntimeError, match=r"target size.*9"):
        nn.CrossEntropyLoss()(batch.student, batch.labels.clamp(min=0))
    over_positions = zoo.gradient(lambda b: zoo.torchdistill(b.student, b.teacher, b.labels, 2.0), batch)
    over_classes = zoo.gradient(lambda b: zoo.torchdistill_flat(b.student, b.teacher, b.labels, 2.0), batch)
    assert over_positions.sum(1).abs().max() < 1e-12 < over_positions.sum(-1).abs().max()
    assert over_classes.sum(-1).abs().max() < 1e-12 < over_classes.sum(1).abs().max()


def test_the_recorded_file_agrees_with_a_fresh_computation():
    recorded = json.loads(zoo.RESULTS.read_text(encoding="utf-8"))
    assert recorded.pop("provenance")["versions"]["torch"]
    fresh = zoo.run()
    assert recorded.keys() == fresh.keys()
    for key in ("seed", "alpha", "temperatures", "batch", "sources"):
        assert recorded[key] == fresh[key]
    for setting, rows in fresh["results"].items():
        for name, by_temperature in rows.items():
            for temperature, row in by_temperature.items():
                assert recorded["results"][setting][name][temperature] == pytest.approx(row, rel=1e-8, abs=1e-12)
    for temperature, row in fresh["torchdistill_on_3d_logits_without_targets"].items():
        assert recorded["torchdistill_on_3d_logits_without_targets"][temperature] == pytest.approx(row, rel=1e-8)


@EVERY_ENTRY
def test_every_source_can_be_looked_up(name):
    entry = zoo.ZOO[name]
    assert entry.path and entry.symbol
    if name != "ours":
        assert entry.repository.count("/") == 1
        assert len(entry.commit) == 40 and int(entry.commit, 16)
