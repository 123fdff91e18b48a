"""The recorded monitor: what is played, what is printed, and that the recorded file is what the code writes."""

import importlib.util
import json
from pathlib import Path

import pytest

from scenarios import finance
from tinykd.errors import DataError

ROOT = Path(__file__).resolve().parent.parent
spec = importlib.util.spec_from_file_location("finance_experiment", ROOT / "experiments" / "finance.py")
recorded = importlib.util.module_from_spec(spec)
spec.loader.exec_module(recorded)


def test_opinions_without_mistakes_find_every_crisis_and_the_table_says_so(monkeypatch):
    monkeypatch.setattr(recorded, "ALLOWED", (0.5,))
    gold = recorded.played(finance.stream_gold())
    assert gold["cusum"]["0.5"]["found"] == 1.0
    assert gold["cusum"]["0.5"]["median_delay_hours"] < gold["threshold"]["0.5"]["median_delay_hours"]
    table = recorded.table({"gold": gold, "seed 0": {"played": gold}}).splitlines()
    assert len(table) == 4
    assert table[2].startswith("| cusum | 0.5 | 1.00 |")


def test_the_recorded_file_has_every_limit_and_where_it_came_from():
    results = json.loads(recorded.RESULTS.read_text(encoding="utf-8"))
    assert "gold" in results and "seed 0" in results
    for name, run in results.items():
        played = run if name == "gold" else run["played"]
        assert all(set(rows) == set(map(str, recorded.ALLOWED)) for rows in played.values())
        assert name == "gold" or {"command", "versions", "processor", "corpus"} <= set(run)


def test_a_missing_phrasebank_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("TINYKD_DATA", str(tmp_path))
    monkeypatch.syspath_prepend(ROOT / "experiments")
    with pytest.raises(DataError, match="financial_phrasebank"):
        recorded.on_phrasebank(lambda texts: [])
    folder = tmp_path / "financial_phrasebank"
    folder.mkdir()
    for name in ("50Agree", "66Agree", "75Agree", "AllAgree"):
        (folder / f"Sentences_{name}.txt").write_bytes(
            "Sales rose @ home .@positive\nLoss .@negative\n".encode("latin-1")
        )
    found = recorded.on_phrasebank(lambda texts: [finance.Opinion("earnings", "positive", 0.0) for _ in texts])
    assert found["AllAgree"] == 0.5
