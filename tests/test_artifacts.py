"""The contract of tinykd/artifacts.py, point by point; tests/faults kills and crowds the same functions."""

import errno
import json
import multiprocessing
import os
import shutil
import time
from pathlib import Path

import pytest

from tinykd import artifacts
from tinykd.artifacts import (
    alone,
    check_same,
    claim,
    clear_disk_errors,
    fingerprint,
    new_folder,
    read_json,
    seal,
    sealed,
    sha256,
    write_json,
)
from tinykd.errors import DamagedError, RunError

FULL = "the disk is full; free some space and run the same command again"


def fails(code):
    def fail(*_):
        raise OSError(code, os.strerror(code))

    return fail


def names(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


# Whole or not there


def test_a_new_folder_takes_the_place_of_the_old_one(tmp_path):
    folder = tmp_path / "deep" / "model"
    for name in ("old", "new"):
        with new_folder(folder, "old") as unfinished:
            (unfinished / name).write_text(name)
            assert not (folder / name).exists()
    assert names(tmp_path) == ["deep", "deep/model", "deep/model/new"]
    assert folder.stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("error", [ValueError("mine"), KeyboardInterrupt()])
@pytest.mark.parametrize("before", [[], ["old"]])
def test_an_interrupted_folder_leaves_what_was_there(tmp_path, error, before):
    for name in before:
        (tmp_path / "model").mkdir()
        (tmp_path / "model" / name).touch()
    with pytest.raises(type(error)), new_folder(tmp_path / "model", "old") as unfinished:
        (unfinished / "half").touch()
        raise error
    assert names(tmp_path) == ["model", "model/old"][: 2 * len(before)]


def test_what_is_not_ours_is_refused_and_kept(tmp_path):
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("mine")
    for place in (mine, mine / "thesis.txt"):
        with pytest.raises(RunError, match=r"holds something else \(no model is there\)"), new_folder(place, "model"):
            raise AssertionError("nothing is begun")
    assert names(tmp_path) == ["mine", "mine/thesis.txt"]


def test_what_appears_meanwhile_is_kept(tmp_path):
    with pytest.raises(RunError, match="holds something else"), new_folder(tmp_path / "mine", "model") as unfinished:
        (unfinished / "model").touch()
        (tmp_path / "mine").mkdir()
        (tmp_path / "mine" / "thesis.txt").write_text("mine")
    assert names(tmp_path) == ["mine", "mine/thesis.txt"]


def test_killed_between_two_renames_nothing_is_lost_even_if_the_next_one_fails(tmp_path):
    """The place is empty then: the old folder has gone aside, and the new one has not its name yet."""
    for name, content in ((".model.unfinished", "new"), (".model.old", "old")):
        (tmp_path / name).mkdir()
        (tmp_path / name / content).touch()
    (tmp_path / ".model.lock").touch()
    with pytest.raises(ValueError, match="the next one fails"), new_folder(tmp_path / "model", "old"):
        raise ValueError("the next one fails")
    assert names(tmp_path) == ["model", "model/old"]


def test_what_was_left_of_a_folder_with_a_longer_name_is_left_alone(tmp_path):
    for name in (".model.small.unfinished", ".model.small.old", "model.small"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x").touch()
    (tmp_path / ".model.small.lock").touch()
    before = names(tmp_path)
    with new_folder(tmp_path / "model", "x") as unfinished:
        (unfinished / "new").touch()
    assert names(tmp_path) == sorted([*before, "model", "model/new"])
    with new_folder(tmp_path / "model.small", "x") as unfinished:
        (unfinished / "y").touch()
    assert names(tmp_path) == ["model", "model.small", "model.small/y", "model/new"], "its own next call clears it away"


def test_json_is_readable_text(tmp_path):
    write_json(tmp_path / "deep" / "a.json", {"name": "Łódź"})
    assert (tmp_path / "deep" / "a.json").read_text(encoding="utf-8") == '{\n  "name": "Łódź"\n}\n'
    assert names(tmp_path) == ["deep", "deep/a.json"]


def test_any_path_of_a_disk_can_be_noted(tmp_path):
    path = os.fsdecode(b"caf\xe9")
    write_json(tmp_path / "a.json", {"path": path})
    assert read_json(tmp_path / "a.json") == {"path": path}


@pytest.mark.parametrize("text", ["[]", "null", "{", "[" * 100_000, b"\xff\xfe"])
def test_a_note_that_is_no_object_is_damaged(tmp_path, text):
    (tmp_path / "run.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(DamagedError, match=r"run\.json: damaged"):
        read_json(tmp_path / "run.json")
    with pytest.raises(FileNotFoundError):
        read_json(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("fsync", "value", "error"),
    [(fails(errno.ENOSPC), {"new": 1}, RunError), (os.fsync, {"new": object()}, TypeError)],
    ids=["full disk", "not JSON"],
)
def test_a_failed_write_keeps_the_old_json(tmp_path, monkeypatch, fsync, value, error):
    path = tmp_path / "a.json"
    write_json(path, {"old": 1})
    monkeypatch.setattr(artifacts.os, "fsync", fsync)
    with pytest.raises(error):
        write_json(path, value)
    assert json.loads(path.read_text()) == {"old": 1}
    assert names(tmp_path) == ["a.json"]


def test_a_place_without_a_name_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RunError, match=r"^\.: what is made here needs a folder with a name"), new_folder(Path(), "a"):
        pass


# One at a time


def _hold(path, log, started):
    with alone(path) as unfinished:
        started.wait()
        unfinished.touch()
        with open(log, "a") as file:
            file.write("in ")
            file.flush()
            time.sleep(0.02)
            file.write("out ")


def test_processes_take_turns_and_leave_no_lock(tmp_path):
    context = multiprocessing.get_context("fork")
    started = context.Event()
    processes = [context.Process(target=_hold, args=(tmp_path / "a", tmp_path / "log", started)) for _ in range(12)]
    for process in processes:
        process.start()
    started.set()
    for process in processes:
        process.join(60)
    assert (tmp_path / "log").read_text().split() == 12 * ["in", "out"]
    assert names(tmp_path) == ["log"]


def test_who_waits_says_so(tmp_path, caplog):
    context = multiprocessing.get_context("fork")
    started = context.Event()
    process = context.Process(target=_hold, args=(tmp_path / "a", tmp_path / "log", started))
    process.start()
    while not (tmp_path / ".a.lock").exists():
        time.sleep(0.01)
    time.sleep(0.1)
    started.set()
    with caplog.at_level("INFO", "tinykd"), alone(tmp_path / "a"):
        assert (tmp_path / "log").read_text() == "in out "
    assert f"another process is at work on {tmp_path / 'a'}; waiting for it" in caplog.text
    process.join()


# Sealed


def test_a_sealed_folder_gives_back_its_facts(tmp_path):
    folder = tmp_path / "model"
    with new_folder(folder, "note.json") as unfinished:
        (unfinished / "onnx").mkdir()
        (unfinished / "onnx" / "model").write_bytes(b"weights")
        seal(unfinished, "note.json", {"task": "tagging"})
    facts = sealed(folder, "note.json")
    assert facts == {"task": "tagging", "files": {"onnx/model": sha256(folder / "onnx" / "model")}}
    (folder / "README").touch()
    assert sealed(folder, "note.json") == facts, "what was added later is the user's"
    with pytest.raises(FileNotFoundError):
        sealed(folder, "other.json")


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("weights", b"altered", "weights: missing, cut short or altered"),
        ("weights", None, "weights: missing, cut short or altered"),
        ("note.json", b'{"task"', r"note\.json: damaged"),
        ("note.json", b'{"task": "tagging"}', r"note\.json: damaged \(it names no files\)"),
    ],
)
def test_what_was_damaged_is_named(tmp_path, name, content, says):
    (tmp_path / "weights").write_bytes(b"weights")
    seal(tmp_path, "note.json", {})
    (tmp_path / name).unlink()
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DamagedError, match=says):
        sealed(tmp_path, "note.json")


def test_a_fingerprint_does_not_depend_on_the_order_of_keys():
    assert fingerprint({"a": 1, "b": (2, 3)}) == fingerprint({"b": [2, 3], "a": 1})
    assert len({fingerprint({"a": 1}), fingerprint({"a": 2}), fingerprint({"a": 1}, None)}) == 3


# Claimed


FACTS = {"rows": 3, "teacher": "minilm", "layers": (1, 2)}


def test_the_same_work_goes_on_in_a_claimed_folder_and_other_work_is_refused(tmp_path):
    run = tmp_path / "run"
    for name in ("a", "b"):
        with claim(run, "setup.json", FACTS):
            (run / name).touch()
    told = r"run was made with other settings or data \(rows is 3 there\); choose another folder or delete it"
    with pytest.raises(RunError, match=told), claim(run, "setup.json", FACTS | {"rows": 4}):
        pytest.fail("entered")
    with (
        pytest.raises(RunError, match=r"\(layers is \[1, 2\] there\)"),
        claim(run, "setup.json", {**FACTS, "layers": 1}),
    ):
        pytest.fail("entered")
    with pytest.raises(RunError, match=r"\(more is None there\)"), claim(run, "setup.json", FACTS | {"more": 1}):
        pytest.fail("entered")
    assert names(tmp_path) == ["run", "run/a", "run/b", "run/setup.json"]
    assert json.loads((run / "setup.json").read_text())["rows"] == 3
    (run / "setup.json").write_text("{")
    with pytest.raises(DamagedError, match=r"setup\.json: damaged"), claim(run, "setup.json", FACTS):
        pytest.fail("entered")


@pytest.mark.parametrize("error", [ValueError("mine"), KeyboardInterrupt()])
def test_a_claim_without_work_is_taken_back(tmp_path, error):
    with pytest.raises(type(error)), claim(tmp_path / "run", "setup.json", FACTS):
        raise error
    assert names(tmp_path) == []
    with pytest.raises(type(error)), claim(tmp_path / "run", "setup.json", FACTS):
        (tmp_path / "run" / "checkpoint").touch()
        raise error
    assert names(tmp_path) == ["run", "run/checkpoint", "run/setup.json"], "what was done is kept"


def test_a_claim_that_was_killed_at_once_is_taken_up(tmp_path):
    (tmp_path / "run").mkdir()
    for name in (".setup.json.lock", ".setup.json.unfinished"):
        (tmp_path / "run" / name).touch()
    with claim(tmp_path / "run", "setup.json", FACTS):
        assert names(tmp_path / "run") == ["setup.json"]
    (tmp_path / "run" / ".setup.json.lock").touch()  # killed between the two: the note is there, and its lock
    with claim(tmp_path / "run", "setup.json", FACTS):
        assert names(tmp_path / "run") == ["setup.json"]


def test_a_folder_of_the_user_is_not_claimed(tmp_path):
    (tmp_path / "thesis.txt").touch()
    said = rf"{tmp_path} holds something else \(no setup.json is there\)"
    with pytest.raises(RunError, match=said), claim(tmp_path, "setup.json", FACTS):
        pytest.fail("entered")
    assert names(tmp_path) == ["thesis.txt"]


def test_the_files_of_a_seal_are_no_facts(tmp_path):
    check_same(tmp_path, {"rows": 3, "files": {"a": "0"}}, {"rows": 3})


# A full disk, or a place that cannot be written


def test_a_full_disk_leaves_no_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(artifacts.os, "fsync", fails(errno.ENOSPC))
    with pytest.raises(RunError, match="the disk is full"), new_folder(tmp_path / "model", "a") as unfinished:
        (unfinished / "weights").touch()
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), FULL),
        (OSError(errno.EDQUOT, os.strerror(errno.EDQUOT), "/out/model"), FULL),
        (OSError(errno.EFBIG, os.strerror(errno.EFBIG)), FULL),
        (RuntimeError("[enforce fail at inline_container.cc:664] . unexpected pos 64 vs 0"), FULL),
        (RuntimeError("PytorchStreamWriter failed writing file data/3: file write failed"), FULL),
        (Exception('Error while serializing: I/O error: Os { code: 28, kind: StorageFull, message: "…" }'), FULL),
        (Exception("I/O error: Disk quota exceeded (os error 122)"), FULL),
        (OSError(errno.EACCES, "Permission denied"), "Permission denied"),
        (OSError(errno.EROFS, "Read-only file system"), "Read-only file system"),
    ],
)
def test_an_error_of_the_disk_becomes_one_line(error, why):
    with pytest.raises(RunError) as raised, clear_disk_errors("out/model"):
        raise error
    assert str(raised.value) == f"cannot write out/model: {why}"


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOENT, "No such file"), ValueError("mine"), RunError("ours"), Exception("os error 280")]
)
def test_other_errors_pass(error):
    with pytest.raises(type(error)) as raised, clear_disk_errors("out"):
        raise error
    assert raised.value is error


def test_a_file_in_the_way_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match=r"cannot write .*/file"), new_folder(tmp_path / "file" / "model", "a"):
        pytest.fail("entered")


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="a place of Linux where nobody can make a file")
@pytest.mark.parametrize("path", ["/proc/a.json", "/proc/a/b.json"])
def test_where_no_file_can_be_made_nobody_waits(path):
    with pytest.raises(RunError, match=rf"cannot write {path}: No such file or directory"):
        write_json(Path(path), {})


def test_a_claimed_folder_that_was_removed_does_not_hide_the_error(tmp_path):
    with pytest.raises(ZeroDivisionError), claim(tmp_path / "work", "setup.json", FACTS):
        shutil.rmtree(tmp_path / "work")
        raise ZeroDivisionError
