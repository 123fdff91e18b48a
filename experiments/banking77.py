"""The recorded experiment on customer service: BANKING77, which is real, and *support*, which is ours.

For each seed a teacher is fine-tuned and two students are cut from it and distilled; the smaller one is also exported
to int8. Each is scored on ``valid`` and ``test``, tried on mail that it was not made for, and timed in a process of its
own. On *support* the whole desk is measured, too. ``python experiments/banking77.py [--corpora support banking77]
[--seeds 0 1 2]``; interrupted, it goes on where it was.
"""

import argparse
import json
import logging
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_auc_score

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # where the scenarios are

from scenarios import support
from scenarios.shared import encoder, precision_of
from scenarios.support import work
from tinykd import data, evaluation, fusion, models, recipes
from tinykd.artifacts import write_json
from tinykd.deploy import export
from tinykd.deploy.int8 import dynamic_int8
from tinykd.training import Settings

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "experiments" / "results" / "banking77.json"
RUNS = ROOT / "runs" / "experiments"
STUDENTS = ("cut:2", "cut:3")
MODELS = ("teacher", *STUDENTS, "cut:2, int8")
#: Of teacher and student; those of BANKING77 were set once and not tuned
SETTINGS = {
    "support": (work.TEACHER, work.STUDENT),
    "banking77": (
        Settings(epochs=6, learning_rate=2e-4, batch_size=32),
        Settings(epochs=12, learning_rate=3e-4, batch_size=32, alpha=0.2, temperature=2.0),
    ),
}
#: Quoted, not measured here: a BERT-base on the Hub, the figure in its model card checked by the Hub's evaluator
PUBLISHED = {"thainq107/bert-base-banking77-pt2": 0.9308}
PIECES = 16  #: of a typical message, to count operations for


def one_seed(name: str, seed: int) -> dict:
    """Train, export and measure everything of one corpus and one seed."""
    corpus, out = data.load(name), RUNS / f"{name}-seed{seed}"
    how = {"seed": seed, "precision": precision_of(out), "speed": True}
    settings = tuple(replace(one, **how) for one in SETTINGS[name])
    folders = trained(out, corpus, settings)
    report = {}
    for model, folder in folders.items():
        report[model] = scores(folder, corpus, name) | size(folder) | timed(folder, name)
        if name == "support":
            report[model]["desk"] = desk_of(folder)
    report["encoders"] = encoders(folders) if name == "support" else {}
    report["seed"] = seed
    report["settings"] = {who: asdict(one) for who, one in zip(("teacher", "student"), settings, strict=True)}
    report["corpus"] = {split: len(part) for split, part in corpus.items()} | {"digest": data.digest(corpus)}
    return report | recipes.provenance()


def trained(out: Path, corpus, settings: tuple[Settings, Settings]) -> dict[str, Path]:
    """Return the folder of each model, by name; all students are of one teacher."""
    folders = {"teacher": out / "teacher"} | {student: out / student.replace(":", "-") for student in STUDENTS}
    work.train(out, corpus, students={folders[student].name: student for student in STUDENTS}, settings=settings)
    small = out / "int8"
    if not small.exists():
        export.to_onnx(*models.load(folders[STUDENTS[0]]), out / "exported")
        dynamic_int8(out / "exported", small)
    return folders | {f"{STUDENTS[0]}, int8": small}


def scores(folder: Path, corpus, name: str) -> dict:
    """Accuracy on both splits; AUROC of ``test`` against out of scope; for BANKING77 that is mail to another firm."""
    model, names, found = work.reader(folder), data.label_names(corpus), {}
    for split in ("valid", "test"):
        rows = list(model.logits(corpus[split]["text"][:]))
        said = [model.labels[int(row[0].argmax())] for row in rows]
        found[split] = float(np.mean([a == names[b] for a, b in zip(said, corpus[split]["label"], strict=True)]))
        if split == "test":
            inside = [fusion.confidence_of_row(row, "lowest") for row in rows]
    if name == "support":
        strange = support.out_of_scope()["test"]
    else:
        strange = [row["text"] for row in data.load("support")["test"]]
    outside = [fusion.confidence_of_row(row, "lowest") for row in model.logits(strange)]
    auroc = roc_auc_score([1] * len(inside) + [0] * len(outside), inside + outside)
    return {"accuracy": found["test"], "valid_accuracy": found["valid"], "auroc": float(auroc)}


def size(folder: Path) -> dict:
    """Bytes of the weights, and operations for one message (those of int8 count the same; see its time)."""
    weights = [file for kind in ("*.safetensors", "onnx/*.onnx") for file in folder.glob(kind)]
    shape = folder if folder.name != "int8" else folder.with_name(STUDENTS[0].replace(":", "-"))
    return {
        "size_bytes": sum(file.stat().st_size for file in weights),
        "macs": int(fusion.macs(models.load(shape)[0].config, PIECES)),
    }


def timed(folder: Path, name: str) -> dict:
    """Run :func:`throughput` in a process of its own."""
    command = [sys.executable, __file__, "--time", str(folder), "--corpora", name]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])


def throughput(folder: Path, name: str, messages: int = 300) -> dict:
    """Milliseconds for one message (median, 95th percentile) and messages per second in batches."""
    model = work.reader(folder)
    texts = data.load(name)["test"]["text"][:messages]
    times = []
    for text in texts[:20] + texts:
        start = time.perf_counter()
        list(model.logits([text]))
        times.append(1000 * (time.perf_counter() - start))
    start = time.perf_counter()
    list(model.logits(texts))
    return {
        "median_ms": statistics.median(times[20:]),
        "p95_ms": float(np.percentile(times[20:], 95)),
        "messages_per_second": len(texts) / (time.perf_counter() - start),
    }


def desk_of(folder: Path) -> dict:
    """What the desk is worth with this model as its reader."""
    return support.measure(support.open_desk(folder.parent, folder.name))


def encoders(folders: dict[str, Path]) -> dict:
    """Recall of the knowledge base by the body that makes its vectors, on both halves of the questions."""
    bodies = {"minilm": "minilm"} | {name: folders[name] for name in ("teacher", *STUDENTS)}
    asked, articles = support.questions(), support.knowledge()
    bases = {name: support.KnowledgeBase(articles, encoder(body)) for name, body in bodies.items()}
    return {name: {half: support.recall(base, asked[half]) for half in asked} for name, base in bases.items()}


def table(results: dict, name: str) -> str:
    """Return one corpus as text: means over the seeds, with their spread where there are several."""
    seeds = results[name]
    titles = ("accuracy", "kept", "AUROC", "operations", "median", "per second", "on disk")
    lines = [f"{'':<12}{titles[0]:>14}" + "".join(f"{title:>11}" for title in titles[1:])]
    for model in MODELS:
        mean = {
            key: statistics.mean(report[model][key] for report in seeds.values())
            for key in ("auroc", "macs", "median_ms", "messages_per_second", "size_bytes")
        }
        kept = statistics.mean(report[model]["accuracy"] / report["teacher"]["accuracy"] for report in seeds.values())
        cells = (
            f"{kept:.1%}",
            f"{mean['auroc']:.3f}",
            f"{mean['macs'] / 1e6:.0f} M",
            f"{mean['median_ms']:.2f} ms",
            f"{mean['messages_per_second']:.0f}",
            f"{mean['size_bytes'] / 1e6:.1f} MB",
        )
        score = evaluation.mean_and_spread([report[model]["accuracy"] for report in seeds.values()])
        lines.append(f"{model:<12}{score:>14}" + "".join(f"{cell:>11}" for cell in cells))
    return "\n".join(lines)


def main() -> None:
    """Record what is missing of the corpora and seeds named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--corpora", nargs="+", default=list(SETTINGS), choices=SETTINGS)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--time", type=Path, metavar="FOLDER", help="only time this model, on the first corpus")
    parser.add_argument("--times", action="store_true", help="only measure the times again, on a quiet machine")
    options = parser.parse_args()
    if options.time:
        print(json.dumps(throughput(options.time, options.corpora[0])))
        return
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    results = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    for name in options.corpora:
        for seed in options.seeds:
            known = str(seed) in results.setdefault(name, {})
            if options.times and known:
                for model, report in results[name][str(seed)].items():
                    if model in MODELS:
                        folder = "int8" if model.endswith("int8") else model.replace(":", "-")
                        report |= timed(RUNS / f"{name}-seed{seed}" / folder, name)
                write_json(RESULTS, results)
            elif not options.times and not known:
                results[name][str(seed)] = one_seed(name, seed)
                write_json(RESULTS, results)
        print(f"{name}\n{table(results, name)}\n")


if __name__ == "__main__":
    main()
