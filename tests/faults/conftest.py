"""A forge, and a room with everything that faults are tried on: tiny models, a corpus, runs that nothing disturbed."""

import os
import sys
from pathlib import Path

import pytest

from tests import tiny
from tests.faults.forge import Forge

ROOT = Path(__file__).resolve().parents[2]
#: the long version, `make faults`
SLOW = bool(os.environ.get("TINYKD_SLOW"))
slow = pytest.mark.skipif(not SLOW, reason="the long version; `make faults` runs it")


@pytest.fixture(scope="session")
def forge():
    if not sys.platform.startswith("linux"):
        pytest.skip("faults are made with fork, mounts and namespaces of Linux")
    with Forge() as opened:
        yield opened


@pytest.fixture(scope="session")
def room(tmp_path_factory):
    folder = tmp_path_factory.mktemp("room")
    tiny.base_model(folder / "base")
    tiny.corpus(folder / "corpus", train=24, rest=8)
    return folder


def distill(room: Path, out: Path, *more) -> list:
    """The step of a small run."""
    options = ["--data", room / "corpus", "--teacher", room / "base", "--student", "cut:1", "--batch-size", 8]
    return ["cli", "distill", *options, "--epochs", 2, "--teacher-epochs", 2, "--out", out, *more]


def compress(room: Path, whole: Path, out: Path) -> list:
    """The step of pruning and distilling again."""
    both = ["--model", whole / "student", "--teacher", whole / "teacher", "--data", room / "corpus"]
    return ["cli", "compress", *both, "--out", out, "--rounds", 2, "--epochs", 1]


@pytest.fixture(scope="session")
def whole(forge, room):
    """A run that nothing disturbed; ``changes`` is how often it changed a file."""
    (done, changes) = forge.run(distill(room, room / "whole"), ["changes"], under=room / "whole")
    assert done["code"] == 0, done["err"]
    return room / "whole", changes


@pytest.fixture(scope="session")
def small(forge, room, whole):
    """The same student, compressed."""
    (done, changes) = forge.run(compress(room, whole[0], room / "small"), ["changes"], under=room / "small")
    assert done["code"] == 0, done["err"]
    return room / "small", changes


@pytest.fixture(scope="session")
def watched(forge, room):
    """The command that watches a stream, without its database, and all that it says."""
    stream = room / "stream"
    forge.run(["finance_run", room / "base", room / "finance", stream])
    command = ["scenarios", "finance", "watch", stream, "--run", room / "finance", "--now", "any", "--database"]
    done, kept = forge.run(
        [*command, room / "whole.duckdb"], ["scenarios", "finance", "alerts", "--database", room / "whole.duckdb"]
    )
    assert done["code"] == kept["code"] == 0, done["err"]
    assert len(kept["out"].splitlines()) > 3 and kept["out"] == done["out"]
    return command, kept["out"]


@pytest.fixture(scope="session")
def exported(forge, whole, tmp_path_factory):
    """The student as an ONNX folder that answers; to damage it, copy it."""
    onnx = tmp_path_factory.mktemp("exported") / "onnx"
    export = ["cli", "export", "--model", whole[0] / "student", "--out", onnx]
    _, answer = forge.run(export, ["cli", "predict", "--model", onnx, "Mara Hope left."])
    assert answer["code"] == 0, answer
    return onnx


def one_line(done: dict) -> str:
    """The one line that a fault may cost."""
    lines = [line for line in done["err"].splitlines() if line.startswith(("tinykd: ", "python -m scenarios: "))]
    assert done["code"] == 1 and len(lines) == 1 and "Traceback" not in done["err"], done
    return lines[0]


def leftovers(folder: Path) -> list[str]:
    """What a killed process left behind, of files and of folders that were not finished."""
    names = [str(path.relative_to(folder)) for path in Path(folder).rglob("*")]
    return [name for name in names if unfinished(name)]


def unfinished(name: str) -> bool:
    """Whether it should be gone when all is done: what has a hidden name, and checkpoints."""
    return any(part.startswith(".") or part.endswith("-unfinished") for part in Path(name).parts)


def environment(home: Path | None, **more: str) -> dict[str, str]:
    """What a new process is given: one thread, no bars, and this home or none at all."""
    kept = {key: value for key, value in os.environ.items() if key not in ("HOME", "TINYKD_DATA", "HF_HUB_OFFLINE")}
    if home is not None:
        home.mkdir(exist_ok=True)
        kept["HOME"] = str(home)
    return kept | {"OMP_NUM_THREADS": "1", "TQDM_DISABLE": "1", "PYTHONPATH": str(ROOT)} | more
