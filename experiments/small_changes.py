"""The recorded small changes on CoNLL-2003: LoRA, IA3 and BitFit against fine-tuning, with a tenth of the labels.

Each way wants a learning rate of its own: of two neighbours it gets the better one on ``valid``, at a seed that is not
scored (``RATES``). Then every seed draws a tenth of train anew. ``python experiments/small_changes.py [SEED ...]``; a
model is recorded when it is done.
"""

import json
import logging
import statistics
import sys
import time
from dataclasses import replace
from pathlib import Path

from tinykd import adapters, data, evaluation, models, recipes, samples
from tinykd.artifacts import write_json
from tinykd.models.precision import best_precision
from tinykd.training import Settings, fine_tune

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "experiments" / "results" / "small_changes.json"
RUNS = ROOT / "runs" / "experiments"
SHARE = 0.1
SETTINGS = Settings(epochs=4, batch_size=16, dropout=0.0)
#: What is tried at ``SEARCH``
RATES = {
    "fine-tuning": (2e-4, 4e-4),
    "lora": (3e-3, 6e-3),
    "ia3": (2e-2, 4e-2),
    "bitfit": (4e-3, 8e-3),
    "head only": (1e-2, 3e-2),
}
SEARCH = 3


def adapted(way: str, teacher, seed: int):
    """Return the model that is trained; of ``"head only"`` nothing below the head moves."""
    if way == "fine-tuning":
        return teacher
    if way != "head only":
        return adapters.adapt(teacher, way, seed=seed)
    teacher.base_model.requires_grad_(False)
    return teacher


def one(way: str, rate: float, seed: int, corpus, splits: tuple[str, ...]) -> dict:
    """Train one model on a tenth of the labels and score it on ``splits``."""
    labelled, _ = samples.few_labels(corpus["train"], SHARE, seed)
    teacher, tokenizer = models.teacher("minilm", data.label_names(corpus), seed=seed)
    model = adapted(way, teacher, seed)
    how = {"learning_rate": rate, "seed": seed, "precision": best_precision(), "speed": True}
    share, settings = adapters.trainable_share(model), replace(SETTINGS, **how)
    out, start = RUNS / "small-changes" / f"{way.replace(' ', '-')}-{rate:g}-seed{seed}", time.perf_counter()
    model = fine_tune(model, tokenizer, labelled, out, settings)
    seconds = time.perf_counter() - start
    scores = {split: evaluation.evaluate(model, tokenizer, corpus[split])["entity_f1"] for split in splits}
    about = {"way": way, "seed": seed, "rate": rate, "share": share, "sentences": len(labelled), "seconds": seconds}
    return about | scores | {"corpus": data.digest(corpus)} | recipes.provenance()


def best_rate(way: str, results: dict) -> float:
    """Return the rate that did better on ``valid`` at the seed of the search."""
    tried = [run for run in results["search"].values() if run["way"] == way]
    return max(tried, key=lambda run: run["valid"])["rate"]


def table(results: dict) -> str:
    """Return trained share, rate, entity F1 on ``test`` and seconds by way as a Markdown table."""
    lines = ["| way | trained | learning rate | test entity F1 | seconds |", "|---|--:|--:|--:|--:|"]
    for way in RATES:
        runs = [run for run in results["runs"].values() if run["way"] == way]
        score = evaluation.mean_and_spread([run["test"] for run in runs])
        cells = f"{runs[0]['share']:.3%} | {runs[0]['rate']:g} | {score}"
        lines.append(f"| {way} | {cells} | {statistics.median(run['seconds'] for run in runs):.0f} |")
    return "\n".join(lines)


def main() -> None:
    """Search the rates, then record the seeds named (0, 1, 2); both only where something is missing."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    results = {"search": {}, "runs": {}}
    if RESULTS.exists():
        results = json.loads(RESULTS.read_text(encoding="utf-8"))
    corpus = data.load("conll2003")
    for way, rates in RATES.items():
        for rate in rates:
            if (key := f"{way}, {rate:g}") not in results["search"]:
                results["search"][key] = one(way, rate, SEARCH, corpus, ("valid",))
                write_json(RESULTS, results)
    for seed in [int(argument) for argument in sys.argv[1:]] or [0, 1, 2]:
        for way in RATES:
            if (key := f"{way}, seed {seed}") not in results["runs"]:
                results["runs"][key] = one(way, best_rate(way, results), seed, corpus, ("valid", "test"))
                write_json(RESULTS, results)
    print(table(results))


if __name__ == "__main__":
    main()
