"""The figures that readers see are those that the recorded files hold."""

import importlib.util
import json
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def test_the_readme_shows_the_recorded_results():
    spec = importlib.util.spec_from_file_location("experiment", ROOT / "experiments" / "conll2003.py")
    experiment = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(experiment)
    results = json.loads(experiment.RESULTS.read_text(encoding="utf-8"))
    assert experiment.table(results) in (ROOT / "README.md").read_text(encoding="utf-8")


def test_recorded_results_say_where_they_come_from():
    for report in json.loads((ROOT / "experiments/results/conll2003.json").read_text(encoding="utf-8")).values():
        assert report["processor"] and report["versions"]["torch"] and report["corpus"]["digest"]
        assert report["setup"]["data"] == "conll2003" and report["date"]
