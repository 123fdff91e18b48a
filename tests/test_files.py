import errno
import json
import os
from pathlib import Path

import pytest

from tinykd import files
from tinykd.errors import RunError
from tinykd.files import clear_disk_errors, new_folder, read_json, write_json


def fails(code):
    def fail(*_):
        raise OSError(code, os.strerror(code))

    return fail


def test_a_new_folder_takes_the_place_of_the_old_one(tmp_path):
    folder = tmp_path / "deep" / "model"
    for name in ("old", "new"):
        with new_folder(folder, "old") as unfinished:
            (unfinished / name).write_text(name)
            assert not (folder / name).exists()
    assert [path.name for path in folder.iterdir()] == ["new"]
    assert [path.name for path in folder.parent.iterdir()] == ["model"]
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
    assert [path.name for path in tmp_path.rglob("*")] == ["model", "old"] * len(before)


def test_what_is_not_ours_is_refused_and_kept(tmp_path):
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("mine")
    for place in (mine, mine / "thesis.txt"):
        said = r"holds something else \(no model or config is there\)"
        with pytest.raises(RunError, match=said), new_folder(place, "model", "config"):
            raise AssertionError("nothing is begun")
    assert [path.name for path in tmp_path.rglob("*")] == ["mine", "thesis.txt"]


def test_killed_between_two_renames_nothing_is_lost_even_if_the_next_one_fails(tmp_path):
    """The place is empty then: the old folder has gone aside, and the new one, which is whole, has not its name yet."""
    for name, content in ((".model-0a1b2c3d", "new"), (".model-0a1b2c3d.old", "old")):
        (tmp_path / name).mkdir()
        (tmp_path / name / content).touch()
    (tmp_path / ".model-0a1b2c3d.lock").touch()
    with pytest.raises(ValueError, match="the next one fails"), new_folder(tmp_path / "model", "new"):
        raise ValueError("the next one fails")
    assert [path.name for path in tmp_path.rglob("*")] == ["model", "new"]


def test_what_was_left_of_a_folder_with_a_longer_name_is_left_alone(tmp_path):
    for name in (".model-small-0a1b2c3d", ".model-small-0a1b2c3d.old"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x").touch()
    (tmp_path / ".model-small-0a1b2c3d.lock").touch()
    with new_folder(tmp_path / "model") as unfinished:
        (unfinished / "new").touch()
    assert [path.name for path in (tmp_path / "model").iterdir()] == ["new"]
    with new_folder(tmp_path / "model-small", "x"):
        assert (tmp_path / "model-small").exists()  # its own next call finds what was left


def test_a_folder_is_claimed_by_what_is_made_in_it(tmp_path):
    for _ in range(2):
        files.claim(tmp_path / "run" / "setup.json", {"rows": 3, "teacher": "minilm", "layers": (1, 2)})
    with pytest.raises(RunError, match=r"run was made with other settings or data \(rows\); choose another folder"):
        files.claim(tmp_path / "run" / "setup.json", {"rows": 4, "teacher": "minilm", "layers": (1, 2)})
    assert json.loads((tmp_path / "run" / "setup.json").read_text())["rows"] == 3
    (tmp_path / "run" / "setup.json").write_text("{")
    with pytest.raises(RunError, match=r"damaged .* delete .*run"):
        files.claim(tmp_path / "run" / "setup.json", {"rows": 3, "teacher": "minilm"})


def test_a_full_disk_leaves_no_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(files.os, "fsync", fails(errno.ENOSPC))
    with pytest.raises(RunError, match="the disk is full"), new_folder(tmp_path / "model") as unfinished:
        (unfinished / "weights").touch()
    assert list(tmp_path.iterdir()) == []


def test_json_is_readable_text(tmp_path):
    write_json(tmp_path / "deep" / "a.json", {"name": "Łódź"})
    assert (tmp_path / "deep" / "a.json").read_text(encoding="utf-8") == '{\n  "name": "Łódź"\n}\n'


@pytest.mark.parametrize("text", ["[]", "null", "{"])
def test_a_note_that_is_no_object_is_damaged(tmp_path, text):
    (tmp_path / "run.json").write_text(text, encoding="utf-8")
    with pytest.raises(RunError, match=r"run\.json: damaged .*; delete it"):
        read_json(tmp_path / "run.json", "delete it")


def test_a_place_without_a_name_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RunError, match=r"^\.: what is made here needs a folder with a name"), new_folder(Path()):
        pass


@pytest.mark.parametrize(
    ("fsync", "value", "error"),
    [(fails(errno.ENOSPC), {"new": 1}, RunError), (os.fsync, {"new": object()}, TypeError)],
    ids=["full disk", "not JSON"],
)
def test_a_failed_write_keeps_the_old_json(tmp_path, monkeypatch, fsync, value, error):
    path = tmp_path / "a.json"
    write_json(path, {"old": 1})
    monkeypatch.setattr(files.os, "fsync", fsync)
    with pytest.raises(error):
        write_json(path, value)
    assert json.loads(path.read_text()) == {"old": 1}
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("code", "why"),
    [
        (errno.ENOSPC, "the disk is full; free some space and run the same command again"),
        (errno.EDQUOT, "the disk is full; free some space and run the same command again"),
        (errno.EACCES, "Permission denied"),
        (errno.EROFS, "Read-only file system"),
    ],
)
def test_an_error_of_the_disk_becomes_one_line(code, why):
    with pytest.raises(RunError) as error, clear_disk_errors("out/model"):
        fails(code)()
    assert str(error.value) == f"cannot write out/model: {why}"


def test_a_file_in_the_way_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match=r"cannot write .*/file: "), new_folder(tmp_path / "file" / "model"):
        pytest.fail("entered")


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="a place of Linux where nobody can make a file")
@pytest.mark.parametrize("path", ["/proc/a.json", "/proc/a/b.json"])
def test_where_no_file_can_be_made_nobody_waits(path):
    with pytest.raises(RunError, match=r"cannot write /proc.*: no file can be made there"):
        write_json(Path(path), {})


def test_other_errors_pass():
    with pytest.raises(FileNotFoundError), clear_disk_errors("out"):
        fails(errno.ENOENT)()
