"""The recorded compression: one student on its way from the teacher to int8, every variant measured on the test split.

The variants: the teacher, in torch and in ONNX; the student; its embedding matrix cut, in tokens and in rank, and the
student distilled again, and that in int8; heads and neurons cut in rounds, each followed by distilling; ONNX; dynamic
int8. The student is the best one on ``valid`` of ``distillation.py`` for this seed, or that of ``conll2003.py``. Needs
their models. Each variant is kept when it is done, so an interrupted call goes on where it stopped; a seed's
measurement is added to those of the others; measure on a quiet machine. ``python experiments/ladder.py [--seed 0]
[--threads 2]``.
"""

import argparse
import json
import logging
from dataclasses import asdict, replace
from pathlib import Path

from datasets import DatasetDict, concatenate_datasets

from tinykd import benchmark, data, models, pruning, recipes, samples, training
from tinykd.artifacts import write_json
from tinykd.deploy import export, int8
from tinykd.errors import RunError
from tinykd.models.precision import best_precision
from tinykd.training import Weights

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "experiments" / "results" / "ladder.json"
RUNS = ROOT / "runs" / "experiments"
#: Together enough for a tenth of the teacher's bytes: one token in five goes, and more than half of the columns
TOKENS, RANK = 24_000, 160
PRUNING = {"rounds": 2, "heads": 1 / 2, "neurons": 0.75, "measure": "distillation"}
#: What is narrowed from the cut embedding matrix; ``deeper`` is not measured, it is cheap for a cascade (``fusion.py``)
NARROWED = {"pruned": PRUNING, "deeper": PRUNING | {"heads": 2 / 3, "neurons": 0.85}}
#: What is distilled again, after each cut: hidden states and logits, on ``train`` and copies with other names
COPIES = 3
AGAIN = replace(
    recipes.suited(14041)[1], epochs=2, learning_rate=2e-4, alpha=0.1, dropout=0.0, weights=Weights(hidden=1.0)
)


def best_student(seed: int) -> Path:
    """Return the folder of the student with the highest F1 on ``valid``; that of the main job if none is recorded."""
    recorded = ROOT / "experiments" / "results" / "distillation.json"
    runs = json.loads(recorded.read_text(encoding="utf-8"))["students"].values() if recorded.exists() else []
    for run in sorted(runs, key=lambda run: -run["valid"]):
        name = run["row"].replace(", ", "-").replace(" ", "-").replace(":", "")  # as distillation.py names its folders
        folder = RUNS / "distillation" / f"{name}-seed{seed}"
        if run["seed"] == seed and folder.exists():
            return folder
    return RUNS / f"conll2003-seed{seed}" / "student"


def build(corpus: str, teacher: Path, student: Path, out: Path, seed: int) -> dict[str, Path]:
    """Make what is missing under ``out``; return the variants by name, from the teacher down."""
    for folder in (teacher, student):
        if not folder.exists():
            raise RunError(f"{folder}: not there; run experiments/conll2003.py first, or name another folder")
    variants = {
        "teacher": teacher,
        "teacher, ONNX": out / "teacher-float32",
        "student": student,
        "table cut": out / "table",
        "table cut, int8": out / "table-int8",
        "heads and neurons cut": out / "pruned",
        "ONNX, float32": out / "float32",
        "ONNX, int8": out / "int8",
    }
    if not all((out / name).exists() for name in NARROWED):
        cut(data.load(corpus), teacher, student, out, seed)
    exported(teacher, variants["teacher, ONNX"])
    exported(variants["table cut"], out / "table-float32", variants["table cut, int8"])
    exported(variants["heads and neurons cut"], variants["ONNX, float32"], variants["ONNX, int8"])
    return variants


def settings_of(seed: int) -> training.Settings:
    """Return what is distilled with at this seed, in the precision that pays on this machine."""
    return replace(AGAIN, seed=seed, precision=best_precision(), speed=True)


def cut(splits: DatasetDict, teacher: Path, student: Path, out: Path, seed: int) -> None:
    """Cut the embedding matrix, then heads and neurons; after each cut the student is distilled again."""
    model, tokenizer = models.load(student)
    read_by, again = models.load(teacher), settings_of(seed)
    how = {"precision": again.precision}
    layers = again.weights.teacher_layers(read_by[0].config, model.config)
    texts = concatenate_datasets([splits["train"], samples.swap_entities(splits["train"], COPIES, seed)])
    train = samples.with_teacher(texts, *read_by, out / "signals-train", layers, **how)
    model, tokenizer = pruning.prune_vocabulary(model, tokenizer, [splits["train"]], TOKENS)
    model = pruning.factorize_embeddings(model, tokenizer, [splits["train"]], RANK)
    model = training.distill(model, tokenizer, train, out / "table", again)
    valid = samples.with_teacher(splits["valid"], *read_by, out / "signals-valid", **how)
    for name, plan in NARROWED.items():
        if not (out / name).exists():
            plan = pruning.Plan(again, **plan)
            narrow = pruning.gradually(model, tokenizer, train, valid, out / f"{name}-rounds", plan)
            models.save(narrow, tokenizer, out / name)


def exported(model: Path, exact: Path, rounded: Path | None = None) -> None:
    """Write a model as ONNX, and that in int8, where they are missing."""
    if not exact.exists():
        export.to_onnx(*models.load(model), exact)
    if rounded is not None and not rounded.exists():
        int8.dynamic_int8(exact, rounded)


def main(arguments: list[str] | None = None) -> None:
    """Build the variants, measure them together, record and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="conll2003", metavar="NAME|FOLDER")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--teacher", type=Path, metavar="DIR", help="default: that of conll2003.py")
    parser.add_argument("--student", type=Path, metavar="DIR", help="default: the best one on valid")
    parser.add_argument("--out", type=Path, metavar="DIR", help="where the variants are kept")
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="FILE")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5, help="of measuring, the variants taking turns")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    teacher = options.teacher or RUNS / f"conll2003-seed{options.seed}" / "teacher"
    student = options.student or best_student(options.seed)
    out = options.out or RUNS / "ladder" / f"{student.parent.name}-{student.name}"
    variants = build(options.data, teacher, student, out, options.seed)
    corpus = data.load(options.data)
    measured = {
        "variants": benchmark.benchmark(variants, corpus["test"], options.threads, options.rounds),
        "data": options.data,
        "corpus": {split: len(part) for split, part in corpus.items()} | {"digest": data.digest(corpus)},
        "seed": options.seed,
        "student": f"{student.parent.name}/{student.name}",
        "pruning": PRUNING
        | {"tokens": TOKENS, "rank": RANK, "copies": COPIES, "settings": asdict(settings_of(options.seed))},
        "rounds": options.rounds,
        "measured_threads": options.threads,
        **recipes.provenance(),
    }
    results = json.loads(options.results.read_text(encoding="utf-8")) if options.results.exists() else {}
    write_json(options.results, dict(sorted((results | {str(options.seed): measured}).items())))
    print(f"{recipes.processor()}, {options.threads} threads\n\n{benchmark.table(measured['variants'])}")


if __name__ == "__main__":
    main()
