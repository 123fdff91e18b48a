import copy
from dataclasses import replace

import pytest
import torch

from tests import tiny
from tinykd import data, models, pruning, samples, training
from tinykd.errors import ModelError, RunError, SettingError
from tinykd.pruning import Plan, gradually, shape_of
from tinykd.training import Weights

SETTINGS = training.Settings(epochs=1, batch_size=16, weights=Weights(prediction=1, embedding=1, hidden=1))


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gradual")
    corpus = data.load(str(tiny.corpus(folder / "corpus")))
    model, tokenizer = models.teacher(str(tiny.base_model(folder / "base")), tiny.LABELS)
    layers = SETTINGS.weights.teacher_layers(model.config, model.config)
    train, valid = (
        samples.with_teacher(corpus[split], model, tokenizer, folder / split, layers=layers)
        for split in ("train", "valid")
    )
    return model, tokenizer, train, valid


PLAN = Plan(SETTINGS, rounds=2, heads=0.5, neurons=0.75)


def run(parts, out, plan=PLAN):
    return gradually(*parts, out, plan)


def total(model):
    return [sum(counts) for counts in zip(*shape_of(model), strict=True)]


def test_each_round_prunes_and_recovers_and_the_last_reaches_the_aim(parts, tmp_path):
    student = run(parts, tmp_path / "out")
    assert total(parts[0]) == [4, 64] and total(student) == [2, 16]
    for number, expected in ((1, [3, 32]), (2, [2, 16])):
        pruned, recovered = (models.load(tmp_path / "out" / f"round-{number}" / n)[0] for n in ("pruned", "recovered"))
        assert shape_of(pruned) == shape_of(recovered) and total(pruned) == expected
        assert not torch.equal(pruned.classifier.weight, recovered.classifier.weight)
    assert torch.equal(recovered.classifier.weight, student.classifier.weight)


def test_an_interrupted_call_goes_on_to_the_same_weights(parts, tmp_path, monkeypatch):
    run(parts, tmp_path / "whole")
    original, calls = training.distill, []

    def interrupted(*arguments):
        if len(calls) == 1:
            raise KeyboardInterrupt
        calls.append(1)
        return original(*arguments)

    monkeypatch.setattr(pruning.gradual, "distill", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(parts, tmp_path / "broken")
    monkeypatch.setattr(pruning.gradual, "distill", original)
    run(parts, tmp_path / "broken")
    assert tiny.same_weights(*(tmp_path / name / "round-2" / "recovered" for name in ("whole", "broken")))
    run(parts, tmp_path / "broken")  # finished: only loaded


def test_another_plan_in_the_same_folder_is_refused(parts, tmp_path):
    run(parts, tmp_path)
    with pytest.raises(RunError, match=r"other settings or data \(heads is 0\.5 there\)"):
        run(parts, tmp_path, replace(PLAN, heads=0.25))


def test_rounds_of_another_vocabulary_are_not_taken_for_its_own(parts, tmp_path, monkeypatch):
    def stop(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(pruning.gradual, "distill", stop)
    with pytest.raises(KeyboardInterrupt):
        run(parts, tmp_path)
    model, tokenizer, *rest = parts
    smaller, pieces = pruning.prune_vocabulary(model, tokenizer, [rest[0]])
    with pytest.raises(RunError, match=r"weights is .* there"):
        run((smaller, pieces, *rest), tmp_path)


def test_rounds_of_other_weights_are_not_taken_for_its_own(parts, tmp_path):
    run(parts, tmp_path)
    other, tokenizer, *rest = parts
    other = copy.deepcopy(other)
    other.classifier.bias.data += 1
    with pytest.raises(RunError, match=r"weights is .* there"):
        run((other, tokenizer, *rest), tmp_path)


def test_bad_input_is_one_clear_error(parts, tmp_path):
    for options in ({"heads": 1.0}, {"neurons": -0.5}, {"rounds": 0}, {"rounds": 1.5}):
        with pytest.raises(SettingError, match=next(iter(options))):
            Plan(SETTINGS, **options).check(parts[0])
    with pytest.raises(SettingError, match=r"heads is 0\.9; this would leave nothing in a layer"):
        run(parts, tmp_path / "out", Plan(SETTINGS, heads=0.9))
    with pytest.raises(SettingError, match="unknown importance 'taylor'"):
        run(parts, tmp_path / "out", Plan(SETTINGS, measure="taylor"))
    with pytest.raises(ModelError, match="not of BertModel"):
        PLAN.check(parts[0].bert)
    assert not (tmp_path / "out").exists()
