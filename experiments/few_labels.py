"""What a teacher's knowledge is worth where labels are expensive: CoNLL-2003 with 5, 10 and 25 % of its labels.

The teacher is trained on the labelled sentences alone. Three students of the same shape are cut from it: one is trained
on the same labels; one also on the teacher's predictions for the same sentences; one on its predictions for *all*
sentences of train, most of which it has labelled itself. All three take the same number of steps. ``python
experiments/few_labels.py [--seeds 0 1 2] [--shares 0.05 0.1 0.25]``; interrupted, it goes on where it stopped.
"""

import argparse
import json
import logging
import math
from dataclasses import asdict, replace
from pathlib import Path

from datasets import Dataset, concatenate_datasets

from tinykd import data, evaluation, models, recipes, samples
from tinykd.artifacts import write_json
from tinykd.training import Settings, distill, fine_tune

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "experiments" / "results" / "few_labels.json"
RUNS = ROOT / "runs" / "experiments"
SHARES = (0.05, 0.1, 0.25)
STUDENTS = ("labels only", "teacher on the labelled", "teacher on all")
CORPUS = "conll2003"


def one(share: float, seed: int, corpus) -> dict:
    """Train and score the teacher and the three students of one share and one seed."""
    train, out = corpus["train"], RUNS / f"few-labels-{share:g}-seed{seed}"
    labelled, unlabelled = samples.few_labels(train, share, seed)
    teacher, tokenizer = models.teacher("minilm", data.label_names(corpus), data.task(corpus), seed)
    how = {"seed": seed, "precision": models.best_precision(), "speed": True}
    for_teacher, for_student = (
        replace(recipes.suited(len(labelled))[0], **how),
        replace(recipes.suited(len(train))[1], **how),
    )
    teacher = fine_tune(teacher, tokenizer, labelled, out / "teacher", for_teacher)
    few = replace(for_student, epochs=same_steps(for_student, len(train), len(labelled)))

    everything, precision = all_texts(labelled, unlabelled, teacher, tokenizer), how["precision"]
    small = samples.with_teacher(labelled, teacher, tokenizer, out / "signals-labelled", precision=precision)
    large = samples.with_teacher(everything, teacher, tokenizer, out / "signals-all", precision=precision)
    made = {
        "labels only": (labelled, few),
        "teacher on the labelled": (small, few),
        "teacher on all": (large, for_student),
    }
    scores = {"teacher": scored(teacher, tokenizer, corpus)}
    for name, (rows, settings) in made.items():
        train_it = fine_tune if name == "labels only" else distill
        student = models.student("cut:3", teacher, seed)
        student = train_it(student, tokenizer, rows, out / name.replace(" ", "-"), settings)
        scores[name] = scored(student, tokenizer, corpus)
    return {
        "share": share,
        "seed": seed,
        "labelled": len(labelled),
        "rule": "decoded",
        "scores": scores,
        "settings": {"teacher": asdict(for_teacher), "student": asdict(for_student), "few": asdict(few)},
        **recipes.provenance(),
    }


def same_steps(settings: Settings, rows: int, fewer: int) -> int:
    """Return how many epochs of ``fewer`` rows take as many steps as ``settings`` take on ``rows``."""
    steps = settings.epochs * math.ceil(rows / settings.batch_size)
    return round(steps / math.ceil(fewer / settings.batch_size))


def all_texts(labelled: Dataset, unlabelled: Dataset, teacher, tokenizer) -> Dataset:
    """Return the labelled rows and the others with the teacher's labels; the label names in the corpus's order."""
    guessed = samples.labelled_by(teacher, tokenizer, unlabelled, precision=models.best_precision())
    return concatenate_datasets([labelled, guessed.cast(labelled.features)])


def scored(model, tokenizer, corpus) -> dict:
    """Return the entity F1 on ``valid`` and ``test``."""
    return {split: evaluation.evaluate(model, tokenizer, corpus[split])["entity_f1"] for split in ("valid", "test")}


def table(results: dict) -> str:
    """Return the scores on ``test`` as a Markdown table: means over the seeds, with their spread.

    Runs of different scoring rules stand in rows of their own; those that name none took each word's likeliest tag.
    """
    lines = ["| labels | teacher | " + " | ".join(STUDENTS) + " | seeds |", "|--:" * 6 + "|"]
    by_row: dict[tuple[str, float], list[dict]] = {}
    for run in results.values():
        by_row.setdefault((run.get("rule", "word by word"), run["share"]), []).append(run)
    for (rule, share), runs in sorted(by_row.items()):
        cells = []
        for name in ("teacher", *STUDENTS):
            cells.append(evaluation.mean_and_spread([run["scores"][name]["test"] for run in runs]))
        lines.append(f"| {share:.0%}, {rule} | " + " | ".join(cells) + f" | {len(runs)} |")
    return "\n".join(lines)


def main() -> None:
    """Record what is missing of the shares and seeds named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--shares", nargs="+", type=float, default=SHARES)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    results = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    corpus = data.load(CORPUS)
    for seed in options.seeds:
        for share in options.shares:
            key = f"{share:g}, seed {seed}"
            if key not in results:
                results[key] = one(share, seed, corpus)
                write_json(RESULTS, results)
    print(table(results))


if __name__ == "__main__":
    main()
