"""A full disk, a quota, a folder that nobody may write: one clear line, and the same command goes on afterwards."""

import subprocess
import sys

import pytest

from tests.faults import conftest as make
from tinykd.artifacts import sha256

FULL = "the disk is full; free some space and run the same command again"


def test_a_disk_that_fills_up_again_and_again(forge, room, whole, tmp_path):
    """In a disk of 200 kilobytes, then of a thousand, of 4,000, …: each time one line, and nothing half-written."""
    disk, weights = tmp_path / "disk", [f"{name}/model.safetensors" for name in ("teacher", "student", "twin")]
    disk.mkdir()
    sizes = [200, 1000, 4000, 6500, 7500, 40_000]  # kilobytes; a finished tiny model with its tokenizer takes 2,700
    steps = [["own_mounts"], ["small_disk", disk, "200k"]]
    for size in sizes:
        steps += [["grow", disk, f"{size}k"], make.distill(room, disk / "out"), ["listing", disk]]
    steps += [["digest", disk / "out" / name] for name in weights]
    results = forge.run(*steps)
    tries, digests = results[2 : 2 + 3 * len(sizes)], results[-3:]
    runs, listings = tries[1::3], tries[2::3]
    assert [done["code"] for done in runs] == [1] * (len(sizes) - 1) + [0], [done["err"][-300:] for done in runs]
    for done, names in zip(runs[:-1], listings, strict=False):
        assert make.one_line(done).endswith(FULL)
        assert not [name for name in names if make.unfinished(name) and "-unfinished" not in name]
    assert not [name for name in listings[-1] if make.unfinished(name)]
    assert digests == [sha256(whole[0] / name) for name in weights]


def test_a_full_disk_while_a_model_is_exported(forge, room, whole, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    export = ["cli", "export", "--model", whole[0] / "student", "--out", disk / "onnx"]
    *_, done, names = forge.run(["own_mounts"], ["small_disk", disk, "1m"], export, ["listing", disk])
    assert make.one_line(done).endswith(FULL) and names == []


def test_a_full_disk_while_a_stream_is_watched(forge, watched, tmp_path):
    command, alerts = watched
    disk = tmp_path / "disk"
    disk.mkdir()
    database = disk / "news.duckdb"
    again = [[*command, database], ["scenarios", "finance", "alerts", "--database", database]]
    *_, done, _, grown, kept = forge.run(
        ["own_mounts"], ["small_disk", disk, "20k"], [*command, database], ["grow", disk, "40m"], *again
    )
    assert "nothing of this batch was written" in make.one_line(done) or "cannot be opened" in make.one_line(done)
    assert grown["code"] == 0 and kept["out"] == alerts


def test_a_quota(forge, room, tmp_path):
    """No namespaces needed: no file may grow beyond a megabyte."""
    _, done, names = forge.run(["quota", 1 << 20], make.distill(room, tmp_path / "out"), ["listing", tmp_path])
    assert make.one_line(done).endswith(FULL)
    assert not [name for name in names if make.unfinished(name) and "-unfinished" not in name]


@pytest.mark.parametrize("command", ["distill", "export", "compress", "watch"])
def test_a_folder_that_nobody_may_write(forge, room, whole, watched, tmp_path, command):
    shut = tmp_path / "shut"
    shut.mkdir()
    step = {
        "distill": make.distill(room, shut / "out"),
        "export": ["cli", "export", "--model", whole[0] / "student", "--out", shut / "onnx"],
        "compress": make.compress(room, whole[0], shut / "small"),
        "watch": [*watched[0], shut / "news.duckdb"],
    }[command]
    *_, done, names = forge.run(["own_mounts"], ["read_only", shut], step, ["listing", shut])
    said = make.one_line(done)
    assert "Read-only file system" in said or "cannot be opened" in said
    assert str(shut) in said and names == []


def test_a_finished_run_is_read_from_a_folder_that_nobody_may_write(forge, room, whole):
    """Its report is printed again, and its models predict."""
    *_, done, said = forge.run(
        ["own_mounts"],
        ["read_only", whole[0]],
        make.distill(room, whole[0]),
        ["cli", "predict", "--model", whole[0] / "student", "Mara Hope left Jordan."],
    )
    assert done["code"] == 0 and "holds this run, finished" in done["err"] and "student" in done["out"], done
    assert said["code"] == 0 and said["out"].startswith('{"text": "Mara Hope left Jordan."')


def test_nothing_is_written_outside_the_output_folder(forge, room, tmp_path):
    """Not into the corpus, not into the base model, not into the folder where the command is typed."""
    here = tmp_path / "here"
    here.mkdir()
    before = sorted(path for path in room.glob("[bc]*/*"))
    command = [sys.executable, "-m", "tinykd", *map(str, make.distill(room, here / "out")[1:])]
    subprocess.run(command, cwd=here, env=make.environment(tmp_path / "home"), check=True, capture_output=True)
    assert [path.name for path in here.iterdir()] == ["out"]
    assert sorted(path for path in room.glob("[bc]*/*")) == before
