"""The ladder: one student followed through every rung, each measured in a process of its own. Taught in lesson 08.

A rung is a folder: a model saved by ``training`` or ``pruning``, or one exported by ``export`` or ``quantization``.
Two runtimes in one process disturb each other's threads, and what one has loaded counts as the other's memory; so the
process of an exported model imports no torch. The scores are computed afterwards, from the answers.
"""

import contextlib
import functools
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tinykd.text import decode, evenly

LATENCY_ROWS = 200  #: sentences that are timed one at a time
PACE_ROWS = 512  #: sentences that are timed in batches of 32


def climb(
    rungs: dict[str, Path],
    corpus: str,
    split: str = "test",
    threads: int = 2,
    rounds: int = 3,
    columns: list[str] | None = None,
    max_length: int = 128,
) -> list[dict]:
    """Measure every rung on one split of a corpus.

    Args:
        rungs: by name, folders.
        corpus: for ``data.load``.
        threads: of the matrix products.
        rounds: each rung is measured so often, the rungs taking turns; times are medians over the rounds.
        columns: as for ``data.load``.
        max_length: word pieces in a window of a plain model's answers; an exported one knows its own.

    Returns:
        A dict a rung: ``name``; ``entity_f1`` and ``token_accuracy``, or ``accuracy`` and ``macro_f1``; ``parameters``;
        ``size_bytes``, of the weights; ``latency_ms``, the median sentence at batch size 1; ``pace``, sentences a
        second at batch size 32; ``memory_bytes``, the highest of the process; ``spread_ms``, the lowest and the highest
        latency; and ``products_ms``, of a model in torch: its matrix products alone, as torch multiplies them in
        float32 on this processor, of the same sentences. Whatever else is saved, torch does not go below it.

    Raises:
        DataError: no such split.
        ModelError: a rung that is no model folder, or has other labels than the corpus; before any is measured.
        RunError: a process that failed, with its last line.
    """
    from tinykd import data, evaluation
    from tinykd.errors import ModelError, RunError
    from tinykd.models import check_labels

    for what, number in (("rounds", rounds), ("max_length", max_length)):
        if number < 1:
            raise RunError(f"{what} is {number}; it must be at least 1")
    for name, folder in rungs.items():
        if not any((Path(folder) / file).is_file() for file in ("config.json", "export.json")):
            where = Path(folder).resolve()
            raise ModelError(f"{name}: not a model folder; no config.json and no export.json in {where}")
    dataset = data.split_of(data.load(corpus, columns), split, corpus)
    task = data.task(dataset)
    for name, folder in rungs.items():
        check_labels(_labels(Path(folder)), data.label_names(dataset), name, corpus)
    rows = dataset["tokens"][:] if task == "tagging" else dataset["text"][:]
    seen: dict[str, list[dict]] = {name: [] for name in rungs}
    with tempfile.TemporaryDirectory() as place:
        (Path(place) / "rows.json").write_text(json.dumps(rows), encoding="utf-8")
        for round_ in range(rounds):
            for name, folder in rungs.items():
                command = [
                    sys.executable,
                    "-m",
                    "tinykd.ladder",
                    str(folder),
                    place,
                    str(threads),
                    str(max_length if round_ == 0 else 0),
                ]
                done = subprocess.run(command, capture_output=True, text=True)
                if done.returncode:
                    raise RunError(f"{name} ({folder}): {(done.stderr.strip().splitlines() or ['failed'])[-1]}")
                seen[name].append(json.loads((Path(place) / "measured.json").read_text(encoding="utf-8")))
    found = []
    for name, runs in seen.items():
        first = runs[0]
        times = [run["latency_ms"] for run in runs]
        scores = evaluation.scores(task, evaluation.gold(dataset), first.pop("answers"))
        found.append(
            {"name": name}
            | {key: value for key, value in scores.items() if key != "by_type"}
            | first
            | {"latency_ms": statistics.median(times), "spread_ms": [min(times), max(times)]}
            | {"pace": statistics.median(run["pace"] for run in runs)}
            | {"products_ms": statistics.median(run["products_ms"] for run in runs) if "products_ms" in first else None}
        )
    return found


def table(rungs: list[dict]) -> str:
    """Return the ladder as a Markdown table; the first rung is what the others are compared with."""
    from tinykd.recipes import main_score

    top = rungs[0]
    score = main_score(top)
    lines = [
        f"| rung | {score.replace('_', ' ')} | of the first | on disk | smaller | one sentence | faster | "
        "its products in torch | 32 at a time | memory |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for rung in rungs:
        products = f"{rung['products_ms']:.2f} ms" if rung["products_ms"] else ""
        lines.append(
            f"| {rung['name']} | {rung[score]:.3f} | {_share(rung[score], top[score])} "
            f"| {rung['size_bytes'] / 1e6:.1f} MB | {top['size_bytes'] / rung['size_bytes']:.1f}x "
            f"| {rung['latency_ms']:.2f} ms | {top['latency_ms'] / rung['latency_ms']:.1f}x "
            f"| {products} | {rung['pace']:.0f} a second | {rung['memory_bytes'] / 1e6:.0f} MB |"
        )
    return "\n".join(lines)


def _share(score: float, of: float) -> str:
    return f"{100 * score / of:.1f} %" if of else ""


def _labels(folder: Path) -> list[str]:
    """Return a rung's labels, without loading it."""
    from tinykd import manifest
    from tinykd.errors import ModelError

    if (folder / "export.json").exists():
        return manifest.read(folder)["labels"]
    try:
        return list(json.loads((folder / "config.json").read_text(encoding="utf-8")).get("id2label", {}).values())
    except (ValueError, AttributeError):
        raise ModelError(f"{folder / 'config.json'}: damaged; train or export the model again") from None


def _measure(folder: Path, rows: list, threads: int, max_length: int) -> dict:
    """Time one rung in this process, whatever it is; with a ``max_length`` its answers too, label names a row."""
    answer, labels, parameters, files = open_rung(folder, threads)
    size = sum(file.stat().st_size for file in files)
    few = evenly(rows, LATENCY_ROWS)
    for row in few[:20]:
        answer([row])
    times = []
    for row in few:
        start = time.perf_counter()
        answer([row])
        times.append(1000 * (time.perf_counter() - start))
    many = sorted(rows[:PACE_ROWS], key=len)
    start = time.perf_counter()
    for first in range(0, len(many), 32):
        answer(many[first : first + 32])
    pace = len(many) / (time.perf_counter() - start)
    found = {"parameters": parameters, "size_bytes": size, "latency_ms": statistics.median(times), "pace": pace}
    found["memory_bytes"] = peak_memory()
    if not (folder / "export.json").exists():
        found["products_ms"] = _products_ms(folder, few)
    if max_length:
        if (folder / "export.json").exists():
            answered = [logits for first in range(0, len(rows), 32) for logits in answer(rows[first : first + 32])]
        else:
            answered = _answers(folder, rows, max_length)
        found["answers"] = [[labels[k] for k in decode(logits, labels)] for logits in answered]
    return found


def _answers(folder: Path, rows: list, max_length: int) -> list:
    """Ask a plain model as ``evaluate`` does: what is longer than a window is read in several."""
    from datasets import Dataset

    from tinykd import inference, models

    texts = {"text": rows, "label": [0] * len(rows)}
    words = {"tokens": rows, "labels": [[0] * len(row) for row in rows]}
    return inference.logits(
        *models.load(folder), Dataset.from_dict(texts if isinstance(rows[0], str) else words), max_length
    )


def open_rung(folder: Path, threads: int) -> tuple[Callable, list[str], int | None, list[Path]]:
    """Open a plain or an exported model, whichever ``folder`` holds.

    Returns:
        A function from rows (texts, or lists of words) to logits, an array or tensor a row, with no batching of its
        own; the labels; the number of parameters, where the folder tells; the files of the weights.
    """
    return (_exported if (folder / "export.json").exists() else _plain)(folder, threads)


def _exported(folder: Path, threads: int) -> tuple[Callable, list[str], int | None, list[Path]]:
    from tinykd import manifest, runtime

    model = runtime.load(folder, threads=threads)
    files = [model.path, model.path.with_suffix(".bin")] if model.path.suffix == ".xml" else [model.path]
    return (lambda rows: model.logits(rows)), model.labels, manifest.read(folder).get("parameters"), files


def _plain(folder: Path, threads: int) -> tuple[Callable, list[str], int, list[Path]]:
    import torch

    from tinykd import models
    from tinykd.internals import of_words

    torch.set_num_threads(threads)
    model, tokenizer = models.load(folder)
    tagging = models.task_of(model) == "tagging"

    @torch.inference_mode()
    def answer(rows: list) -> list:
        options = {"padding": True, "truncation": True, "max_length": model.config.max_position_embeddings}
        batch = tokenizer(rows, is_split_into_words=tagging, return_tensors="pt", **options)
        logits = model(**batch).logits
        if not tagging:
            return list(logits[:, None])
        answers = []
        for i, row in enumerate(rows):
            starts = [-1] * len(row)
            for position, word in reversed(list(enumerate(batch.word_ids(i)))):
                if word is not None:
                    starts[word] = position
            answers.append(of_words(logits[i : i + 1], torch.tensor([starts]))[0])
        return answers

    size = sum(p.numel() for p in model.parameters())
    return answer, models.label_names(model.config), size, sorted(Path(folder).glob("*.safetensors"))


def products(model, batch: dict) -> list[Callable]:
    """Return a call for each matrix product of ``model(**batch)``, with the operands that it had there."""
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode

    kinds, calls = {torch.ops.aten.addmm.default, torch.ops.aten.mm.default, torch.ops.aten.bmm.default}, []

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
            if operation in kinds:
                calls.append(functools.partial(operation, *args))
            return operation(*args, **(kwargs or {}))

    model.set_attn_implementation("eager")  # in one operation its two products would not be seen
    with torch.no_grad(), Watch():
        model(**batch)
    return calls


def _products_ms(folder: Path, rows: list) -> float:
    from tinykd import models

    model, tokenizer = models.load(folder)
    times = []
    for row in rows:
        words = not isinstance(row, str)
        calls = products(model, tokenizer([row], is_split_into_words=words, truncation=True, return_tensors="pt"))
        for _ in range(2):  # the second time counts
            start = time.perf_counter()
            for call in calls:
                call()
            last = 1000 * (time.perf_counter() - start)
        times.append(last)
    return statistics.median(times)


def peak_memory() -> int:
    """Return the highest resident memory of this process so far, in bytes; 0 where the system does not tell."""
    with contextlib.suppress(OSError):  # Linux; getrusage would count the parent's memory at the fork as ours
        for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return 1024 * int(line.split()[1])
    with contextlib.suppress(ImportError):
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # macOS counts bytes
    return 0


if __name__ == "__main__":
    model_folder, work, thread_count, window = sys.argv[1:]
    texts = json.loads((Path(work) / "rows.json").read_text(encoding="utf-8"))
    measured = _measure(Path(model_folder), texts, int(thread_count), int(window))
    (Path(work) / "measured.json").write_text(json.dumps(measured), encoding="utf-8")
