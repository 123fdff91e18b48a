"""The benches on models so small that they take seconds: what they measure is right, not how fast."""
# ruff: noqa: E402

import argparse
import importlib
import json
import sys
import tracemalloc
from pathlib import Path

import pytest

from tests import tiny
from tinykd import data, fusion, models
from tinykd.training import runs

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "benchmarks"))  # where the benches find each other

import distilling
import floor
import fusing
import growing
import page
import serving
import speed
import starting
import turns


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A base model and a corpus, tiny."""
    folder = tmp_path_factory.mktemp("bench")
    return tiny.base_model(folder / "base", dropout=0.0), tiny.corpus(folder / "corpus", train=20, rest=8)


@pytest.fixture(autouse=True)
def _bar(monkeypatch):
    monkeypatch.setattr(runs, "Bar", runs.Bar)  # the benches replace these in their own process


def options(work, small, **others):
    base, corpus = small
    given = {"data": str(corpus), "rows": 20, "base": str(base), "student": "cut:1", "batch_size": 8, "work": work}
    return argparse.Namespace(**given | {"target": 0.0, "epochs": 2, "precision": "fp32"} | others)


BENCH = """
import sys
import tracemalloc
sys.path.insert(0, {place!r})
import turns

def measure(name, options):
    if name == "bad":
        raise RuntimeError("no luck")
    return {{"figure": len(name) * options.factor, "prepared": int((options.work / "ready").read_text())}}

def prepare(options):
    (options.work / "ready").write_text("1")
    return ["one", "three", "bad"]

if __name__ == "__main__":
    turns.run(__file__, "Count.", ["one", "three", "gone", "bad"], measure,
              {{"--factor": {{"type": int, "default": 2}}}}, prepare)
"""


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "counting.py"
    path.write_text(BENCH.format(place=str(ROOT / "benchmarks")), encoding="utf-8")
    return path


def test_contestants_take_turns_in_processes_of_their_own(script, tmp_path, capsys):
    result = turns.run(
        str(script),
        "Count.",
        ["one", "three", "gone"],
        lambda name, options: pytest.fail("measured in the process of the bench"),
        {"--factor": {"type": int, "default": 2}},
        lambda options: [(options.work / "ready").write_text("1") and "one", "three"],
        arguments=["--factor", "3", "--rounds", "2", "--results", str(tmp_path / "found.json")],
    )
    written = json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))
    assert written == json.loads(json.dumps(result))
    assert written["runs"] == {name: [{"figure": 3 * len(name), "prepared": 1}] * 2 for name in ("one", "three")}
    assert written["options"]["factor"] == 3 and written["rounds"] == 2 and len(written["load"]) == 2
    assert written["processor"] in capsys.readouterr().out


def test_a_record_of_more_contestants_is_not_overwritten(script, tmp_path):
    """So a machine without the peers cannot take them off the page, unnoticed."""
    (tmp_path / "found.json").write_text('{"runs": {"one": [], "textbrewer": []}}')
    with pytest.raises(SystemExit, match=r"found\.json has measured textbrewer, too; name another file"):
        turns.run(
            str(script),
            "Count.",
            ["one", "textbrewer"],
            lambda name, options: pytest.fail("measured"),
            prepare=lambda options: ["one"],
            arguments=["--results", str(tmp_path / "found.json")],
        )


def test_a_contestant_that_fails_is_named(script, tmp_path):
    (tmp_path / "ready").write_text("1")
    with pytest.raises(SystemExit, match=r"(?s)bad failed:.*no luck"):
        turns.take_turns(str(script), ["bad"], 1, ["--work", str(tmp_path), "--only"])


def test_a_name_that_is_no_contestant_is_refused(capsys):
    with pytest.raises(SystemExit):
        starting.main(["--contestants", "snail"])
    assert "no contestant is called snail" in capsys.readouterr().err


@pytest.mark.parametrize("name", [name for name in distilling.CONTESTANTS if not name.startswith("layers")])
def test_every_way_to_distil_trains_and_is_timed(name, small, tmp_path, monkeypatch):
    if name.split(",")[0] in ("textbrewer", "torchdistill"):
        pytest.importorskip(name.split(",")[0])
    trained = []
    monkeypatch.setattr(models, "student", lambda *a, made=models.student: trained.append(made(*a)) or trained[-1])
    before = {}
    monkeypatch.setattr(
        distilling.Clock,
        "tick",
        lambda clock, real=distilling.Clock.tick: (
            before.setdefault("weight", trained[0].classifier.weight.detach().clone()),
            real(clock),
        ),
    )
    found = distilling.measure(name, options(tmp_path, small))
    assert found["sentences_per_second"] > 0 and found["memory_bytes"] > 0
    assert not before["weight"].equal(trained[0].classifier.weight), "the student has not moved"


def test_the_clock_stands_still_while_the_student_is_scored_and_stops_at_the_target(monkeypatch):
    now, student = iter([0.0, 0.5, 1.0, 2.0, 7.0, 8.0, 9.0, 9.5]), argparse.Namespace(train=lambda: None)
    monkeypatch.setattr(distilling.time, "perf_counter", lambda: next(now))
    scores = iter([0.1, 0.6])
    clock = distilling.Clock(student, 64, 32, lambda student: next(scores), target=0.5)
    clock.begin()
    clock.tick()
    clock.tick()  # scored from 2 to 7: five seconds that do not count
    clock.tick()
    with pytest.raises(distilling.Reached):
        clock.tick()
    assert clock.seconds == 4.0 and clock.throughput() == 64 / 1.5


def test_with_a_target_the_teacher_is_trained_once_and_the_student_until_it_is_there(small, tmp_path):
    chosen = options(tmp_path, small, target=1e-9, data="newswire", contestants=distilling.CONTESTANTS)
    assert {"tinykd", "plain Trainer, online"} <= set(distilling.prepare(chosen))
    assert not any(name.startswith("layers") for name in distilling.prepare(chosen))
    chosen.target = -1.0  # reached after the first epoch, by any score
    for name in ("by hand", "tinykd"):  # whose embedding matrix has, while it trains, only the tokens of `train`
        assert distilling.measure(name, chosen)["seconds_to_target"] > 0


def test_a_trick_that_is_left_out_is_left_out_and_the_others_are_not(small, tmp_path, monkeypatch):
    base, _ = small
    used = []
    tricks = importlib.import_module("tinykd.training.speed")  # `speed` is the bench
    made = tricks.only_used
    monkeypatch.setattr(tricks, "sdpa_kernel", tricks.sdpa_kernel)  # the bench replaces it for good; put it back
    monkeypatch.setattr(tricks, "only_used", lambda *a: used.append("only_used") or made(*a))
    chosen = argparse.Namespace(rows=40, epochs=1, threads=[1], base=str(base), student="cut:1", work=tmp_path)
    chosen.precision = "fp32"
    assert speed.prepare(chosen) == [f"1: {variant}" for variant in speed.VARIANTS]
    figures = speed.measure("1: without short_attention", chosen)
    assert used == ["only_used"]
    assert figures["sentences_per_second"] > 0 and figures["seconds"] > 0
    assert set(speed.TRICKS.values()) <= set(vars(tricks)), "a trick has another name"


def test_a_gain_is_the_median_of_the_rounds_ratios():
    runs = {
        name: [{"sentences_per_second": rate, "seconds": 60 / rate} for rate in rates]
        for name, rates in {
            "1: all": (10.0, 12.0, 30.0),
            "1: without only_used": (8.0, 10.0, 10.0),
            "1: none": (5.0, 8.0, 20.0),
        }.items()
    }
    for figure in ("sentences_per_second", "seconds"):
        (_, one, *_, gain), (_, other, *_, gain_of_other) = speed.gains(runs, figure)
        assert (one, other) == ("only_used", "all of them")
        assert gain == pytest.approx(25.0) and gain_of_other == pytest.approx(50.0)


@pytest.mark.parametrize("engine", serving.ENGINES)
def test_every_variant_is_served(engine, small, tmp_path):
    name = f"heads and neurons cut, {engine}"
    chosen = options(tmp_path, small, contestants=[name], threads=1, batches=[2], lengths=[8], seconds=0.0)
    assert name in serving.prepare(chosen)
    assert sorted(serving.measure(name, chosen)) == ["2 x 8, ms", "memory_bytes"]
    assert not (tmp_path / "teacher, PyTorch").exists(), "only what takes part is made"


def test_served_rows_are_as_long_as_they_say(small, tmp_path):
    name = "student, PyTorch"
    chosen = options(tmp_path, small, contestants=[name], threads=1, batches=[2], lengths=[8], seconds=0.0)
    serving.prepare(chosen)
    words = serving._words(tmp_path / name)
    tokenizer = models.load(tmp_path / name)[1]
    assert len(tokenizer([words[:6]], is_split_into_words=True)["input_ids"][0]) == 8


def test_a_cascade_defers_the_share_that_was_set_and_costs_what_it_says(small, tmp_path):
    base, _ = small
    chosen = options(
        tmp_path, small, deferred=0.25, rows=16, batches=[1, 8], teacher=None, shape="cut:1", base=str(base)
    )
    chosen.student = None
    fusing.prepare(chosen)
    found = {name: fusing.measure(name, chosen) for name in fusing.CONTESTANTS}
    assert found["cascade"]["deferral_rate"] == pytest.approx(0.25, abs=0.07)
    assert found["teacher"]["cost"] == 1.0
    assert found["both"]["cost"] == pytest.approx(1.0 + found["student"]["cost"])
    assert found["student"]["cost"] < found["cascade"]["cost"] < found["both"]["cost"]
    assert all(found[name]["batch 8, ms a sentence"] > 0 for name in found)


def test_a_corpus_grows_and_each_job_reads_all_of_it(tmp_path):
    chosen = argparse.Namespace(work=tmp_path, rows=12, contestants=["store x1", "start-up x3", "evaluation x3"])
    growing.prepare(chosen)
    sizes = {name: growing.measure(name, chosen)["sentences"] for name in chosen.contestants}
    assert sizes == {"store x1": 12, "start-up x3": 36, "evaluation x3": 36}
    one, three = (data.load(str(tmp_path / size))["train"] for size in ("x1", "x3"))
    assert three["tokens"][:12] == three["tokens"][24:] == one["tokens"][:]


def test_the_floor_multiplies_what_a_forward_pass_multiplies(small):
    base, _ = small
    config = models.teacher(str(base), tiny.LABELS)[0].config
    for length in (5, 40):
        counted = sum(
            copies * rows * inner * columns * times
            for (copies, rows, inner, columns), times in floor.multiplications(config, 3, length, backward=False)
        )
        assert counted == 3 * fusion.macs(config, length)
    forward, both = (floor.multiplications(config, 3, 5, backward) for backward in (False, True))
    assert [3 * times for _, times in forward] == [times for _, times in both]


def test_the_floor_runs_the_batches_of_an_epoch(small, tmp_path):
    lengths = [3, 9, 4, 8, 5]
    assert floor.shapes(lengths, 2, grouped=False) == [(2, 9), (2, 5), (1, 3)]
    assert sorted(rows for rows, _ in floor.shapes(lengths, 2, grouped=True)) == [1, 2, 2]
    for name in ("training, matmul", "predicting, matmul", "predicting, tinykd"):
        assert floor.measure(name, options(tmp_path, small))["sentences_per_second"] > 0


def test_starting_is_within_its_limits():
    chosen = argparse.Namespace(work=Path(), repeats=3)
    floor_of_python = starting.measure("python", chosen)["seconds"]
    for name, limit in starting.LIMITS.items():
        spent = starting.measure(name, chosen)["seconds"]
        assert spent - floor_of_python < limit, f"{name} takes {spent:.2f} s, python alone {floor_of_python:.2f}"


def test_a_student_starts_and_answers_in_both_forms(small, tmp_path):
    chosen = options(tmp_path, small, repeats=0)
    starting.prepare(chosen)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(starting.statistics, "median", lambda values: 0.0)
        for name in ("tinykd predict, torch", "tinykd predict, exported"):
            starting.measure(name, chosen)  # raises if the command fails


def test_the_page_is_what_the_results_say():
    assert page.PAGE.read_text(encoding="utf-8") == page.text(), "run python benchmarks/page.py"


def test_the_page_shows_medians_spread_and_shares(monkeypatch, tmp_path):
    rounds = [{"sentences_per_second": rate, "memory_bytes": 5e8} for rate in (90, 100, 130)]
    slow = [
        {"sentences_per_second": rate / 5, "memory_bytes": 6e8, "seconds_to_target": None} for rate in (90, 100, 130)
    ]
    shown = page._tables("distilling-x", {"runs": {"tinykd": rounds, "textbrewer": slow}})
    assert (
        "| tinykd | 100 (90 to 130) |" in shown and "| textbrewer | 20 (18 to 26) | 5.0 | 600 (600 to 600) |" in shown
    )
    assert "seconds to the score" not in shown and shown.startswith(page.FIRST_STEP)
    whole = {name: [run | {"steps": 20} for run in of] for name, of in {"tinykd": rounds, "textbrewer": slow}.items()}
    assert page.FIRST_STEP not in page._tables("distilling-x", {"runs": whole})
    grown = {f"store x{n}": [{"seconds": 2.0 * n, "sentences": 6 * n, "memory_bytes": 1e8 + n}] for n in (1, 10)}
    assert "| store ×10 | 60 | 20.00 | 100 | 10.00 | 1.00 |" in page._tables("growing", {"runs": grown})
    rates = {"training, matmul": 400.0, "training, tinykd": 300.0}
    floors = {name: [{"sentences_per_second": rate}] for name, rate in rates.items()}
    assert "| training, tinykd | 300 | 75 % |" in page._tables("floor", {"runs": floors})
    monkeypatch.setattr(turns, "RESULTS", tmp_path)
    assert page.text().count("Not measured yet") == len(page.SECTIONS)


def test_reading_a_corpus_takes_a_few_times_its_bytes(small, tmp_path):
    text = ((small[1] / "train.conll").read_text(encoding="utf-8") + "\n") * 400
    path = tmp_path / "train.conll"
    path.write_text(text, encoding="utf-8")
    tracemalloc.start()
    rows = data.read_file(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(rows) == 8000 and peak < 12 * len(text)


def test_a_corpus_of_many_chunks_is_the_same_corpus(small, monkeypatch):
    whole = data.load(str(small[1]))
    monkeypatch.setattr(data.corpora, "CHUNK", 7)
    parts = data.load(str(small[1]))
    assert data.digest(parts) == data.digest(whole) and parts["train"].features == whole["train"].features
