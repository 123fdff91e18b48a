"""The Financial PhraseBank is read with its faults named, split without a sentence on both sides, and distilled."""

import importlib.util
import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests import tiny
from tinykd import models
from tinykd.errors import DataError

PATH = Path(__file__).resolve().parent.parent / "experiments" / "phrasebank.py"
spec = importlib.util.spec_from_file_location("phrasebank_experiment", PATH)
experiment = importlib.util.module_from_spec(spec)
spec.loader.exec_module(experiment)
phrasebank, split = experiment.phrasebank, experiment.split


@pytest.fixture
def bank(tmp_path, monkeypatch):
    """Write ninety sentences, one of them twice, in the corpus's own form and encoding."""
    folder = tmp_path / "financial_phrasebank"
    folder.mkdir()
    kinds = ("negative", "neutral", "positive")
    lines = [f"Myynti @ Pöyry number {i} .@{kinds[i % 3]}" for i in range(90)]
    for agreement in experiment.PUBLISHED:
        path = folder / f"Sentences_{agreement}.txt"
        path.write_bytes("\n".join([*lines, lines[0], ""]).encode("latin-1"))
    monkeypatch.setenv("TINYKD_DATA", str(tmp_path))
    return folder


def test_each_sentence_once_and_in_its_own_letters(bank):
    rows = phrasebank("AllAgree")
    assert len(rows) == 90 and rows[1] == ("Myynti @ Pöyry number 1 .", "neutral")


def test_a_line_without_a_sentiment_is_named(bank):
    path = bank / "Sentences_50Agree.txt"
    path.write_bytes(path.read_bytes() + b"\nNo sentiment here\n")
    with pytest.raises(DataError, match=r"Sentences_50Agree.txt:\d+: expected 'sentence@sentiment'"):
        phrasebank("50Agree")


def test_the_parts_share_no_sentence_and_each_sentiment_keeps_its_share(bank):
    corpus = split(phrasebank("AllAgree"), seed=1)
    assert {name: len(part) for name, part in corpus.items()} == {"train": 64, "valid": 8, "test": 18}
    texts = [text for part in corpus.values() for text in part["text"]]
    assert len(set(texts)) == 90
    assert [corpus["test"]["label"][:].count(label) for label in range(3)] == [6, 6, 6]
    assert split(phrasebank("AllAgree"), seed=2)["test"]["text"][:] != corpus["test"]["text"][:]


def test_one_seed_from_end_to_end(bank, tmp_path, monkeypatch):
    base, teacher = tiny.base_model(tmp_path / "base", layers=4), models.teacher
    monkeypatch.setattr(experiment.models, "teacher", lambda _, *rest: teacher(str(base), *rest))
    monkeypatch.setattr(experiment, "RUNS", tmp_path / "runs")
    for name in ("TEACHER", "STUDENT"):
        monkeypatch.setattr(experiment, name, replace(getattr(experiment, name), epochs=1))
    report = experiment.one_seed("AllAgree", 3)
    assert set(report["scores"]) == set(experiment.MODELS) and len(experiment.MODELS) == 5 and report["seed"] == 3
    assert all(0 <= found["test"]["macro_f1"] <= 1 for found in report["scores"].values())
    shown = experiment.table({"AllAgree": {"3": report, "4": report}})
    assert "±\N{NO-BREAK SPACE}0.000" in shown and "cut:2" in shown
    json.dumps(report)
