"""The main job from end to end: teacher, student, the student's twin without a teacher, one scoreboard.

``tinykd distill`` and ``make demo`` are this file. Taught in lesson 01.
"""

import contextlib
import datetime
import importlib.metadata
import logging
import platform
import shlex
import subprocess
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from accelerate import PartialState
from accelerate.utils import broadcast_object_list
from datasets import Dataset, DatasetDict, concatenate_datasets

from tinykd import artifacts, data, evaluation, fusion, models, plots, samples, training
from tinykd.deploy import measuring
from tinykd.deploy.plain import PlainPredictor
from tinykd.errors import DamagedError, DataError, SettingError
from tinykd.models.precision import best_precision, device
from tinykd.training import Settings

logger = logging.getLogger("tinykd")
Trained = dict[str, fusion.Member]
NOTE = "run.json"  #: what a run depends on


@dataclass(frozen=True)
class Run:
    """Everything that decides the outcome of a run. ``None`` means: what suits the corpus or the machine, or no more.

    The *twin* is the student with the same initial weights and as many steps, trained on labels alone. Both are trained
    on the sentences that ``select`` chooses, a rule and a number (:func:`tinykd.samples.select`), and on ``copies`` of
    each with other entities (:func:`tinykd.samples.swap_entities`); the student also on ``texts``
    (:func:`tinykd.data.texts`), which the teacher labels. ``dropout`` is that of both. ``dynamic`` are the candidates
    of :class:`tinykd.samples.Dynamic`, ``mixing`` is the start and the end of the joint target's λ. ``fuse`` is
    ``"cascade"`` or ``"parallel"``, of teacher and student, fitted on ``valid``. The other fields are those of
    :class:`tinykd.training.Settings` and :func:`tinykd.data.load`.
    """

    data: str = "newswire"
    teacher: str = "minilm"
    student: str = "cut:3"
    method: str = "logits"
    alpha: float | None = None
    temperature: float | None = None
    epochs: int | None = None
    teacher_epochs: int | None = None
    learning_rate: float | None = None
    batch_size: int | None = None
    max_length: int = 128
    seed: int = 0
    max_train: int | None = None
    columns: tuple[str, ...] | None = None
    strict: bool = False
    copies: int | None = None
    select: tuple[str, int] | None = None
    texts: str | None = None
    dynamic: float | None = None
    mixing: tuple[float, ...] | None = None
    fuse: str | None = None
    dropout: float | None = None
    precision: str | None = None
    speed: bool = True


def suited(sentences: int) -> tuple[Settings, Settings]:
    """Return settings for teacher and student that suit a corpus of so many training sentences.

    What counts is the number of steps, not of epochs: a small corpus needs small batches, more epochs and a larger
    learning rate. In so few steps dropout only slows the training down. The values for small corpora were compared
    with their neighbours on *newswire* ``valid``; below 1,000 sentences the epochs double, which keeps the steps. The
    values for large corpora follow published practice and were not tuned.
    """
    if sentences >= 4000:
        teacher = Settings(epochs=4, learning_rate=2e-4, batch_size=32)
        student = Settings(epochs=3, learning_rate=3e-4, batch_size=32, alpha=0.2, temperature=2.0)
        return teacher, student
    teacher = Settings(epochs=3, learning_rate=3e-4, batch_size=8, dropout=0.0)
    student = Settings(epochs=2, learning_rate=4e-4, batch_size=16, dropout=0.0, alpha=0.2, temperature=2.0)
    if sentences < 1000:
        return replace(teacher, epochs=6), replace(student, epochs=4)
    return teacher, student


def run(setup: Run, out: Path, report_to: str = "none") -> dict | None:
    """Fine-tune, distil, compare; write everything into ``out`` and return the report.

    Interrupted, the same call goes on where it stopped and ends with the same weights. ``out`` then holds ``teacher/``,
    ``student/``, ``twin/``, ``signals/``, ``report.json`` and ``scoreboard.png``, and ``fusion/`` if wanted. Under
    ``torchrun`` every process calls this; the first one writes and returns the report, the others return None.

    Args:
        report_to: where the curves of the losses go, besides each model's ``log.json``; see ``training.Settings``.

    Raises:
        DataError, ModelError, SettingError: the corpus, a model or a value is missing, faulty or does not fit.
        RunError: ``out`` holds another run, a loss that is no number, a full disk.
    """
    out = artifacts.check_place(out, NOTE)
    setup = replace(setup, precision=_precision(setup, out))
    corpus = data.load(setup.data, list(setup.columns or []) or None, setup.max_train, setup.seed, setup.strict)
    texts = data.texts(setup.texts, corpus) if setup.texts is not None else None
    if len(labels := data.label_names(corpus)) < 2:
        raise DataError(f"{setup.data}: all that train says is {labels[0]!r}; there is nothing to tell apart")
    settings = _settings(setup, corpus["train"], report_to)  # impossible values are refused here
    tell(setup.precision, setup.speed)
    facts = {key: value for key, value in asdict(setup).items() if key not in ("data", "texts")}  # however spelled
    facts |= {"corpus_digest": data.digest(corpus), "texts_digest": data.digest(texts) if texts else None}
    if report := _report(out, facts):
        return report
    first = PartialState().is_main_process
    with artifacts.claim(out, NOTE, facts) if first else contextlib.nullcontext():
        if first and (report := _report(out, facts)):  # of a process that we waited for
            return report
        trained, read = _train_all(setup, settings, corpus, texts, out)
        if not first:
            return None
        report = _scores(setup, trained, corpus, out) | {"read": read}
        report |= {"setup": asdict(setup) | {"data": str(setup.data)}, "seed": setup.seed, "precision": setup.precision}
        report["corpus"] = {name: len(part) for name, part in corpus.items()} | {"digest": facts["corpus_digest"]}
        plots.save(plots.scoreboard(report), out / "scoreboard.png")
        artifacts.write_json(out / "report.json", report | provenance())
        return report | provenance()


def tell(precision: str, speed: bool) -> None:
    """Log how the models are trained: what the caller need not have chosen."""
    logger.info("training in %s, %s the tricks of tinykd.training.speed", precision, "with" if speed else "without")


def _precision(setup: Run, out: Path) -> str:
    """The precision asked for, or that of the run in ``out`` as it began, or what pays here; one for all processes."""
    chosen = setup.precision
    if chosen is None and (out / NOTE).is_file():
        chosen = artifacts.read_json(out / NOTE, f"; delete {out}").get("precision")
    PartialState(cpu=not torch.accelerator.is_available())
    return broadcast_object_list([chosen or best_precision()])[0]


def _train_all(
    setup: Run, settings: tuple[Settings, Settings], corpus: DatasetDict, texts: Dataset | None, out: Path
) -> tuple[Trained, dict[str, int]]:
    """Return the three models and how many rows student and twin were trained on."""
    train, (for_teacher, for_student) = corpus["train"], settings
    teacher, reads = models.teacher(setup.teacher, data.label_names(corpus), data.task(corpus), setup.seed)
    # a student that cannot be is refused before the teacher is trained
    layers = training.teacher_layers(setup.method, teacher, models.student(setup.student, teacher, setup.seed))
    if not models.was_fine_tuned(teacher) or setup.teacher_epochs is not None:
        teacher = training.fine_tune(teacher, reads, train, out / "teacher", for_teacher)
    elif PartialState().is_main_process:
        models.save(teacher, reads, out / "teacher")
    labelled, transfer = _transfer_set(setup, train, texts, (teacher, reads), layers, out)
    student, twin = (models.student(setup.student, teacher, setup.seed) for _ in range(2))
    own = models.tokenizer_of(student, reads)
    student = training.distill_by(setup.method, student, own, transfer, out / "student", for_student)
    epochs = round(for_student.epochs * len(transfer) / len(labelled))  # as many steps as the student's
    alone = replace(for_student, epochs=epochs, dynamic=None)
    twin = training.fine_tune(twin, own, labelled, out / "twin", alone)
    trained = {"teacher": (teacher, reads), "student": (student, own), "twin": (twin, own)}
    return trained, {"student": len(transfer), "twin": len(labelled)}


def _transfer_set(
    setup: Run, train: Dataset, texts: Dataset | None, teacher: fusion.Member, layers: models.Layers, out: Path
) -> tuple[Dataset, Dataset]:
    """Return the labelled rows, which the twin is trained on, and the student's rows with the teacher's signals."""
    how, labelled = {"max_length": setup.max_length, "precision": setup.precision}, train
    if setup.select:
        rule, count = setup.select
        if rule == "uncertain":
            labelled = samples.with_teacher(train, *teacher, out / "uncertainty", **how)
        labelled = samples.select(labelled, count, rule, setup.seed).select_columns(train.column_names)
    if setup.copies is not None:
        labelled = concatenate_datasets([labelled, samples.swap_entities(labelled, setup.copies, setup.seed)])
    transfer = labelled
    if texts:
        texts = samples.labelled_by(*teacher, texts, **how)
        transfer = concatenate_datasets([labelled.select_columns(texts.column_names), texts])
    return labelled, samples.with_teacher(transfer, *teacher, out / "signals", layers, **how)


def _scores(setup: Run, trained: Trained, corpus: DatasetDict, out: Path) -> dict:
    """Score and time the models, and their fusion; with the article's report of each."""
    predictors = {name: PlainPredictor(*one, setup.max_length) for name, one in trained.items()}
    if setup.fuse:
        predictors["fusion"] = _fused(setup, trained, corpus["valid"])
        predictors["fusion"].save(out / "fusion")
    test, scores = corpus["test"], {}
    for name, predictor in predictors.items():
        gold, predicted = evaluation.gold(test), evaluation.predicted(predictor, test)
        scores[name] = evaluation.scores(data.task(test), gold, predicted)
        scores[name]["token_report"] = evaluation.token_report(gold, predicted)
        scores[name] |= measuring.profile(predictor, out / name, evaluation.rows_of(test))
    best = scores["teacher"][main := evaluation.main_score(scores["teacher"])]
    return scores | {"retention": scores["student"][main] / best if best else 0.0}


def _fused(setup: Run, trained: Trained, valid: Dataset) -> fusion.Fusion:
    members = {name: trained[name] for name in ("teacher", "student")}
    if setup.fuse == "parallel":
        return fusion.Parallel.fit(members, valid, max_length=setup.max_length)
    return fusion.Cascade.fit(**members, valid=valid, budget=1.0, max_length=setup.max_length)


def _settings(setup: Run, train: Dataset, report_to: str) -> tuple[Settings, Settings]:
    """What suits the corpus, with what the caller chose put over it."""
    if setup.select:
        samples.check_selection(len(train), *setup.select)
    if setup.copies is not None:
        samples.swap_entities(train.select([0]), setup.copies)  # refuses what it would refuse later
    if setup.fuse not in (None, "cascade", "parallel"):
        raise SettingError(f"fuse is {setup.fuse!r}; expected 'cascade' or 'parallel'")
    both = {"report_to": report_to} | {
        name: getattr(setup, name)
        for name in ("learning_rate", "batch_size", "max_length", "seed", "precision", "speed")
    }
    own = {name: getattr(setup, name) for name in ("alpha", "temperature", "dropout", "epochs")}
    teacher, student = suited(len(train))
    if setup.dynamic is not None:
        own["dynamic"] = samples.Dynamic(candidates=setup.dynamic)
    if setup.mixing is not None:
        own |= {"mixing": setup.mixing[0], "mixing_end": setup.mixing[-1]}
    student = replace(student, **_given(both | own))
    training.stages(setup.method, student.epochs)
    return replace(teacher, **_given(both | {"epochs": setup.teacher_epochs})), student


def _given(values: dict) -> dict:
    return {name: value for name, value in values.items() if value is not None}


def _report(out: Path, facts: dict) -> dict | None:
    """Return the report of a finished run; None if there is none, or it is damaged: then the models are scored again.

    Raises:
        RunError: ``out`` holds another run.
    """
    if not (out / "report.json").is_file():
        return None
    artifacts.check_same(out, artifacts.read_json(out / NOTE, f"; delete {out}"), facts)
    with contextlib.suppress(DamagedError):
        report = artifacts.read_json(out / "report.json")
        logger.info("%s holds this run, finished; delete the folder to run it again", out)
        return report
    return None


def present(report: dict) -> list[str]:
    """Return the names of the models in a report, in the order of its tables."""
    return [name for name in ("teacher", "student", "twin", "fusion") if name in report]


def table(report: dict) -> str:
    """Return the scoreboard as text, a model a line."""
    main = evaluation.main_score(report["teacher"])
    second = "token_accuracy" if main == "entity_f1" else "macro_f1"
    titles = (main.replace("_", " "), second.replace("_", " "), "parameters", "on disk", "per sentence")
    lines = ["{:<10}{:>12}{:>17}{:>13}{:>11}{:>13}".format("", *titles)]
    for name in present(report):
        s = report[name]
        size, pace = f"{s['size_bytes'] / 1e6:.1f} MB", f"{s['latency_ms']:.2f} ms"
        lines.append(
            f"{name:<10}{s[main]:>12.3f}{s[second]:>17.3f}{s['parameters'] / 1e6:>11.1f} M{size:>11}{pace:>13}"
        )
    kept = f"{100 * report['retention']:.1f} %"
    lines.append(f"the student keeps {kept} of the teacher's score; the twin is the same student without a teacher")
    if more := report["read"]["student"] - report["read"]["twin"]:
        lines.append(
            f"the student was also trained on {more} texts that the teacher labelled; the twin has no labels for them"
        )
    return "\n".join(lines)


def provenance() -> dict:
    """Return what a reader needs to run the same again: command, versions, revision, processor, threads, date."""
    packages = ("tinykd", "torch", "transformers", "datasets")
    return {
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "versions": {name: importlib.metadata.version(name) for name in packages}
        | {"python": platform.python_version()},
        "revision": _revision(),
        "processor": processor(),
        "accelerator": torch.cuda.get_device_name() if torch.cuda.is_available() else str(device()),
        "threads": torch.get_num_threads(),
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d"),
    }


def processor() -> str:
    """Return the processor's name, as well as the system tells it."""
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return platform.processor() or platform.machine()


def _revision() -> str | None:
    """The commit of this code, if it runs from a clone, with a plus if something has been changed since."""
    clone = Path(__file__).parent.parent
    git = ["git", "-C", str(clone), "describe", "--always", "--dirty=+", "--exclude=*"]
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        if (clone / ".git").exists():  # else installed: a repository around it would be the user's
            return subprocess.run(git, capture_output=True, text=True, check=True).stdout.strip()
    return None
