"""Zeros by magnitude and by movement: the score by hand, and the zeros that stay."""

import importlib.util
from pathlib import Path

import pytest
import torch

from tests.fusion.pair import member, sentences
from tinykd import models, pruning, samples
from tinykd.training import Settings

PATH = Path(__file__).resolve().parent.parent / "experiments" / "sparsity.py"
spec = importlib.util.spec_from_file_location("sparsity", PATH)
experiment = importlib.util.module_from_spec(spec)
spec.loader.exec_module(experiment)


def test_a_weight_that_a_step_moves_away_from_zero_gets_a_high_score(tokenizer):
    model, _ = member(tokenizer, 1, layers=1)
    moved = experiment.watch(model)
    weight = experiment.matrices(model)[0]
    (weight * torch.arange(weight.numel()).view_as(weight)).sum().backward()
    assert torch.equal(moved[0], -weight.grad * weight.detach())


def test_zeros_are_the_lowest_scores_and_are_never_taken_back(tokenizer):
    model, _ = member(tokenizer, 1, layers=2)
    scores = [torch.rand_like(weight) for weight in experiment.matrices(model)]
    model = experiment.remove(model, [score.clone() for score in scores], 0.5)
    assert pruning.sparsity(model) == pytest.approx(0.5, abs=1e-3)
    every = torch.cat([score.flatten() for score in scores])
    gone = torch.cat([(weight == 0).flatten() for weight in experiment.matrices(model)])
    assert every[gone].max() <= every[~gone].min()
    model = experiment.remove(model, [torch.rand_like(score) for score in scores], 0.75)
    again = torch.cat([(weight == 0).flatten() for weight in experiment.matrices(model)])
    assert again[gone].all() and again.float().mean() == pytest.approx(0.75, abs=1e-3)


@pytest.mark.parametrize("by", ["magnitude", "movement"])
def test_a_sparse_student_reloads_with_its_zeros(tokenizer, tmp_path, by):
    teacher, student = member(tokenizer, 1, layers=2), member(tokenizer, 2)
    transfer = samples.with_teacher(sentences(12), *teacher, tmp_path / "signals")
    settings = Settings(epochs=1, batch_size=4, speed=True)
    model = experiment.sparse(by, 0.75, student, transfer, tmp_path / by, settings)
    assert pruning.sparsity(model) == pytest.approx(0.75, abs=1e-3)
    models.save(model, student[1], tmp_path / "saved")
    assert pruning.sparsity(models.load(tmp_path / "saved")[0]) == pruning.sparsity(model)
