"""What one predictor costs: milliseconds, bytes, memory; alone in its process, as ``python -m``. Taught in lesson 10.

The process of an exported model must not load torch, whose memory would count as the model's. So this module imports
torch only where it is used.
"""

import contextlib
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import tinykd
from tinykd import artifacts
from tinykd.deploy.predictor import Predictor, Rows
from tinykd.errors import SettingError, is_whole
from tinykd.text import decode, evenly

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

LATENCY_ROWS = 200  #: sentences that are timed one at a time
THROUGHPUT_ROWS = 512  #: sentences that are timed in batches of 32


def profile(predictor: Predictor, folder: str | Path, rows: Rows, sentences: int = 100) -> dict:
    """Return ``parameters``, where they are known, ``size_bytes`` of the weights in ``folder``, and ``latency_ms``."""
    folder, members = Path(folder), getattr(predictor, "members", {})
    if (folder / "export.json").exists():
        parameters, files = artifacts.read_json(folder / "export.json").get("parameters"), [predictor.path]
    else:
        models = [model for model, _ in members.values()] or [predictor.model]
        parameters = sum(p.numel() for model in models for p in model.parameters())
        files = [file for name in members or [""] for file in (folder / name).glob("*.safetensors")]
    size = sum(file.stat().st_size for file in files)
    return {"parameters": parameters, "size_bytes": size, "latency_ms": latency(predictor, rows, sentences)}


def latency(predictor: Predictor, rows: Rows, sentences: int = 100) -> float:
    """Return the median milliseconds per sentence, one at a time, tokenization included; a SettingError if none.

    The sentences are evenly drawn from ``rows``. Twenty warm up.
    """
    if not len(rows) or not is_whole(sentences, 1):
        raise SettingError(f"sentences is {sentences}, of {len(rows)}; a latency needs at least 1")
    drawn = evenly(rows, sentences)
    for row in drawn[:20]:
        list(predictor.logits([row]))
    return statistics.median(_milliseconds(lambda row=row: list(predictor.logits([row]))) for row in drawn)


def matrix_multiplications(model: "PreTrainedModel", batch: dict) -> list[Callable]:
    """Return a call for each matrix multiplication of ``model(**batch)``, with the operands that it had there."""
    import torch

    from tinykd import _compat

    aten = torch.ops.aten
    model.set_attn_implementation("eager")  # in one fused operation its two multiplications would not be seen
    with torch.no_grad(), _compat.recorded({aten.addmm.default, aten.mm.default, aten.bmm.default}) as calls:
        model(**batch)
    return calls


def peak_memory() -> int:
    """Return the highest resident memory of this process so far, in bytes; 0 where the system does not tell."""
    with contextlib.suppress(OSError, IndexError):  # Linux, where getrusage counts the parent's memory at the fork too
        return 1024 * int(Path("/proc/self/status").read_text(encoding="utf-8").split("VmHWM:")[1].split()[0])
    with contextlib.suppress(ImportError):
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # macOS counts bytes
    return 0


def _measure(folder: Path, rows: list, max_length: int, predict: bool) -> dict:
    """Time one variant in this process; its predictions, label names per row, if wanted."""
    is_plain = not any((folder / note).exists() for note in ("export.json", "fusion.json"))
    predictor = tinykd.open(folder, max_length if is_plain else None)
    measured = profile(predictor, folder, rows, LATENCY_ROWS)
    many = rows[:THROUGHPUT_ROWS]
    measured["throughput"] = 1000 * len(many) / _milliseconds(lambda: list(predictor.logits(many)))
    measured |= {"memory_bytes": peak_memory(), "matmul_ms": None}
    if predict:
        labels = predictor.labels
        measured["predicted"] = [[labels[k] for k in decode(logits, labels)] for logits in predictor.logits(rows)]
    if is_plain:
        measured["matmul_ms"] = _matmul_ms(predictor.model, predictor.tokenizer, evenly(rows, LATENCY_ROWS), max_length)
    return measured


def _matmul_ms(model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase", rows: list, max_length: int) -> float:
    times = []
    for row in rows:
        how = {"is_split_into_words": not isinstance(row, str), "truncation": True, "max_length": max_length}
        calls = matrix_multiplications(model, tokenizer([row], return_tensors="pt", **how))
        times.append([_milliseconds(lambda calls=calls: [call() for call in calls]) for _ in range(2)][1])
    return statistics.median(times)


def _milliseconds(call: Callable) -> float:
    start = time.perf_counter()
    call()
    return 1000 * (time.perf_counter() - start)


if __name__ == "__main__":
    job = artifacts.read_json(Path(sys.argv[1]))
    folder = Path(job.pop("folder"))
    artifacts.write_json(Path(sys.argv[2]), _measure(folder, **job))
