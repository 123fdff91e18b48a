"""Files that were cut short or altered: noticed, and made anew or named in one line; the clock set back."""

import json
import os
import random
import shutil
from pathlib import Path

import pytest

from tests import tiny
from tests.faults import conftest as make
from tests.faults.forge import Killed


def damage(path: Path, how: str, seed: int = 0) -> None:
    """Flip one bit, drawn with a seed, or cut a third off."""
    raw = bytearray(path.read_bytes())
    place = random.Random(seed).randrange(len(raw))
    raw[place] ^= 1 << random.Random(seed).randrange(8)
    path.write_bytes(raw[: 2 * len(raw) // 3] if how == "cut" else raw)


@pytest.fixture(scope="session")
def stopped(forge, room, whole, tmp_path_factory):
    """A run that was killed in the student's second epoch: two stored models, a store, one checkpoint."""
    out = tmp_path_factory.mktemp("stopped") / "out"
    changes = whole[1]
    for number in range(int(0.5 * changes), changes):
        shutil.rmtree(out, ignore_errors=True)
        with pytest.raises(Killed):
            forge.run(make.distill(room, out), kill_at=number, under=out)
        found = list(out.glob("student-unfinished/*/finished.json"))
        if found:
            return out, found[0].parent.name
    raise AssertionError("no checkpoint of the student was seen")


@pytest.mark.parametrize("how", ["flip", "cut"])
@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.pt", "trainer_state.json", "finished.json"])
def test_a_damaged_checkpoint_is_not_gone_on_from(forge, room, whole, stopped, tmp_path, name, how):
    out = tiny.copy(stopped[0], tmp_path / "out")
    damage(out / "student-unfinished" / stopped[1] / name, how, seed=5)
    (done,) = forge.run(make.distill(room, out))
    assert done["code"] == 0, done["err"]
    assert "resuming from" not in done["err"] or name == "finished.json"
    assert tiny.same_weights(whole[0] / "student", out / "student")


def test_an_undamaged_checkpoint_is_gone_on_from(forge, room, whole, stopped, tmp_path):
    out = tiny.copy(stopped[0], tmp_path / "out")
    (done,) = forge.run(make.distill(room, out))
    assert "resuming from" in done["err"] and tiny.same_weights(whole[0] / "student", out / "student")


@pytest.mark.parametrize(
    ("name", "how", "says"),
    [
        ("run.json", "cut", "run.json: damaged (not JSON, or no object); delete"),
        ("student/settings.json", "cut", "settings.json: damaged (not JSON, or no object); delete"),
        ("student/model.safetensors", "flip", "model.safetensors: missing, cut short or altered; delete"),
        ("student/model.safetensors", "cut", "model.safetensors: missing, cut short or altered; delete"),
        ("signals/signals.arrow", "flip", None),
        ("signals/signals.arrow", "cut", None),
        ("signals/signal.json", "cut", None),
        ("report.json", "cut", None),
    ],
)
def test_a_damaged_run_is_mended_or_named(forge, room, whole, tmp_path, name, how, says):
    out = tiny.copy(whole[0], tmp_path / "out")
    if name != "report.json":
        (out / "report.json").unlink()  # as if the run had been stopped before its last step
    damage(out / name, how)
    (done,) = forge.run(make.distill(room, out))
    if says:
        assert says in make.one_line(done)
        assert (out / name).exists(), "nothing is thrown away without being asked"
    else:
        assert done["code"] == 0, done["err"]
        assert (out / "signals" / "signals.arrow").read_bytes() == (whole[0] / "signals" / "signals.arrow").read_bytes()
        kept = [json.loads((folder / "report.json").read_text())["student"] for folder in (out, whole[0])]
        assert kept[0]["entity_f1"] == kept[1]["entity_f1"]
        assert tiny.same_weights(whole[0] / "student", out / "student")


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json", "tokenizer_config.json"])
def test_a_model_that_was_cut_short_is_named(forge, whole, tmp_path, name):
    model = tiny.copy(whole[0] / "student", tmp_path / "model")
    damage(model / name, "cut")
    (done,) = forge.run(["cli", "predict", "--model", model, "Mara Hope left."])
    assert str(model) in make.one_line(done)


@pytest.mark.parametrize("seed", range(6))
def test_any_bit_of_an_export(forge, exported, tmp_path, seed):
    onnx = tiny.copy(exported, tmp_path / "onnx")
    predict = ["cli", "predict", "--model", onnx, "Mara Hope left."]
    files = sorted(path for path in onnx.rglob("*") if path.is_file())
    victim = files[seed % len(files)]
    damage(victim, "flip", seed)
    (said,) = forge.run(predict)
    if victim.name == "export.json" and said["code"] == 0:  # a bit of a label's name, or of white space
        assert json.loads(said["out"])["text"] == "Mara Hope left."
    else:
        assert str(onnx) in make.one_line(said)


@pytest.mark.parametrize("seed", range(6))
def test_any_bit_of_a_corpus(forge, room, whole, tmp_path, seed):
    """A changed corpus is another corpus: a finished run never pretends to be about it."""
    corpus = tiny.copy(room / "corpus", tmp_path / "corpus")
    out = tiny.copy(whole[0], tmp_path / "out")
    damage(corpus / "train.conll", "flip", seed)
    (done,) = forge.run(make.distill(room, out, "--data", corpus))
    said = make.one_line(done)
    assert "corpus_digest is" in said or "train.conll:" in said or "valid.conll:" in said or "test.conll:" in said


@pytest.mark.parametrize("seed", range(4))
def test_any_bit_of_a_database_never_makes_a_traceback(forge, room, watched, tmp_path, seed):
    command, alerts = watched
    database = shutil.copyfile(room / "whole.duckdb", tmp_path / "news.duckdb")
    raw = bytearray(database.read_bytes())
    place = 4096 * random.Random(seed).randrange(len(raw) // 4096) + 100 * seed
    raw[place] ^= 4
    database.write_bytes(raw)
    kept, more = forge.run(["scenarios", "finance", "alerts", "--database", database], [*command, database])
    for done in (kept, more):
        assert done["code"] == 0 or make.one_line(done), done
    assert kept["code"] == 1 or kept["out"] == alerts


def test_a_clock_that_was_set_back(forge, room, whole, stopped, tmp_path):
    """Everything there was written tomorrow; the newest checkpoint is the one of the last step all the same."""
    out = tiny.copy(stopped[0], tmp_path / "out")
    for path in (*out.rglob("*"), out):
        os.utime(path, (4e9, 4e9))
    (done,) = forge.run(make.distill(room, out))
    assert done["code"] == 0 and "resuming from" in done["err"]
    for name in ("teacher", "student", "twin"):
        assert tiny.same_weights(whole[0] / name, out / name), name
    assert not make.leftovers(out)


def test_checkpoints_are_thrown_away_by_step_not_by_clock(forge, room, tmp_path):
    """Five epochs; after each the clock is set back a day. Two checkpoints stay, the last ones, both whole."""
    names = forge.run(["backwards", room / "base", room / "corpus", tmp_path / "model"])[0]
    assert names == [["checkpoint-3"], ["checkpoint-3", "checkpoint-6"], ["checkpoint-6", "checkpoint-9"],
                     ["checkpoint-9", "checkpoint-12"], ["checkpoint-12", "checkpoint-15"]]  # fmt: skip


def test_news_from_tomorrow_is_a_fault_and_read_when_the_clock_is_right(forge, watched, tmp_path):
    command, alerts = watched
    database = tmp_path / "news.duckdb"
    early = [argument if argument != "any" else "1999-01-01T00:00" for argument in command]
    first, faults, second, kept = forge.run(
        [*early, database],
        ["scenarios", "finance", "faults", "--database", database],
        [*command, database],
        ["scenarios", "finance", "alerts", "--database", database],
    )
    assert first["code"] == second["code"] == 0 and first["out"] == ""
    assert all("dated in the future" in line for line in faults["out"].splitlines())
    assert len(faults["out"].splitlines()) == 64 and kept["out"] == alerts
