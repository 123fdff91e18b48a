"""The recorded CoNLL-2003 experiment: the main job at full size, once a seed, and one question more.

The question: how much of the student's score comes from the teacher's predictions, and how much from its weights? The
twin has the weights; a fourth model, ``baseline``, is cut before the teacher learns the task, and has neither.

Needs the corpus (``$TINYKD_DATA/conll2003`` or the Hub). Interrupted, it goes on where it stopped; what is recorded is
kept. Seeds: ``python experiments/conll2003.py 0 1 2``.
"""

import json
import logging
import sys
from dataclasses import asdict, replace
from pathlib import Path

from datasets import Dataset

from tinykd import data, evaluation, models, recipes
from tinykd.artifacts import write_json
from tinykd.training import fine_tune

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "experiments" / "results" / "conll2003.json"
RUNS = ROOT / "runs" / "experiments"


def one_seed(seed: int) -> dict:
    """Run the main job and the baseline with ``seed``; return scores and the two token reports."""
    setup = recipes.Run(data="conll2003", seed=seed, precision=models.best_precision())
    out = RUNS / f"conll2003-seed{seed}"
    report = recipes.run(setup, out)
    corpus = data.load("conll2003")
    teacher, tokenizer = models.teacher(setup.teacher, data.label_names(corpus), seed=seed)
    _, for_student = recipes.suited(len(corpus["train"]))
    baseline = fine_tune(
        models.student(setup.student, teacher, seed),
        tokenizer,
        corpus["train"],
        RUNS / f"conll2003-seed{seed}-baseline",
        replace(for_student, seed=seed, precision=setup.precision, speed=setup.speed),
    )
    report["baseline"] = evaluation.evaluate(baseline, tokenizer, corpus["test"])
    trained = {name: models.load(out / name)[0] for name in ("teacher", "student", "twin")} | {"baseline": baseline}
    for name, model in trained.items():
        report[name]["word_by_word"] = {
            split: word_by_word(model, tokenizer, corpus[split]) for split in ("valid", "test")
        }
    return report


def word_by_word(model, tokenizer, dataset: Dataset) -> float:
    """Return the entity F1 of each word's likeliest tag, the rule of the figures that others published."""
    names = data.label_names(dataset)
    likeliest = [[names[k] for k in row.argmax(-1)] for row in models.logits(model, tokenizer, dataset)]
    return evaluation.scores("tagging", evaluation.gold(dataset), likeliest)["entity_f1"]


def table(results: dict, rule: str = "decoded") -> str:
    """Return the results as a table: means over the seeds, and their spread if there is more than one.

    Args:
        rule: ``"decoded"``, the best tag sequence; or ``"word by word"``, the likeliest tag of each word.
    """
    rows = ["| | entity F1 | token accuracy | parameters | on disk |", "|---|--:|--:|--:|--:|"]
    titles = {
        "teacher": "teacher, 6 layers",
        "student": "student: cut from the teacher, soft labels",
        "twin": "twin: the same cut, labels only",
        "baseline": "baseline: cut before fine-tuning, labels only",
    }
    for name, title in titles.items():
        runs = [report[name] for report in results.values()]
        size = runs[0] if "parameters" in runs[0] else results[next(iter(results))]["student"]
        f1 = [run["entity_f1"] if rule == "decoded" else run["word_by_word"]["test"] for run in runs]
        scores = [evaluation.mean_and_spread(column) for column in (f1, [run["token_accuracy"] for run in runs])]
        weight = f"{size['parameters'] / 1e6:.1f} M | {size['size_bytes'] / 1e6:.1f} MB"
        rows.append(f"| {title} | {' | '.join(scores)} | {weight} |")
    seeds = f"{len(results)} seeds" if len(results) > 1 else "one seed"
    where: dict = {}
    for seed, report in results.items():
        where.setdefault(f"{report['precision']} on {report['processor']}", []).append(seed)
    if len(where) > 1:
        where = {f"{place} (seed{'s' * (len(of) > 1)} {', '.join(of)})": of for place, of in where.items()}
    return "\n".join([*rows, "", f"{seeds.capitalize()}, {'; '.join(where)}."])


def main() -> None:
    """Run the seeds named on the command line (0, 1 and 2 without any) that are not recorded, and record them."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    seeds = [int(argument) for argument in sys.argv[1:]] or [0, 1, 2]
    results = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    teacher, student = recipes.suited(14041)
    settings = {"teacher": asdict(teacher), "student": asdict(student)}
    for seed in (seed for seed in seeds if str(seed) not in results):
        results[str(seed)] = one_seed(seed) | {"settings": settings}
        write_json(RESULTS, results)


if __name__ == "__main__":
    main()
