"""Settings: impossible values are refused before any work, schedules are straight lines, precision is a choice."""

import json
import math
from types import SimpleNamespace

import pytest
import torch

from tinykd import _compat
from tinykd.errors import SettingError
from tinykd.models import precision
from tinykd.training import Settings


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": 0},
        {"learning_rate": -1},
        {"learning_rate": math.inf},
        {"alpha": 1.5},
        {"dropout": 1.5},
        {"temperature": 0},
        {"temperature": math.inf},
        {"temperature_end": math.nan},
        {"batch_size": 0},
        {"batch_size": 1.5},
        {"epochs": 2.5},
        {"max_length": 0},
        {"relation_heads": 0},
        {"max_grad_norm": -1},
        {"precision": "fp16"},
        {"report_to": "nowhere"},
        {"seed": -1},
        {"seed": 2**32},
    ],
)
def test_impossible_settings_are_refused_before_any_work(wrong):
    with pytest.raises(SettingError, match=f"{next(iter(wrong))} is "):
        Settings(**wrong)


@pytest.mark.parametrize("name", ["alpha", "temperature", "mixing"])
def test_a_schedule_is_a_straight_line(name):
    settings = Settings(**{name: 0.5, f"{name}_end": 1.0})
    assert [settings.at(done)[name] for done in (0.0, 0.5, 1.0)] == [0.5, 0.75, 1.0]
    assert Settings(**{name: 0.5}).at(0.9)[name] == 0.5


def test_the_facts_of_a_run_are_all_that_its_numbers_depend_on():
    facts = Settings(precision="bf16", max_grad_norm=1.0, speed=True, report_to="wandb").facts()
    assert (facts["precision"], facts["max_grad_norm"], facts["speed"]) == ("bf16", 1.0, True)
    assert "report_to" not in facts
    json.dumps(facts)  # the note of a run


@pytest.mark.parametrize(
    ("flag", "ratio", "expected"), [(False, 9.0, "fp32"), (True, 0.5, "fp32"), (True, 1.8, "bf16")]
)
def test_bfloat16_is_used_where_it_is_there_and_faster(monkeypatch, flag, ratio, expected):
    """An Intel processor with AVX512-BF16 and without AMX takes twice as long with it."""
    seconds = {torch.float32: 1e-3, torch.bfloat16: 1e-3 / ratio}
    monkeypatch.setattr(precision, "device", lambda: torch.device("cpu"))
    monkeypatch.setattr(_compat, "cpu_has_bf16", lambda: flag)
    monkeypatch.setattr(precision, "_seconds", seconds.get)
    assert precision.best_precision.__wrapped__() == expected


@pytest.mark.parametrize("kind", ["mps", "xpu", "npu"])
def test_another_accelerator_does_not_go_by_the_flags_of_the_processor(monkeypatch, kind):
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda: SimpleNamespace(type=kind))
    monkeypatch.setattr(precision, "device", lambda: SimpleNamespace(type=kind))
    monkeypatch.setattr(_compat, "cpu_has_bf16", lambda: True)
    monkeypatch.setattr(precision, "_seconds", {torch.float32: 2.0, torch.bfloat16: 1.0}.get)
    assert precision.best_precision.__wrapped__() == "fp32"


@pytest.mark.parametrize(("has", "expected"), [(True, "bf16"), (False, "fp32")])
def test_a_cuda_device_says_itself_whether_it_has_bfloat16(monkeypatch, has, expected):
    monkeypatch.setattr(precision, "device", lambda: torch.device("cuda"))
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: has)
    assert precision.best_precision.__wrapped__() == expected


def test_an_unknown_precision_is_refused_where_it_is_used():
    with pytest.raises(SettingError, match="precision is 'half'; expected one of fp32, bf16"):
        precision.autocast("half")


def test_a_process_of_torchrun_has_a_device_of_its_own(monkeypatch):
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda: torch.device("cuda"))
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    assert precision.device() == torch.device("cuda")
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert precision.device() == torch.device("cuda", 1)
