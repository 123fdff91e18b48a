"""The long version, behind `make faults`: the real demo, a real book, thirty processes with the real teacher."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest

from tests import tiny
from tests.faults import conftest as make
from tests.faults.conftest import ROOT, slow
from tests.faults.forge import Killed

KILLS, BOOK_KILLS = 20, 3


@slow
def test_the_real_demo_killed_twenty_times_ends_as_one_that_never_was(forge, tmp_path, capsys):
    """MiniLM, its cut and *newswire*, a part of it; killed at twenty moments drawn over the whole run."""
    step = ["cli", "distill", "--data", "newswire", "--max-train", 128, "--epochs", 3, "--teacher-epochs", 3, "--out"]
    start = time.monotonic()
    done, changes = forge.run([*step, tmp_path / "whole"], ["changes"], under=tmp_path / "whole")
    assert done["code"] == 0, done["err"]
    seconds, draw, out = time.monotonic() - start, random.Random(4), tmp_path / "out"
    moments = sorted(draw.sample(range(1, changes + 1), KILLS))
    killed = 0
    for moment in [max(1, moment - before) for before, moment in zip([0, *moments], moments, strict=False)]:
        try:  # so many changes later than the last time: the kills are spread over the run, which goes on in between
            forge.run([*step, out], kill_at=moment, under=out)
        except Killed:
            killed += 1
    (done,) = forge.run([*step, out])
    assert done["code"] == 0, done["err"]
    for name in ("teacher", "student", "twin"):
        assert tiny.same_weights(tmp_path / "whole" / name, out / name), name
    assert not make.leftovers(out)
    assert killed == KILLS
    with capsys.disabled():
        print(f"\n{killed} kills in a run of {changes} changes, {seconds:.0f} s; the same weights, nothing left")


@slow
def test_thirty_processes_and_the_real_teacher(forge, room, tmp_path, capsys):
    told, store = tmp_path / "told", tmp_path / "cache" / "signals"
    start = time.monotonic()
    digests = forge.run(["signals", "minilm", room / "corpus", store, told], processes=30)
    assert len({digest for (digest,) in digests}) == 1 and len(digests) == 30
    assert len(told.read_text().splitlines()) == 1
    with capsys.disabled():
        print(f"\n30 processes, one teacher, asked once: {time.monotonic() - start:.0f} s")


@slow
@pytest.mark.parametrize("seed", range(BOOK_KILLS))
def test_a_book_killed_while_it_is_built_is_built_whole_the_next_time(tmp_path, seed):
    book = tmp_path / "book"
    book.mkdir()
    (book / "_config.yml").write_text(
        "title: a book\nexecute: {execute_notebooks: 'off'}\nonly_build_toc_files: true\n"
    )
    (book / "_toc.yml").write_text("format: jb-book\nroot: one\nchapters:\n  - file: two\n")
    for name in ("one", "two"):
        (book / f"{name}.md").write_text(f"# {name}\n\nText.\n")
    program = "import sys; sys.path.insert(0, 'tools'); from pathlib import Path; import build_book\n"
    program += f"build_book.build(Path({str(book)!r}), Path({str(tmp_path)!r}))"
    command, whole = [sys.executable, "-c", program], None
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    start = time.monotonic()
    subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)
    seconds, site = time.monotonic() - start, tmp_path / "_build" / "html"
    whole = sorted(str(path.relative_to(site)) for path in site.rglob("*.html"))
    process = subprocess.Popen(command, cwd=ROOT, env=environment, start_new_session=True, stdout=-3, stderr=-3)
    time.sleep(seconds * random.Random(seed).uniform(0.2, 0.9))
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)
    assert sorted(str(path.relative_to(site)) for path in site.rglob("*.html")) == whole
    assert json.dumps(whole).count("one.html") and not [
        p for p in tmp_path.iterdir() if p.name not in ("book", "_build")
    ]
