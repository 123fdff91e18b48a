"""A process that has tinykd loaded and does nothing but fork: each fault hits a child of its own, without a new start.

The parent never computes, so that its children inherit no threads. A child takes steps (functions of ``jobs``), one
after the other, and may be killed by ``kill -9`` in the middle.

    forge.run(["cli", "distill", …])                     the results of the steps
    forge.run(["cli", …], kill_at=7, under=out)          killed just before its 7th change of a file under ``out``
    forge.run(["cli", …], after=0.3)                     killed after so many seconds
    forge.run(["cli", …], processes=30)                  thirty children at once, a list of results each
"""

import gc
import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tinykd.training import callbacks

ROOT = Path(__file__).resolve().parents[2]
CHANGES = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.truncate", "os.link"}
ROOMS = (
    *("tinykd.recipes", "tinykd.pruning", "tinykd.deploy.export", "tinykd.deploy.int8", "tinykd.deploy.runtime"),
    *("tinykd.fusion", "scenarios.finance"),
)


class Killed(Exception):
    """The child was killed before it had taken all steps."""


class Forge:
    """Speaks with the process; a context manager."""

    def __enter__(self) -> "Forge":
        environment = os.environ | {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "TQDM_DISABLE": "1"}
        environment |= {"HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-m", "tests.faults.forge"]
        self.process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        return self

    def __exit__(self, *_) -> None:
        self.process.stdin.close()
        self.process.wait()

    def run(self, *steps, kill_at=None, under=None, after=None, processes=None):
        """Take the steps in a child, or in several; return their results, a list each.

        Raises:
            Killed: as was asked for.
        """
        asked = {"steps": steps, "kill_at": kill_at, "under": under, "after": after, "processes": processes or 1}
        self.process.stdin.write(json.dumps(asked, default=str) + "\n")
        self.process.stdin.flush()
        told = json.loads(self.process.stdout.readline())
        if any(one is None for one in told) and (kill_at or after):
            raise Killed
        assert None not in told, "a child ended otherwise than by returning; see above"
        return told if processes else told[0]


def _serve() -> None:
    import duckdb  # noqa: F401
    import pyarrow.dataset  # noqa: F401
    import transformers.models.bert.modeling_bert  # noqa: F401

    for room in ROOMS:
        importlib.import_module(room)
    callbacks.SECONDS = 0  # these runs are short, and what happens to a checkpoint is the question
    gc.collect()
    gc.freeze()  # a child's collector would touch, and so copy, every page
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a child prints is not an answer
    for line in sys.stdin:
        asked = json.loads(line)
        with tempfile.TemporaryDirectory() as place:
            children = [_fork(asked, Path(place) / str(number)) for number in range(asked["processes"])]
            if asked["after"]:
                time.sleep(asked["after"])
                os.kill(children[0], signal.SIGKILL)
            for child in children:
                os.waitpid(child, 0)
            told = [Path(place) / str(number) for number in range(asked["processes"])]
            told = [json.loads(file.read_text()) if file.exists() else None for file in told]
        answers.write(json.dumps(told) + "\n")
        answers.flush()
    os._exit(0)  # nothing of ours is left to be tidied up


def _fork(asked: dict, answer: Path) -> int:
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        from tests.faults import jobs

        if asked["under"]:
            sys.addaudithook(_counter(asked["under"], asked["kill_at"], jobs.seen))
        told = [getattr(jobs, name)(*arguments) for name, *arguments in asked["steps"]]
        unfinished = answer.with_suffix(".new")
        unfinished.write_text(json.dumps(told, default=str))
        unfinished.rename(answer)
        code = 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(code)


def _counter(under: str, kill_at: int | None, seen: list):
    """Count changes of files below a folder; before number ``kill_at``, die."""

    def hook(event, arguments):
        writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        if (writes or event in CHANGES) and str(arguments[0]).startswith(under):
            seen.append(event)
            if len(seen) == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)

    return hook


if __name__ == "__main__":
    _serve()
