"""kill -9 at twenty moments drawn with a seed: the same command again ends as if nothing had happened."""

import json
import random

import pytest

from tests import tiny
from tests.faults import conftest as make
from tests.faults.forge import Killed

#: seven of distilling, five of compressing, five of watching; three of building the book are in ``test_book.py``
DISTILL, COMPRESS, WATCH = 7, 5, 5


def points(seed: int, number: int) -> list[float]:
    """Shares of a run, drawn with a seed."""
    draw = random.Random(seed)
    return [draw.random() for _ in range(number)]


@pytest.mark.parametrize("share", points(1, DISTILL), ids=lambda share: f"{share:.2f}")
def test_distil_killed_anywhere_ends_at_the_same_weights(forge, room, whole, tmp_path, share):
    finished, changes = whole
    out = tmp_path / "out"
    with pytest.raises(Killed):
        forge.run(make.distill(room, out), kill_at=1 + int(share * changes), under=out)
    (done,) = forge.run(make.distill(room, out))
    assert done["code"] == 0, done["err"]
    for name in ("teacher", "student", "twin"):
        assert tiny.same_weights(finished / name, out / name), name
    assert (out / "signals" / "signals.arrow").read_bytes() == (finished / "signals" / "signals.arrow").read_bytes()
    assert not make.leftovers(out) and (out / "report.json").exists()


@pytest.mark.parametrize("share", points(2, COMPRESS), ids=lambda share: f"{share:.2f}")
def test_compress_killed_anywhere_ends_at_the_same_weights(forge, room, whole, small, tmp_path, share):
    finished, changes = small
    out = tmp_path / "small"
    with pytest.raises(Killed):
        forge.run(make.compress(room, whole[0], out), kill_at=1 + int(share * changes), under=out)
    (done,) = forge.run(make.compress(room, whole[0], out))
    assert done["code"] == 0, done["err"]
    assert tiny.same_weights(finished / "student", out / "student")
    assert not make.leftovers(out)


@pytest.mark.parametrize("share", points(3, WATCH), ids=lambda share: f"{share:.2f}")
def test_watch_killed_anywhere_keeps_every_alert_once(forge, watched, tmp_path, share):
    command, alerts = watched
    database = tmp_path / "news.duckdb"
    for halves in range(7):  # where it had ended before, it is killed sooner
        try:
            forge.run([*command, database], after=(0.05 + share) / 2**halves)
        except Killed:
            break
        database.unlink()
    else:
        pytest.fail("it was never killed")
    forge.run([*command, database])
    (kept,) = forge.run(["scenarios", "finance", "alerts", "--database", database])
    assert kept["out"] == alerts
    assert [path.name for path in tmp_path.iterdir()] == [database.name]


def test_a_database_killed_before_each_statement_of_its_opening_opens_again(forge, tmp_path):
    """Tables made one by one were once some of ours, and refused as somebody else's."""
    (statements,) = forge.run(["open_database", tmp_path / "whole.duckdb"])
    assert statements > 10
    for number in range(1, statements + 1):
        database = tmp_path / f"{number}.duckdb"
        with pytest.raises(AssertionError, match="a child ended"):
            forge.run(["open_database", database, number])
        forge.run(["open_database", database])


def test_a_folder_that_takes_the_place_of_another_is_whole_at_every_moment(forge, tmp_path):
    """Killed before each of its changes: the folder holds the old or the new, never a mixture; for one instant both
    stand beside it under hidden names. The next writer clears away whatever was left."""
    folder = tmp_path / "model"
    forge.run(["replace", folder, "old"])
    _, changes = forge.run(["replace", folder, "old"], ["changes"], under=tmp_path)
    held = []
    for number in range(1, changes + 1):
        forge.run(["replace", folder, "old"])
        with pytest.raises(Killed):
            forge.run(["replace", folder, "new"], kill_at=number, under=tmp_path)
        held.append({file.read_text() for file in folder.glob("*")})
        if not held[-1]:
            beside = [
                {file.read_text() for file in left.glob("*")} for left in tmp_path.glob(".model.*") if left.is_dir()
            ]
            assert sorted(beside, key=str) == [{"new"}, {"old"}]
    assert held.count({"old"}) > 3 and held.count(set()) <= 1 and {"new"} in held
    assert [len(one) for one in held if one] == [1] * (len(held) - held.count(set()))
    forge.run(["replace", folder, "last"])
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_note_is_old_or_new_at_every_moment(forge, tmp_path):
    note = tmp_path / "note.json"
    forge.run(["write_note", note, "old"])
    _, changes = forge.run(["write_note", note, "old"], ["changes"], under=tmp_path)
    for number in range(1, changes + 1):
        forge.run(["write_note", note, "old"])
        with pytest.raises(Killed):
            forge.run(["write_note", note, "new"], kill_at=number, under=tmp_path)
        assert json.loads(note.read_text()) in ("old", "new")
    forge.run(["write_note", note, "last"])
    assert [path.name for path in tmp_path.iterdir()] == ["note.json"]
