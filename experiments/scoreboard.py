"""The course's scoreboard: the main job, and what the later lessons make of its student, on one corpus, three seeds.

The variants: the teacher; the student; its twin; the student pruned, and that in int8; a cascade of student and teacher
at three quarters of the teacher's cost. Models are kept, so an interrupted call goes on where it stopped; measure on a
quiet machine. ``plans`` scores the plans of pruning on *newswire*'s ``valid``; ``PLAN`` is the first that keeps
``KEPT`` of the student's F1 there.
``python experiments/scoreboard.py [newswire|conll2003|plans] [SEED ...]``.
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

from tinykd import benchmark, data, evaluation, fusion, models, plots, pruning, recipes, samples
from tinykd.artifacts import write_json
from tinykd.deploy import export, int8
from tinykd.evaluation import mean_and_spread
from tinykd.models.precision import best_precision

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "experiments" / "results" / "scoreboard.json"
RUNS = ROOT / "runs" / "experiments"
VARIANTS = ("teacher", "student", "twin", "pruned", "int8", "cascade")
#: Subword tokens that stay (of 30,522; None: those in use), and the share of heads and of neurons that go; smallest
#: student first
PLANS = ((None, 0.5), (20_000, 0.5), (None, 0.25), (20_000, 0.25))
KEPT = 0.95
PLAN = (20_000, 0.5)
SETUPS = {"newswire": {"max_train": 400, "texts": "transfer"}, "conll2003": {}}  #: those of ``make demo``


def build(name: str, seed: int) -> dict[str, Path]:
    """Train what is missing; return the variants by name."""
    out = RUNS / f"{name}-seed{seed}"
    setup = recipes.Run(data=name, seed=seed, precision=best_precision(), **SETUPS[name])
    recipes.run(setup, out)
    if not (out / "pruned").exists():
        models.save(*pruned(setup, out, *PLAN), out / "pruned")
    if not (out / "int8").exists():
        int8.dynamic_int8(export.to_onnx(*models.load(out / "pruned"), out / "float32"), out / "int8")
    if not (out / "cascade").exists():
        teacher, student = models.load(out / "teacher"), models.load(out / "student")
        valid = data.load(name, seed=seed)["valid"]
        fusion.Cascade.fit(teacher, student, valid, budget=0.75).save(out / "cascade")
    return {part: out / part for part in VARIANTS}


def pruned(setup: recipes.Run, out: Path, tokens: int | None, share: float) -> tuple:
    """Return the student of a finished run, pruned in two rounds and distilled after each, and its tokenizer."""
    teacher, student = models.load(out / "teacher"), models.load(out / "student")
    corpus = data.load(setup.data, max_train=setup.max_train, seed=setup.seed)
    transfer, how = corpus["train"], {"precision": setup.precision}
    if setup.texts:
        texts = samples.labelled_by(*teacher, data.texts(setup.texts, corpus), **how)
        transfer = concatenate_datasets([transfer.select_columns(texts.column_names), texts])
    small, tokenizer = pruning.prune_vocabulary(*student, [transfer], tokens)
    folder = out / f"plan-{tokens or 'used'}-{share}"
    transfer = samples.with_teacher(transfer, *teacher, folder / "train", **how)
    validation = samples.with_teacher(corpus["valid"], *teacher, folder / "valid", **how)
    again = replace(recipes.suited(len(corpus["train"]))[1], seed=setup.seed, speed=True, **how)
    plan = pruning.Plan(again, rounds=2, heads=share, neurons=share)
    return pruning.gradually(small, tokenizer, transfer, validation, folder / "rounds", plan), tokenizer


def on_valid(seed: int) -> dict:
    """Return valid F1 and size of the student and of each plan of ``PLANS``, on *newswire*."""
    build("newswire", seed)
    out, valid = RUNS / f"newswire-seed{seed}", data.load("newswire")["valid"]
    setup = recipes.Run(data="newswire", seed=seed, precision=best_precision(), **SETUPS["newswire"])
    found = {"student": models.load(out / "student")}
    for tokens, share in PLANS:
        name = f"{100 * share:.0f} % of heads and neurons cut, {f'{tokens:,}' if tokens else 'only used'} tokens"
        found[name] = pruned(setup, out, tokens, share)
    return {
        name: {"valid": evaluation.evaluate(*model, valid)["entity_f1"], "parameters": model[0].num_parameters()}
        for name, model in found.items()
    }


def chosen(results: dict) -> tuple:
    """Return the first plan that keeps ``KEPT`` of the student's F1 on valid; the last if none does."""
    student, *others = (
        statistics.mean(run["plans"][name]["valid"] for run in results.values()) for name in results["0"]["plans"]
    )
    good = [plan for plan, f1 in zip(PLANS, others, strict=True) if f1 >= KEPT * student]
    return (*good, PLANS[-1])[0]


def plans(results: dict) -> str:
    """Return the rows of ``on_valid`` as Markdown."""
    lines = ["| newswire, valid | entity F1 | parameters |", "|---|--:|--:|"]
    for name, first in results["0"]["plans"].items():
        f1 = mean_and_spread([run["plans"][name]["valid"] for run in results.values()])
        lines.append(f"| {name} | {f1} | {first['parameters'] / 1e6:.1f} M |")
    return "\n".join(lines)


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
    for seed in seeds or ["0", "1", "2"]:
        path = RESULTS.with_name("pruning_plans.json") if name == "plans" else RESULTS
        results = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        about = {"seed": int(seed), "precision": best_precision()} | recipes.provenance()
        if name == "plans":
            results[seed] = {"plans": on_valid(int(seed))} | about
        else:
            rows = benchmark.benchmark(build(name, int(seed)), data.load(name)["test"])
            results.setdefault(name, {})[seed] = {"variants": rows, "setup": SETUPS[name]} | about
        write_json(path, results)
    results = json.loads(RESULTS.read_text(encoding="utf-8"))
    readme.put("results", table(results))
    plots.save(figure(results["newswire"]), ROOT / "book" / "_static" / "scoreboard.png")


if __name__ == "__main__":
    main()
