"""The course's scoreboard: the main job, and what the later lessons make of its student, on one corpus, three seeds.

The variants: the teacher; the student; its twin; the student without a quarter of its heads and neurons and a third of
its vocabulary, and that in int8; a cascade of student and teacher at three quarters of the
teacher's cost. Models are kept, so an interrupted call goes on where it stopped; measure on a quiet machine. The
results page says which choices were made with the test split in view.
``python experiments/scoreboard.py [newswire|conll2003] [SEED ...]``.
"""

import json
import logging
import statistics
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import readme
from datasets import concatenate_datasets
from matplotlib.figure import Figure

from tinykd import benchmark, data, fusion, models, plots, pruning, recipes, samples
from tinykd.artifacts import write_json
from tinykd.deploy import export, int8
from tinykd.evaluation import mean_and_spread
from tinykd.models.precision import best_precision

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "experiments" / "results" / "scoreboard.json"
RUNS = ROOT / "runs" / "experiments"
VARIANTS = ("teacher", "student", "twin", "pruned", "int8", "cascade")
TOKENS = 20_000  #: of 30,522 in the vocabulary that stay: those in use, then the most frequent
SETUPS = {"newswire": {"max_train": 400, "texts": "transfer"}, "conll2003": {}}  #: those of ``make demo``


def build(name: str, seed: int) -> dict[str, Path]:
    """Train what is missing; return the variants by name."""
    setup = recipes.Run(data=name, seed=seed, precision=best_precision(), **SETUPS[name])
    out = RUNS / f"{name}-seed{seed}"
    recipes.run(setup, out)
    teacher, student = models.load(out / "teacher"), models.load(out / "student")
    corpus = data.load(name, max_train=setup.max_train, seed=seed)
    transfer, how = corpus["train"], {"precision": setup.precision}
    if not (out / "pruned").exists():
        if setup.texts:
            texts = samples.labelled_by(*teacher, data.texts(setup.texts, corpus), **how)
            transfer = concatenate_datasets([transfer.select_columns(texts.column_names), texts])
        small, tokenizer = pruning.prune_vocabulary(*student, [transfer], TOKENS)
        transfer = samples.with_teacher(transfer, *teacher, out / "signals-train", **how)
        validation = samples.with_teacher(corpus["valid"], *teacher, out / "signals-valid", **how)
        again = replace(recipes.suited(len(corpus["train"]))[1], seed=seed, speed=True, **how)
        plan = pruning.Plan(again, rounds=2, heads=0.25, neurons=0.25)
        small = pruning.gradually(small, tokenizer, transfer, validation, out / "rounds", plan)
        models.save(small, tokenizer, out / "pruned")
    if not (out / "int8").exists():
        int8.dynamic_int8(export.to_onnx(*models.load(out / "pruned"), out / "float32"), out / "int8")
    if not (out / "cascade").exists():
        fusion.Cascade.fit(teacher, student, corpus["valid"], budget=0.75).save(out / "cascade")
    return {part: out / part for part in VARIANTS}


def table(results: dict, variants: Iterable[str] = VARIANTS) -> str:
    """Return rows as Markdown: decoded entity F1 on test, mean ± spread; megabytes and milliseconds on *newswire*."""
    runs = {
        name: [{row["name"]: row for row in run["variants"]} for run in of.values()] for name, of in results.items()
    }
    heads = ["variant", *(f"entity F1, {name}" for name in runs), "megabytes", "ms per sentence"]
    lines = [heads, ["---", *["--:"] * (len(heads) - 1)]]
    for variant in variants:
        f1 = [mean_and_spread([run[variant]["entity_f1"] for run in of]) for of in runs.values()]
        size, time = (
            statistics.mean(run[variant][key] for run in runs["newswire"]) for key in ("size_bytes", "latency_ms")
        )
        lines.append([variant, *f1, f"{size / 1e6:.1f}", f"{time:.1f}"])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def figure(runs: dict) -> Figure:
    """Draw teacher, student and twin: means over the seeds."""
    rows = [{row["name"]: row for row in run["variants"]} for run in runs.values()]
    keys = ("entity_f1", "size_bytes", "latency_ms")
    return plots.scoreboard(
        {name: {key: statistics.mean(run[name][key] for run in rows) for key in keys} for name in VARIANTS[:3]}
    )


def main() -> None:
    """Build and measure, and record."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    name, *seeds = sys.argv[1:] or ["newswire"]
    variants = {seed: build(name, int(seed)) for seed in seeds or ["0", "1", "2"]}
    test = data.load(name)["test"]
    for seed, folders in variants.items():
        measured = {"variants": benchmark.benchmark(folders, test), "seed": int(seed), "setup": SETUPS[name]}
        results = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
        results.setdefault(name, {})[seed] = measured | {"precision": best_precision()} | recipes.provenance()
        write_json(RESULTS, results)
    readme.put("results", table(results))
    plots.save(figure(results["newswire"]), ROOT / "book" / "_static" / "scoreboard.png")


if __name__ == "__main__":
    main()
