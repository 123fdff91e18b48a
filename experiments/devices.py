"""How fast on a small board? A proxy that is measured: one core, held to a share of its time, and 256 MB of memory.

The exported variants of the course's scoreboard run in a control group of Linux (cpu quota of a period of 10 ms, memory
limit), one thread, a sentence at a time. A share of 10 % is a core a tenth as fast, with the caches and the
instructions of this one: nearer to a board than a formula, and not a board. Needs root. Uses the models of
``scoreboard.py`` at seed 0. ``python experiments/devices.py``.
"""

import contextlib
import json
import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import scoreboard

from tinykd import data, models, recipes
from tinykd.artifacts import read_json, write_json
from tinykd.deploy import export, int8
from tinykd.errors import RunError
from tinykd.evaluation import rows_of

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "experiments" / "results" / "devices.json"
GROUPS = Path("/sys/fs/cgroup")
PERIOD, MEMORY = 10_000, 256 * 2**20  #: microseconds; bytes
SHARES = (1.0, 0.5, 0.25, 0.1)
SENTENCES = 100


@contextlib.contextmanager
def limited(share: float) -> Iterator[list[Path]]:
    """Make a control group with so much of one core; yield the files that take a process in. Needs root."""
    quota, one = round(share * PERIOD), (GROUPS / "cgroup.controllers").exists()
    if one:
        limits = {"cpu.max": f"{quota} {PERIOD}", "memory.max": MEMORY}
        folders = dict.fromkeys(limits, GROUPS / "tinykd")
    else:
        limits = {"cpu.cfs_period_us": PERIOD, "cpu.cfs_quota_us": quota, "memory.limit_in_bytes": MEMORY}
        folders = {name: GROUPS / name.partition(".")[0] / "tinykd" for name in limits}
    try:
        for name, value in limits.items():
            folders[name].mkdir(exist_ok=True)
            (folders[name] / name).write_text(str(value))
    except OSError as error:
        raise RunError(f"{error.filename}: {error.strerror}; control groups need root") from None
    try:
        yield [folder / "cgroup.procs" for folder in set(folders.values())]
    finally:
        for folder in set(folders.values()):
            folder.rmdir()


def measured(folder: Path, rows: list, share: float) -> dict:
    """Return what ``tinykd.deploy.measuring`` finds of a variant in a control group: latency and highest memory."""
    with tempfile.TemporaryDirectory() as place, limited(share) as groups:
        job, out = Path(place) / "job.json", Path(place) / "out.json"
        write_json(job, {"folder": str(folder), "rows": rows, "max_length": 128, "predict": False})
        line = [sys.executable, "-m", "tinykd.deploy.measuring", str(job), str(out)]

        def enter() -> None:
            os.sched_setaffinity(0, {0})
            for group in groups:
                group.write_text(str(os.getpid()))

        threads = os.environ | {"OMP_NUM_THREADS": "1"}
        done = subprocess.run(line, preexec_fn=enter, env=threads, capture_output=True, text=True)
        if done.returncode:
            return {"latency_ms": None, "memory_bytes": None, "said": done.stderr.strip().splitlines()[-1:]}
        return {key: read_json(out)[key] for key in ("latency_ms", "memory_bytes")}


def main() -> None:
    """Measure every variant at every share, and record them."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    made = scoreboard.build("newswire", 0)
    rows = rows_of(data.load("newswire")["test"])[:SENTENCES]
    variants = {"pruned, int8": made["int8"]}
    for name in ("teacher", "student"):
        plain, rounded = (scoreboard.RUNS / "devices" / f"{name}-{kind}" for kind in ("float32", "int8"))
        if not rounded.exists():
            int8.dynamic_int8(export.to_onnx(*models.load(made[name]), plain), rounded)
        variants |= {f"{name}, float32": plain, f"{name}, int8": rounded}
    found = {name: {str(share): measured(folder, rows, share) for share in SHARES} for name, folder in variants.items()}
    write_json(RESULTS, {"variants": found, "memory": MEMORY, "period": PERIOD} | recipes.provenance())
    print(table(json.loads(RESULTS.read_text(encoding="utf-8"))))


def table(results: dict) -> str:
    """Return the milliseconds per sentence by share of one core, and the highest memory, as Markdown."""
    heads = [f"{100 * share:.0f} % of a core" for share in SHARES]
    lines = [f"| newswire | {' | '.join(heads)} | memory |", "|---|" + "--:|" * (len(heads) + 1)]
    for name, by_share in results["variants"].items():
        times = [by_share[str(share)]["latency_ms"] for share in SHARES]
        memory = max(one["memory_bytes"] or 0 for one in by_share.values()) / 1e6
        cells = ["does not fit" if time is None else f"{time:.1f} ms" for time in times]
        lines.append(f"| {name} | {' | '.join(cells)} | {memory:.0f} MB |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
