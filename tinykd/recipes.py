"""The main job from end to end: teacher, student, the same student without the teacher, one scoreboard.

``tinykd distill`` and ``make demo`` are this file. Taught in lesson 01.
"""

import contextlib
import datetime
import importlib.metadata
import json
import logging
import platform
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from accelerate import PartialState
from datasets import Dataset, DatasetDict, concatenate_datasets
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tinykd import data, evaluation, methods, models, samples
from tinykd.errors import DataError, RunError, TinykdError
from tinykd.files import clear_disk_errors, read_json, waiting, write_json
from tinykd.hardware import device, prefers_bf16
from tinykd.methods import distill_by
from tinykd.training import Settings, fine_tune

logger = logging.getLogger("tinykd")
Trained = dict[str, tuple[PreTrainedModel, PreTrainedTokenizerBase]]


@dataclass(frozen=True)
class Run:
    """Everything that decides the outcome of a run. ``None`` means: what suits the size of the corpus, or nothing more.

    Student and baseline read ``copies`` of each sentence with other entities (:func:`tinykd.samples.swap_entities`),
    the student also ``texts`` (:func:`tinykd.data.texts`), which the teacher labels. ``dropout`` is of both.
    """

    data: str = "newswire"
    teacher: str = "minilm"
    student: str = "cut:3"
    losses: str = "logits"
    alpha: float | None = None
    temperature: float | None = None
    epochs: int | None = None
    teacher_epochs: int | None = None
    lr: float | None = None
    batch_size: int | None = None
    max_length: int = 128
    seed: int = 0
    max_train: int | None = None
    columns: tuple[str, ...] | None = None
    copies: int | None = None
    texts: str | None = None
    dropout: float | None = None


def suited(sentences: int) -> tuple[Settings, Settings]:
    """Return settings for teacher and student that suit a corpus of so many training sentences.

    What counts is the number of steps, not of epochs: a small corpus needs small batches and a larger learning rate.
    In so few steps no model learns its corpus by heart, and dropout only slows it down. For small corpora, neighbours
    of these values were compared on *newswire* ``valid``, one seed each; those for large ones were set once, after
    published practice, and not tuned.
    """
    if sentences < 4000:
        teacher = Settings(epochs=3, learning_rate=3e-4, batch_size=8, dropout=0.0)
        student = Settings(epochs=2, learning_rate=4e-4, batch_size=16, dropout=0.0, alpha=0.2, temperature=2.0)
    else:
        teacher = Settings(epochs=4, learning_rate=2e-4, batch_size=32)
        student = Settings(epochs=3, learning_rate=3e-4, batch_size=32, alpha=0.2, temperature=2.0)
    return teacher, student


def run(setup: Run, out: Path, progress: bool = True, report_to: str = "none") -> dict:
    """Fine-tune, distil, compare; write everything into ``out`` and return the report.

    Interrupted, the same call goes on where it stopped and ends with the same weights. ``out`` then holds ``teacher/``,
    ``student/``, ``baseline/``, ``signals/``, ``report.json`` and ``scoreboard.png``. Under ``torchrun`` every process
    calls this; the first one writes and returns the report, the others return None.

    Args:
        report_to: where the curves of the losses go, besides each model's ``log.json``; see ``training.fine_tune``.

    Raises:
        DataError, ModelError: the corpus or a model is missing, faulty or does not fit.
        RunError: ``out`` holds another run, a loss that is no number, a full disk.
    """
    out = Path(out)
    corpus = data.load(setup.data, list(setup.columns or []) or None, setup.max_train, setup.seed)
    digest = data.digest(corpus)
    texts = data.texts(setup.texts, corpus) if setup.texts is not None else None
    if len(labels := data.label_names(corpus)) < 2:
        raise DataError(f"{setup.data}: all that train says is {labels[0]!r}; there is nothing to tell apart")
    settings = _settings(setup, len(corpus["train"]))  # impossible values are refused here
    methods.stages(setup.losses)
    first = PartialState(cpu=not torch.accelerator.is_available()).is_main_process
    same = {key: value for key, value in asdict(setup).items() if key not in ("data", "texts")}  # however spelled
    same |= {"corpus_digest": digest, "texts_digest": data.texts_digest(texts) if texts else None}
    with claimed(out, same) if first else contextlib.nullcontext():
        report = _report(out)
        if report:
            logger.info("%s holds this run, finished; delete the folder to run it again", out)
            return report
        trained, told = _train_all(setup, settings, corpus, texts, out, progress and first, report_to)
        if not first:
            return None
        scores = _score_all(trained, corpus["test"], out, setup.max_length, progress)
        report = _summary(scores) | {
            "setup": asdict(setup) | {"data": str(setup.data)},
            "seed": setup.seed,
            **told,
            "corpus": {split: len(part) for split, part in corpus.items()} | {"digest": digest},
            **provenance(),
        }
        from tinykd import plots

        plots.save(plots.scoreboard(report), out / "scoreboard.png")
        write_json(out / "report.json", report)
        return report


def _train_all(
    setup: Run,
    settings: tuple[Settings, Settings],
    corpus: DatasetDict,
    texts: Dataset | None,
    out: Path,
    progress: bool,
    report_to: str,
) -> tuple[Trained, dict]:
    labels, task, train = data.label_names(corpus), data.task(corpus), corpus["train"]
    for_teacher, for_student = settings
    read = {"baseline": train}
    if setup.copies is not None:
        copies = samples.swap_entities(train, setup.copies, setup.seed)
        read["baseline"] = concatenate_datasets([train, copies])
    teacher, tokenizer = models.teacher(setup.teacher, labels, task, setup.seed)
    # The twin owes the teacher nothing: it is cut before the teacher learns the task, the student after. Unless
    # somebody brings a teacher that has learnt it.
    knew = models.was_fine_tuned(teacher) and setup.student.startswith("cut:")
    if knew:
        logger.warning("baseline: cut from a teacher that knew the task; what it owes to it, no comparison here shows")
    baseline = models.student(setup.student, teacher, setup.seed)
    own = models.tokenizer_of(baseline, tokenizer)
    layers = methods.needed(setup.losses, teacher, baseline)
    if not models.was_fine_tuned(teacher) or setup.teacher_epochs is not None:
        teacher = fine_tune(teacher, tokenizer, train, out / "teacher", for_teacher, "teacher", progress, report_to)
    elif PartialState().is_main_process:
        models.save(teacher, tokenizer, out / "teacher")
    student = models.student(setup.student, teacher, setup.seed)
    read["student"] = read["baseline"]
    if texts:
        bar = "labels    " if progress else None
        labelled = samples.labelled_by(teacher, tokenizer, texts, setup.max_length, bar, bf16=True)
        both = [read["baseline"].select_columns(labelled.column_names), labelled]
        read["student"] = concatenate_datasets(both)
    bar = "signals   " if progress else None
    transfer = samples.with_teacher(
        read["student"], teacher, tokenizer, out / "signals", setup.max_length, bar, layers, bf16=True
    )
    how = (progress, report_to)
    student = distill_by(setup.losses, student, own, transfer, out / "student", for_student, "student", *how)
    baseline = fine_tune(baseline, own, read["baseline"], out / "baseline", for_student, "baseline", *how)
    trained = {"teacher": (teacher, tokenizer), "student": (student, own), "baseline": (baseline, own)}
    return trained, {"baseline_knew_the_task": knew, "read": {name: len(rows) for name, rows in read.items()}}


def _score_all(trained: Trained, test: Dataset, out: Path, max_length: int, progress: bool) -> dict:
    scores = {}
    for name, (model, tokenizer) in trained.items():
        bar = f"{name} on test" if progress else None
        scores[name] = evaluation.evaluate(model, tokenizer, test, max_length, progress=bar)
    for name, (model, tokenizer) in trained.items():
        scores[name] |= evaluation.profile(model, tokenizer, test, out / name, max_length)
    return scores


def _settings(setup: Run, sentences: int) -> tuple[Settings, Settings]:
    """What suits the corpus, with what the caller chose put over it."""
    chosen = {
        "learning_rate": setup.lr,
        "batch_size": setup.batch_size,
        "max_length": setup.max_length,
        "seed": setup.seed,
    }
    mix = {"alpha": setup.alpha, "temperature": setup.temperature, "dropout": setup.dropout}
    teacher, student = suited(sentences)
    return (
        replace(teacher, **_given(chosen | {"epochs": setup.teacher_epochs})),
        replace(student, **_given(chosen | mix | {"epochs": setup.epochs})),
    )


def _given(values: dict) -> dict:
    return {key: value for key, value in values.items() if value is not None}


def _summary(scores: dict) -> dict:
    main = main_score(scores["teacher"])
    best = scores["teacher"][main]
    return scores | {"retention": scores["student"][main] / best if best else 0.0}


def main_score(scores: dict) -> str:
    """Return the name of the figure that counts: ``"entity_f1"`` or, for classification, ``"accuracy"``."""
    return "entity_f1" if "entity_f1" in scores else "accuracy"


def table(report: dict) -> str:
    """Return the scoreboard as text, a model a line."""
    main = main_score(report["teacher"])
    second = "token_accuracy" if main == "entity_f1" else "macro_f1"
    titles = (main.replace("_", " "), second.replace("_", " "), "parameters", "on disk", "a sentence")
    lines = ["{:<10}{:>12}{:>17}{:>13}{:>11}{:>13}".format("", *titles)]
    for name in ("teacher", "student", "baseline"):
        s = report[name]
        size, pace = f"{s['size_bytes'] / 1e6:.1f} MB", f"{s['latency_ms']:.2f} ms"
        lines.append(
            f"{name:<10}{s[main]:>12.3f}{s[second]:>17.3f}{s['parameters'] / 1e6:>11.1f} M{size:>11}{pace:>13}"
        )
    kept = f"{100 * report['retention']:.1f} %"
    twin = "cut from a teacher that knew the task" if report.get("baseline_knew_the_task") else "without a teacher"
    lines.append(f"the student keeps {kept} of the teacher; baseline is the same student {twin}")
    read = report.get("read", {"student": 0, "baseline": 0})
    if more := read["student"] - read["baseline"]:
        lines.append(f"the student read {more} texts that the teacher labelled; the baseline has no labels for them")
    return "\n".join(lines)


def provenance() -> dict:
    """Return what a reader needs to run the same again: command, versions, revision, processor, threads, date."""
    packages = ("tinykd", "torch", "transformers", "datasets")
    return {
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "versions": {name: _version(name) for name in packages} | {"python": platform.python_version()},
        "revision": _revision(),
        "processor": processor(),
        "accelerator": torch.cuda.get_device_name() if torch.cuda.is_available() else str(device()),
        "threads": torch.get_num_threads(),
        "precision": "bf16 autocast" if prefers_bf16() else "fp32",
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d"),
    }


def processor() -> str:
    """Return the processor's name, as well as the system tells it."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _revision() -> str | None:
    """The commit of this code, if it runs from a clone, with a plus if something has been changed since."""
    clone = Path(__file__).parent.parent
    git = ["git", "-C", str(clone), "describe", "--always", "--dirty=+", "--exclude=*"]
    if not (clone / ".git").exists():  # installed: a repository around it would be the user's
        return None
    try:
        return subprocess.run(git, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


@contextlib.contextmanager
def claimed(out: Path, setup: dict) -> Iterator[None]:
    """Claim ``out`` for this run: refuse another run's folder, wait for another process in the same one."""
    note, lock = out / "run.json", out / ".lock"
    setup = json.loads(json.dumps(setup))
    strange = RunError(f"{out} is not empty and holds no run of tinykd; choose another folder with --out")
    with clear_disk_errors(out):
        # Look for the lock last: whoever holds it may write its note while we list the folder.
        if out.exists() and any(out.iterdir()) and not lock.exists() and not note.exists():
            raise strange
    with clear_disk_errors(out), waiting(lock, f"another process is at work in {out}"):
        if not note.exists() and any(f != lock for f in out.iterdir()):
            raise strange
        if note.exists():
            there = read_json(note, f"delete {out} and run the same command again")
            differ = [f"{key} is {there.get(key)} there" for key in setup if there.get(key) != setup[key]]
            if differ:
                raise RunError(
                    f"{out} holds another run ({', '.join(differ)}); choose another folder with --out, or delete it"
                )
        write_json(note, setup)
        try:
            yield
        except (TinykdError, ValueError):
            # Refused before any work was kept: leave no claim on the folder behind.
            if set(out.iterdir()) <= {lock, note}:
                note.unlink()
            raise


def _report(out: Path) -> dict | None:
    try:
        return read_json(out / "report.json", "it is made anew")
    except (FileNotFoundError, RunError):  # none, or damaged: then the models are scored again
        return None
