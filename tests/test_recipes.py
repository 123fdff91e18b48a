import json
import shutil
import threading
import time
from pathlib import Path

import pytest
from datasets import Dataset
from transformers import BertConfig, BertModel

import tinykd
from tests import tiny
from tinykd import artifacts, data, evaluation, models, plots, recipes, samples
from tinykd.errors import DataError, RunError, SettingError, TinykdError
from tinykd.models.precision import best_precision
from tinykd.recipes import Run

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recipes")
    tiny.base_model(folder / "base")
    tiny.corpus(folder / "corpus")
    return folder


def setup(place, **changes) -> Run:
    defaults = {"data": str(place / "corpus"), "teacher": str(place / "base"), "student": "cut:1"}
    return Run(**defaults | {"epochs": 2, "teacher_epochs": 2, "batch_size": 8} | changes)


@pytest.fixture(scope="module")
def finished(place):
    report = recipes.run(setup(place), place / "finished")
    return place / "finished", report


def test_a_run_leaves_models_signals_report_and_figure(finished):
    out, report = finished
    assert {f.name for f in out.iterdir()} == {
        *("run.json", "report.json", "scoreboard.png", "teacher", "student", "twin", "signals")
    }
    assert json.loads((out / "report.json").read_text()) == json.loads(json.dumps(report))


def test_the_report_holds_what_others_rely_on(finished):
    _, report = finished
    for name in ("teacher", "student", "twin"):
        assert {"entity_f1", "token_accuracy", "parameters", "size_bytes", "latency_ms"} <= set(report[name])
    assert report["student"]["parameters"] < report["teacher"]["parameters"]
    assert report["student"]["parameters"] == report["twin"]["parameters"]
    assert report["student"]["latency_ms"] > 0
    assert report["seed"] == report["setup"]["seed"] == 0
    assert len(report["corpus"]["digest"]) == 16
    assert {"tinykd", "torch", "transformers", "datasets", "python"} <= set(report["versions"])
    assert report["processor"] and report["command"]
    if best := report["teacher"]["entity_f1"]:
        assert report["retention"] == report["student"]["entity_f1"] / best


def test_precision_is_chosen_once_and_a_run_that_goes_on_takes_it_from_its_note(finished, place, tmp_path, monkeypatch):
    out, report = finished
    notes = [json.loads((out / name).read_text()) for name in ("run.json", "student/settings.json", "report.json")]
    assert {note["precision"] for note in notes} == {report["precision"]}
    other = {"fp32": "bf16", "bf16": "fp32"}[report["precision"]]
    monkeypatch.setattr(recipes, "best_precision", lambda: other)
    copy = tiny.copy(out, tmp_path / "copy")
    (copy / "report.json").unlink()
    assert recipes.run(setup(place), copy)["precision"] == report["precision"]
    with pytest.raises(RunError, match=r"precision is \w+ there"):
        recipes.run(setup(place, precision=other), copy)


def test_classification_runs_end_to_end(place, tmp_path):
    folder = tmp_path / "moods"
    folder.mkdir()
    lines = [f"{word} it is {i},{word}" for i in range(12) for word in ("yes", "no")]
    for split in ("train", "test"):
        (folder / f"{split}.csv").write_text("text,label\n" + "\n".join(lines) + "\n", encoding="utf-8")
    report = recipes.run(setup(place, data=str(folder)), tmp_path / "out")
    for name in ("teacher", "student", "twin"):
        assert 0 <= report[name]["macro_f1"] <= 1 and 0 <= report[name]["accuracy"] <= 1
    assert "accuracy" in recipes.table(report).splitlines()[0]
    assert (tmp_path / "out" / "scoreboard.png").exists()


def test_students_read_copies_and_one_of_them_the_teachers_texts(finished, place, tmp_path, caplog):
    first = data.load(str(place / "corpus"))
    sentences = ["Mara Hope left Jordan for Nice.", " ".join(first["test"]["tokens"][0])]
    (tmp_path / "more.txt").write_text("\n".join(sentences) + "\n", encoding="utf-8")
    more = setup(place, copies=2, texts=str(tmp_path / "more.txt"), dropout=0.0)
    report = recipes.run(more, tmp_path / "out")
    named = sum(any(labels) for labels in first["train"]["labels"])
    whole = len(first["train"])
    assert whole < report["read"]["twin"] <= whole + 2 * named  # a copy that equals its sentence is none
    assert report["read"]["student"] == report["read"]["twin"] + 2
    assert len(Dataset.from_file(str(tmp_path / "out/signals/signals.arrow"))) == report["read"]["student"]
    assert "1 of its 2 texts stand in the test split" in caplog.text
    assert "2 texts that the teacher labelled" in recipes.table(report)
    assert tiny.same_weights(tmp_path / "out" / "teacher", finished[0] / "teacher")
    assert not tiny.same_weights(tmp_path / "out" / "twin", finished[0] / "twin")
    assert recipes.run(more, tmp_path / "out") == json.loads(json.dumps(report))
    with open(tmp_path / "more.txt", "a", encoding="utf-8") as file:
        file.write("Nice beat Jordan.\n")
    with pytest.raises(RunError, match=r"made with other settings or data \(texts_digest is"):
        recipes.run(more, tmp_path / "out")


def test_the_articles_program_as_one_run(finished, place, tmp_path):
    """Chosen samples, dynamic ones, the joint output, a fusion, and the article's report of all four."""
    done, plain = finished
    whole = setup(place, select=("stratified", 20), dynamic=2.0, mixing=(0.5, 1.0), fuse="cascade")
    report = recipes.run(whole, tmp_path / "out")
    assert report["read"] == {"student": 20, "twin": 20}
    note = json.loads((tmp_path / "out/student/settings.json").read_text())
    assert note["dynamic"]["candidates"] == 2.0 and (note["mixing"], note["mixing_end"]) == (0.5, 1.0)
    assert json.loads((tmp_path / "out/twin/settings.json").read_text())["dynamic"] is None
    assert tiny.same_weights(tmp_path / "out/teacher", done / "teacher")  # the teacher is trained on all sentences
    test = data.load(whole.data)["test"]
    for name in ("teacher", "student", "twin", "fusion"):
        predictor = tinykd.open(tmp_path / "out" / name)
        assert report[name]["entity_f1"] == evaluation.score(predictor, test)["entity_f1"]
        expected = evaluation.token_report(evaluation.gold(test), evaluation.predicted(predictor, test))
        assert report[name]["token_report"] == expected
    assert report["fusion"]["size_bytes"] == report["teacher"]["size_bytes"] + report["student"]["size_bytes"]
    assert [line.split()[0] for line in recipes.table(report).splitlines()[1:5]] == recipes.present(report)
    assert recipes.present(plain) == ["teacher", "student", "twin"]


def test_the_teacher_tells_which_samples_are_uncertain(place, tmp_path):
    whole = setup(place, select=("uncertain", 9), fuse="parallel")
    assert "fusion" in recipes.run(whole, tmp_path / "out")
    rows = data.load(whole.data)["train"]
    known = samples.with_teacher(
        rows, *models.load(tmp_path / "out/teacher"), tmp_path / "again", precision=whole.precision or best_precision()
    )
    chosen = samples.select(known, 9, "uncertain")
    stored = Dataset.from_file(str(tmp_path / "out/signals/signals.arrow"))
    assert stored["teacher_logits"][:] == chosen["teacher_logits"][:]


@pytest.mark.parametrize(
    "wrong",
    [{"select": ("random", 10**6)}, {"select": ("best", 3)}, {"dynamic": 0.5}, {"mixing": (2.0,)}, {"fuse": "both"}],
)
def test_what_cannot_be_chosen_is_refused_before_any_work(place, tmp_path, wrong):
    with pytest.raises(SettingError):
        recipes.run(setup(place, **wrong), tmp_path / "out")
    assert not (tmp_path / "out" / "teacher").exists()


def test_a_figure_is_the_same_bytes_on_any_day(finished, tmp_path, monkeypatch):
    for ending in ("png", "svg", "pdf"):
        again = []
        for date in ("0", "86400"):  # the seconds since 1970 that matplotlib writes into a file
            monkeypatch.setenv("SOURCE_DATE_EPOCH", date)
            plots.save(plots.scoreboard(finished[1]), tmp_path / f"again.{ending}")
            again.append((tmp_path / f"again.{ending}").read_bytes())
        assert again[0] == again[1], ending


def test_a_text_that_is_missing_or_empty_is_told_before_any_work(place, tmp_path):
    (tmp_path / "more.txt").write_text("Mara left.\n\nNice won.\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"more\.txt:2: the text is empty"):
        recipes.run(setup(place, texts=str(tmp_path / "more.txt")), tmp_path / "out")
    with pytest.raises(DataError, match="the corpus has no split 'transfer'"):
        recipes.run(setup(place, texts="transfer"), tmp_path / "out")
    with pytest.raises(DataError, match=r"nowhere\.txt: no such file"):
        recipes.run(setup(place, texts="nowhere.txt"), tmp_path / "out")
    with pytest.raises(SettingError, match="copies is 0"):
        recipes.run(setup(place, copies=0), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_scoreboard_is_one_line_a_model():
    row = {
        "entity_f1": 0.5,
        "token_accuracy": 0.9,
        "parameters": 22_700_000,
        "size_bytes": 90_300_000,
        "latency_ms": 4.2,
    }
    read = {"student": 8, "twin": 8}
    text = recipes.table({"teacher": row, "student": row, "twin": row, "retention": 1.0, "read": read})
    assert text.splitlines()[1].split() == ["teacher", "0.500", "0.900", "22.7", "M", "90.3", "MB", "4.20", "ms"]


def test_a_finished_run_is_only_read_again(finished, place, monkeypatch):
    out, report = finished
    monkeypatch.setattr(recipes, "_train_all", None)
    assert recipes.run(setup(place), out) == json.loads(json.dumps(report))


def test_a_fine_tuned_teacher_is_used_as_it_is(finished, place, tmp_path):
    out, _ = finished
    recipes.run(setup(place, teacher=str(out / "teacher"), teacher_epochs=None), tmp_path / "again")
    assert tiny.same_weights(out / "teacher", tmp_path / "again" / "teacher")


def test_a_folder_with_another_run_or_other_things_is_refused_and_kept(finished, place, tmp_path):
    out, _ = finished
    with pytest.raises(RunError, match=r"other settings or data \(seed is 0 there\)"):
        recipes.run(setup(place, seed=1), out)
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(RunError, match="holds something else"):
        recipes.run(setup(place), tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "mine"


@pytest.mark.parametrize("wrong", [{"student": "cut:9"}, {"alpha": 2.0}, {"teacher": "no/such/model"}, {"seed": -1}])
def test_a_refused_run_leaves_no_claim_on_its_folder(place, tmp_path, wrong):
    with pytest.raises(TinykdError):
        recipes.run(setup(place, **wrong), tmp_path / "out")
    assert not (tmp_path / "out" / "run.json").exists()


def test_a_run_that_the_trainer_refuses_leaves_no_claim_either(place, tmp_path):
    with pytest.raises(SettingError, match=r"report_to is .nowhere"):
        recipes.run(setup(place), tmp_path / "out", report_to="nowhere")
    assert not (tmp_path / "out").exists()


def test_a_changed_corpus_is_another_run(finished, place, tmp_path):
    out, _ = finished
    shutil.copytree(place / "corpus", tmp_path / "corpus")
    text = (tmp_path / "corpus" / "train.conll").read_text()
    (tmp_path / "corpus" / "train.conll").write_text(text.replace("The ", "A ", 1))
    with pytest.raises(RunError, match="corpus_digest is"):
        recipes.run(setup(place, data=str(tmp_path / "corpus")), out)


def test_the_same_corpus_in_another_spelling_is_the_same_run(finished, place, monkeypatch):
    out, report = finished
    monkeypatch.chdir(place)
    assert recipes.run(setup(place, data="./corpus/"), out) == json.loads(json.dumps(report))


def test_a_second_process_waits_for_the_first(finished, place, tmp_path, caplog):
    done, report = finished
    caplog.set_level("INFO", "tinykd")
    out, held = tmp_path / "out", threading.Event()

    def first():
        with artifacts.alone(out):
            held.set()
            time.sleep(1)
            shutil.copytree(done, out)

    threading.Thread(target=first).start()
    assert held.wait(10)
    assert recipes.run(setup(place), out) == json.loads(json.dumps(report))
    assert f"another process is at work on {out}; waiting for it" in caplog.text


def test_a_missing_corpus_leaves_no_folder(tmp_path):
    with pytest.raises(DataError):
        recipes.run(Run(data=str(tmp_path / "nowhere")), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_texts_longer_than_the_model_are_cut_for_the_clock_too(place, tmp_path):
    folder, base = tmp_path / "long", tiny.copy(place / "base", tmp_path / "short")
    config = BertConfig.from_pretrained(base, max_position_embeddings=32)
    BertModel(config).save_pretrained(base)
    folder.mkdir()
    for split in ("train", "valid", "test"):
        (folder / f"{split}.csv").write_text("text,label\n" + f"{'good ' * 60},a\nbad,b\n" * 4, encoding="utf-8")
    how = setup(place, data=str(folder), teacher=str(base), max_length=32, epochs=1, teacher_epochs=1)
    assert recipes.run(how, tmp_path / "run")["teacher"]["latency_ms"] > 0


def test_one_label_is_nothing_to_learn(place, tmp_path):
    (tmp_path / "corpus").mkdir()
    for split in ("train", "valid", "test"):
        (tmp_path / "corpus" / f"{split}.csv").write_text("text,label\nx,good\ny,good\n", encoding="utf-8")
    with pytest.raises(DataError, match="corpus: all that train says is 'good'; there is nothing to tell apart"):
        recipes.run(setup(place, data=str(tmp_path / "corpus")), tmp_path / "run")
    assert not (tmp_path / "run").exists()
