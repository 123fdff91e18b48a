"""The recorded pruning on CoNLL-2003: which measure tells what may go, and does it matter after distilling again?

The student is the one that ``ladder.py`` starts from, at this seed. Importance is measured on ``valid``; every number
is entity F1 on ``test``. First heads or neurons are cut and nothing is trained. Then half of the heads and three
quarters of the neurons go at once, by each measure, and the student is distilled again for one epoch; a twin that lost
nothing has the same epoch. Needs the models of ``conll2003.py`` and ``distillation.py``; a seed is recorded when it is
done. ``python experiments/pruning.py [SEED ...]``.
"""

import copy
import json
import logging
import sys
from dataclasses import asdict, replace
from pathlib import Path

import torch
from datasets import DatasetDict

from tinykd import data, evaluation, models, pruning, recipes, samples
from tinykd.artifacts import write_json
from tinykd.models.precision import best_precision
from tinykd.pruning import Importance
from tinykd.training import distill

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "experiments" / "results" / "pruning.json"
RUNS = ROOT / "runs" / "experiments"
STUDENT = "distillation/cut3-hidden-long-augmented-seed{}"
MEASURES = ("distillation", "gradient", "magnitude", "by lot")
SHARES = (0.25, 0.5, 0.75)
BOTH = {"heads": 0.5, "neurons": 0.75}
AGAIN = replace(recipes.suited(14041)[1], epochs=1, learning_rate=2e-4, dropout=0.0)


def measured(measure: str, model, tokenizer, watched, seed: int) -> Importance:
    """Return the importance of every part by one of ``MEASURES``; ``"by lot"`` draws it."""
    if measure != "by lot":
        return pruning.importance(model, tokenizer, watched, measure, AGAIN.temperature)
    draw, shape = torch.Generator().manual_seed(seed), pruning.shape_of(model)
    heads, neurons = ([torch.rand(layer[k], generator=draw) for layer in shape] for k in (0, 1))
    return Importance(tuple(heads), tuple(neurons), torch.rand(len(shape), generator=draw))


def one(teacher: Path, student: Path, out: Path, seed: int, corpus: DatasetDict) -> dict:
    """Return all scores of one seed; what is trained is kept under ``out``."""
    read_by, (model, tokenizer) = models.load(teacher), models.load(student)
    settings = replace(AGAIN, seed=seed, precision=best_precision(), speed=True)
    watched = samples.with_teacher(corpus["valid"], *read_by, out / "signals-valid", precision=settings.precision)
    transfer = samples.with_teacher(corpus["train"], *read_by, out / "signals-train", precision=settings.precision)

    def f1(smaller) -> float:
        return evaluation.evaluate(smaller, tokenizer, corpus["test"])["entity_f1"]

    scores = {"teacher": f1(read_by[0]), "student": f1(model), "cut": {}, "gap": {}, "again": {}}
    twin = distill(copy.deepcopy(model), tokenizer, transfer, out / "twin", settings)
    scores["again"]["nothing cut"] = f1(twin)
    for measure in MEASURES:
        parts = measured(measure, model, tokenizer, watched, seed)
        scores["cut"][measure] = {
            part: [f1(pruning.prune(model, parts, **{part: share})) for share in SHARES]
            for part in ("heads", "neurons")
        }
        smaller = pruning.prune(model, parts, **BOTH)
        scores["gap"][measure] = f1(smaller)
        smaller = distill(smaller, tokenizer, transfer, out / measure.replace(" ", "-"), settings)
        scores["again"][measure] = f1(smaller)
    return scores | {"settings": asdict(settings)}


def table(results: dict) -> str:
    """Return, by measure, what a cut of both costs before and after distilling again, as a Markdown table."""
    runs = list(results.values())
    lines = ["| importance | cut | distilled again |", "|---|--:|--:|"]
    for name in ("nothing cut", *MEASURES):
        scores = [[run["gap"].get(name, run["student"]) for run in runs], [run["again"][name] for run in runs]]
        lines.append(f"| {name} | {' | '.join(evaluation.mean_and_spread(values) for values in scores)} |")
    return "\n".join(lines)


def main() -> None:
    """Record the seeds named (0, 1, 2) that are missing."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    results = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    corpus = data.load("conll2003")
    for seed in [int(argument) for argument in sys.argv[1:]] or [0, 1, 2]:
        if str(seed) in results:
            continue
        teacher, student = RUNS / f"conll2003-seed{seed}" / "teacher", RUNS / STUDENT.format(seed)
        scores = one(teacher, student, RUNS / f"pruning-seed{seed}", seed, corpus)
        results[str(seed)] = scores | {"corpus": data.digest(corpus)} | recipes.provenance()
        write_json(RESULTS, dict(sorted(results.items())))
    print(table(results))


if __name__ == "__main__":
    main()
