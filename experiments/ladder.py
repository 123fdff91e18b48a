"""The recorded ladder: one student on its way from the teacher to int8, every rung measured on the test split.

The rungs: the teacher, in torch and in ONNX; the student; its vocabulary cut on ``train``, and that in int8; heads and
neurons cut in rounds, each followed by distilling; ONNX; dynamic int8. The student is the best one on ``valid`` of
``distillation.py`` for this seed, or that of ``conll2003.py``. Needs their models. Each rung is kept when it is done,
so an interrupted call goes on where it stopped; measure on a quiet machine. ``python experiments/ladder.py [--seed 0]
[--threads 2]``.
"""

import argparse
import json
import logging
from dataclasses import asdict, replace
from pathlib import Path

from tinykd import data, export, ladder, models, pruning, quantization, recipes, samples
from tinykd.errors import RunError
from tinykd.files import write_json

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "experiments" / "results" / "ladder.json"
RUNS = ROOT / "runs" / "experiments"
#: A third of both goes: with the cut vocabulary that is enough for a tenth of the teacher's bytes
PRUNING = {"rounds": 2, "heads": 1 / 3, "neurons": 1 / 3, "by": "distillation"}


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
    """Make what is missing under ``out``; return the rungs by name, from the teacher down."""
    for folder in (teacher, student):
        if not folder.exists():
            raise RunError(f"{folder}: not there; run experiments/conll2003.py first, or name another folder")
    splits = data.load(corpus)
    rungs = {"teacher": teacher, "teacher, ONNX": out / "teacher-float32", "student": student}
    if not rungs["teacher, ONNX"].exists():
        export.to_onnx(*models.load(teacher), rungs["teacher, ONNX"])

    rungs["vocabulary cut"] = out / "vocabulary"
    if not rungs["vocabulary cut"].exists():
        models.save(*pruning.prune_vocabulary(*models.load(student), [splits["train"]]), rungs["vocabulary cut"])
    model, tokenizer = models.load(rungs["vocabulary cut"])
    rungs["vocabulary cut, int8"] = out / "vocabulary-int8"
    if not rungs["vocabulary cut, int8"].exists():
        export.to_onnx(model, tokenizer, out / "vocabulary-float32")
        quantization.dynamic_int8(out / "vocabulary-float32", rungs["vocabulary cut, int8"])

    rungs["heads and neurons cut"] = out / "pruned"
    if not rungs["heads and neurons cut"].exists():
        read_by = models.load(teacher)
        train, valid = (
            samples.with_teacher(splits[name], *read_by, out / f"signals-{name}", progress=f"signals, {name}")
            for name in ("train", "valid")
        )
        settings = replace(recipes.suited(len(train))[1], seed=seed)
        model = pruning.gradually(model, tokenizer, train, valid, out / "rounds", settings, **PRUNING)
        models.save(model, tokenizer, rungs["heads and neurons cut"])
    model, tokenizer = models.load(rungs["heads and neurons cut"])

    rungs["ONNX, float32"] = out / "float32"
    if not rungs["ONNX, float32"].exists():
        export.to_onnx(model, tokenizer, rungs["ONNX, float32"])
    rungs["ONNX, int8"] = out / "int8"
    if not rungs["ONNX, int8"].exists():
        quantization.dynamic_int8(rungs["ONNX, float32"], rungs["ONNX, int8"])
    return rungs


def main(arguments: list[str] | None = None) -> None:
    """Build the rungs, measure them together, record and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="conll2003", metavar="NAME|FOLDER")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--teacher", type=Path, metavar="DIR", help="default: that of conll2003.py")
    parser.add_argument("--student", type=Path, metavar="DIR", help="default: the best one on valid")
    parser.add_argument("--out", type=Path, metavar="DIR", help="where the rungs are kept")
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="FILE")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5, help="of measuring, the rungs taking turns")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    teacher = options.teacher or RUNS / f"conll2003-seed{options.seed}" / "teacher"
    student = options.student or best_student(options.seed)
    out = options.out or RUNS / "ladder" / f"{student.parent.name}-{student.name}"
    rungs = build(options.data, teacher, student, out, options.seed)
    corpus = data.load(options.data)
    measured = {
        "rungs": ladder.climb(rungs, options.data, "test", options.threads, options.rounds),
        "data": options.data,
        "corpus": {split: len(part) for split, part in corpus.items()} | {"digest": data.digest(corpus)},
        "seed": options.seed,
        "student": f"{student.parent.name}/{student.name}",
        "pruning": PRUNING | {"settings": asdict(replace(recipes.suited(len(corpus["train"]))[1], seed=options.seed))},
        "rounds": options.rounds,
        "measured_threads": options.threads,
        **recipes.provenance(),
    }
    write_json(options.results, measured)
    print(f"{recipes.processor()}, {options.threads} threads\n\n{ladder.table(measured['rungs'])}")


if __name__ == "__main__":
    main()
