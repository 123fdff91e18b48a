"""What the benches share: each contestant in a process of its own, taking turns; who measured, and how busy it was.

A bench is a file with ``measure(name, options)``, which runs in the contestant's process and returns figures by name.
"""

import argparse
import json
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

RESULTS = Path(__file__).resolve().parent / "results"


def run(
    script: str,
    doc: str,
    contestants: Iterable[str],
    measure: Callable[[str, argparse.Namespace], dict],
    options: dict[str, dict] | None = None,
    prepare: Callable[[argparse.Namespace], Iterable[str] | None] | None = None,
    name: Callable[[argparse.Namespace], str] | None = None,
    arguments: list[str] | None = None,
) -> dict | None:
    """Measure every contestant some rounds, print medians and spread, and write ``results/NAME.json``.

    Args:
        script: the bench's own file; it is started again for every contestant, with ``--only`` and ``--work``.
        options: the bench's own, as argparse takes them, by flag.
        prepare: makes what the contestants need, in ``options.work``, before the first is timed; may return the names
            of those that can take part.
        name: of the results, by default that of the script.

    Returns:
        What was written; None in a contestant's process.

    Raises:
        SystemExit: a contestant failed; its last lines. Or the file of results has contestants that take no part now.
    """
    names = list(contestants)
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    for flag, settings in (options or {}).items():
        parser.add_argument(flag, **settings)
    parser.add_argument("--rounds", type=int, default=3, help="default: %(default)s")
    parser.add_argument("--contestants", nargs="*", default=names, metavar="NAME", help="of: " + "; ".join(names))
    parser.add_argument("--results", type=Path, metavar="FILE", help="default: benchmarks/results/")
    parser.add_argument("--work", type=Path, metavar="DIR", help="keep what is prepared here; default: a temporary one")
    precision = "of training, the same for all; default: what is faster here"
    parser.add_argument("--precision", choices=("fp32", "bf16"), help=precision)
    parser.add_argument("--only", help=argparse.SUPPRESS)
    given = sys.argv[1:] if arguments is None else arguments
    chosen = parser.parse_args(given)
    if chosen.only:
        print(json.dumps(measure(chosen.only, chosen)))
        return None
    from tinykd.artifacts import write_json  # only here: a contestant's process starts without torch
    from tinykd.models import best_precision

    unknown = set(chosen.contestants) - set(names)
    if unknown:
        parser.error(f"no contestant is called {', '.join(sorted(unknown))}")
    with tempfile.TemporaryDirectory() as place:
        chosen.work, chosen.precision = chosen.work or Path(place), chosen.precision or best_precision()
        there = prepare(chosen) if prepare else None
        names = [n for n in chosen.contestants if there is None or n in there]
        where = chosen.results or RESULTS / f"{name(chosen) if name else Path(script).stem}.json"
        if where.exists() and (lost := json.loads(where.read_text(encoding="utf-8"))["runs"].keys() - set(names)):
            raise SystemExit(f"{where} has measured {'; '.join(sorted(lost))}, too; name another file with --results")
        result = about(script, given) | {"precision": chosen.precision}
        print(f"{result['processor']}, {result['cores']} cores, load {result['load'][0]}", flush=True)
        own = [*given, "--precision", chosen.precision, "--work", str(chosen.work), "--only"]
        result["rounds"] = chosen.rounds
        result["options"] = {
            key: value for key, value in vars(chosen).items() if isinstance(value, str | int | float | bool)
        }
        result["runs"] = take_turns(script, names, chosen.rounds, own)
    result["load"].append(load())
    print(table(result["runs"]) + f"\nload {' to '.join(map(str, result['load']))}")
    write_json(where, result)
    return result


def take_turns(script: str, names: list[str], rounds: int, arguments: list[str]) -> dict[str, list[dict]]:
    """Start ``script`` once for each name and round, the names taking turns; the name goes last on its command line."""
    found: dict[str, list[dict]] = {name: [] for name in names}
    for _ in range(rounds):
        for name in names:
            done = subprocess.run([sys.executable, script, *arguments, name], capture_output=True, text=True)
            if done.returncode:
                raise SystemExit(f"{name} failed:\n{done.stderr[-2000:]}")
            found[name].append(json.loads(done.stdout.splitlines()[-1]))
    return found


def about(script: str, arguments: list[str]) -> dict:
    """Return who measures: command, versions, processor, cores, threads, date, and the load before."""
    from tinykd.recipes import provenance

    command = shlex.join(["benchmarks/" + Path(script).name, *arguments])
    return provenance() | {"command": command, "cores": os.cpu_count(), "load": [load()]}


def load() -> float | None:
    """Return how many processes wanted a core in the last minute, on average; None where the system does not tell."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def middle(runs: list[dict], figure: str) -> tuple[float, float, float] | None:
    """Return median, lowest and highest of one figure; None if a round has none."""
    values = [run.get(figure) for run in runs]
    if any(value is None for value in values):
        return None
    return statistics.median(values), min(values), max(values)


def table(runs: dict[str, list[dict]]) -> str:
    """Return a line for each contestant and figure: the median, and from where to where."""
    lines = []
    for name, rounds in runs.items():
        for figure in rounds[0]:
            found = middle(rounds, figure)
            told = "-" if found is None else "{:>12.4g}   (from {:.4g} to {:.4g})".format(*found)
            lines.append(f"{name:<34}{figure:<24}{told}")
    return "\n".join(lines)
