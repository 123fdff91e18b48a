"""Size, speed, memory and score of several variants of a model, each in a process of its own. Taught in lesson 10.

Two runtimes in one process would share threads and memory. A variant is whatever ``tinykd.open`` reads.
"""

import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from datasets import Dataset

import tinykd
from tinykd import artifacts, data, evaluation, models
from tinykd.errors import RunError, SettingError, is_whole


def benchmark(
    variants: dict[str, Path], dataset: Dataset, threads: int = 2, rounds: int = 3, max_length: int = 128
) -> list[dict]:
    """Measure every variant on a corpus split.

    Args:
        variants: name → folder.
        threads: of the matrix multiplications.
        rounds: how often each variant is measured, in turns; times are medians over the rounds.
        max_length: subword tokens in a window of a saved model; an export and a fusion know their own.

    Returns:
        A dict per variant: ``name``; ``entity_f1`` and ``token_accuracy``, or ``accuracy`` and ``macro_f1``;
        ``parameters``; ``size_bytes``, of the weights; ``latency_ms``, of the median sentence at batch size 1;
        ``spread_ms``, its lowest and highest over the rounds; ``throughput``, sentences per second at batch size 32;
        ``memory_bytes``, the highest of the process; and ``matmul_ms``, of a saved model's matrix multiplications
        alone, in float32 by torch: a lower bound of its latency there.

    Raises:
        ModelError: nothing that can predict, or other labels than the corpus; before anything is measured.
        SettingError: a number that is not whole or less than 1.
        RunError: a process that failed, with its last line.
    """
    for what, number in (("threads", threads), ("rounds", rounds), ("max_length", max_length)):
        if not is_whole(number, 1):
            raise SettingError(f"{what} is {number}; it must be a whole number, at least 1")
    for name, folder in variants.items():
        models.check_labels(tinykd.open(folder).labels, data.label_names(dataset), name, "the corpus")
    runs = _in_turns(variants, {"rows": evaluation.rows_of(dataset)[:], "max_length": max_length}, threads, rounds)
    task, gold = data.task(dataset), evaluation.gold(dataset)
    return [_summary(name, of, evaluation.scores(task, gold, of[0]["predicted"])) for name, of in runs.items()]


def table(variants: list[dict]) -> str:
    """Return the measurements as a Markdown table; the first variant is what the others are compared with."""
    top, score = variants[0], evaluation.main_score(variants[0])
    titles = ("variant", score.replace("_", " "), "of the first", "on disk", "smaller", "one sentence", "faster")
    titles += ("its matrix multiplications in torch", "32 at a time", "memory")
    lines = [f"| {' | '.join(titles)} |", "|---" * len(titles) + "|"]
    for one in variants:
        kept = f"{100 * one[score] / top[score]:.1f} %" if top[score] else ""
        multiplied = f"{one['matmul_ms']:.2f} ms" if one["matmul_ms"] else ""
        lines.append(
            f"| {one['name']} | {one[score]:.3f} | {kept} "
            f"| {one['size_bytes'] / 1e6:.1f} MB | {top['size_bytes'] / one['size_bytes']:.1f}x "
            f"| {one['latency_ms']:.2f} ms | {top['latency_ms'] / one['latency_ms']:.1f}x "
            f"| {multiplied} | {one['throughput']:.0f} per second | {one['memory_bytes'] / 1e6:.0f} MB |"
        )
    return "\n".join(lines)


def _in_turns(variants: dict[str, Path], job: dict, threads: int, rounds: int) -> dict[str, list[dict]]:
    """Return what each process of each variant measured; the first process of each also predicts."""
    runs: dict[str, list[dict]] = {name: [] for name in variants}
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    with tempfile.TemporaryDirectory() as place:
        job_file, measured_file = Path(place) / "job.json", Path(place) / "measured.json"
        for _ in range(rounds):
            for name, folder in variants.items():
                artifacts.write_json(job_file, job | {"folder": str(folder), "predict": not runs[name]})
                command = [sys.executable, "-m", "tinykd.deploy.measuring", str(job_file), str(measured_file)]
                done = subprocess.run(command, capture_output=True, text=True, env=environment)
                if done.returncode:
                    raise RunError(f"{name} ({folder}): {(done.stderr.strip().splitlines() or ['failed'])[-1]}")
                runs[name].append(artifacts.read_json(measured_file))
    return runs


def _summary(name: str, runs: list[dict], scores: dict) -> dict:
    latencies = [run["latency_ms"] for run in runs]
    facts = {key: value for key, value in (scores | runs[0]).items() if key not in ("by_type", "predicted")}
    medians = {key: statistics.median(run[key] for run in runs) for key in ("latency_ms", "throughput")}
    matmul = [run["matmul_ms"] for run in runs if run["matmul_ms"] is not None]
    medians["matmul_ms"] = statistics.median(matmul) if matmul else None
    return {"name": name} | facts | medians | {"spread_ms": [min(latencies), max(latencies)]}
