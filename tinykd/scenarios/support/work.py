"""Train a desk, set its thresholds on ``valid``, open it again. Taught in lesson 11."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from datasets import DatasetDict
from sklearn.metrics import roc_curve
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tinykd import data, models, runtime, samples
from tinykd.errors import DataError, ModelError, RunError
from tinykd.files import claim, read_json, write_json
from tinykd.fusion import confidence_of_row
from tinykd.hardware import placed
from tinykd.scenarios.support.desk import Desk
from tinykd.scenarios.support.files import FOLDER, Question, intents, knowledge, out_of_scope, questions
from tinykd.scenarios.support.retrieval import KnowledgeBase, batches
from tinykd.training import Settings, distill, fine_tune

#: On ``valid`` of *support*, one seed, a student of ten epochs was no better than one of five
TEACHER = Settings(epochs=5, learning_rate=3e-4, batch_size=16)
STUDENT = replace(TEACHER, alpha=0.2, temperature=2.0)
NOTE = "desk.json"  #: the thresholds of a desk, beside the model that they were set for


def train(
    out: Path,
    corpus: DatasetDict | None = None,
    teacher: str = "minilm",
    student: str = "cut:2",
    settings: tuple[Settings, Settings] = (TEACHER, STUDENT),
    name: str = "student",
    progress: bool = True,
) -> None:
    """Fine-tune a teacher and distil a student of it: ``out`` then holds ``teacher``, ``signals`` and ``student``.

    Interrupted, the same call goes on; finished, it only looks.

    Args:
        corpus: *support* by default; any corpus of classified texts will do.
        teacher, student: as in ``models``.
        settings: of the two.
        name: of the student's folder, where several share a teacher.

    Raises:
        as ``training.fine_tune``; DataError: a corpus of tagged words; RunError: ``out`` was made with other
            settings, of another teacher or corpus, or holds another student.
    """
    out, corpus = Path(out), data.load("support") if corpus is None else corpus
    if data.task(corpus) != "classification":
        raise DataError("a desk needs a corpus of classified texts; in this one words are tagged")
    for_teacher, for_student = settings
    model, tokenizer = models.teacher(teacher, data.label_names(corpus), data.task(corpus), for_teacher.seed)
    claim(out / "setup.json", {"teacher": teacher, "corpus": data.digest(corpus)})
    model = fine_tune(model, tokenizer, corpus["train"], out / "teacher", for_teacher, "teacher", progress)
    bar = "signals   " if progress else None
    transfer = samples.with_teacher(corpus["train"], model, tokenizer, out / "signals", progress=bar)
    small = models.student(student, model, for_student.seed)
    claim(out / f"{name}-setup.json", {"student": student})
    own = models.tokenizer_of(small, tokenizer)
    distill(small, own, transfer, out / name, for_student, "student", progress)


def open_desk(run: Path, model: str = "student", folder: Path = FOLDER) -> Desk:
    """Open a trained desk; the first time its thresholds are set on ``valid`` and kept in ``desk.json``.

    Args:
        run: made by :func:`train`.
        model: which of its folders reads the messages; an exported one will do too.
        folder: where intents, knowledge base, questions and messages are.

    Raises:
        ModelError: no such model, or one that knows other intents than ``intents.txt``.
        DataError: a fault in a file, with its line; or too few messages on ``valid`` to set thresholds with.
        RunError: ``desk.json`` is damaged.
    """
    read, labels = reader(Path(run) / model)
    frames = intents(folder)
    models.check_labels(labels, list(frames), "the student", "intents.txt")
    encoder = models.teacher("minilm", labels, "classification")
    desk = Desk(read, labels, frames, KnowledgeBase(knowledge(folder), encoder), sure=1.0, close=1.0)
    note = Path(run) / model / NOTE
    if not note.exists():
        desk = set_thresholds(desk, folder)
        write_json(note, {"sure": desk.sure, "close": desk.close})
    way_out = "delete it, and the thresholds are set anew"
    there = read_json(note, way_out)
    if there.keys() != {"sure", "close"} or not all(isinstance(value, float | int) for value in there.values()):
        raise RunError(f"{note}: damaged (not two numbers, sure and close); {way_out}")
    return replace(desk, **there)


def reader(folder: Path) -> tuple[Callable[[list[str]], list[np.ndarray]], list[str]]:
    """Return what reads messages, and its labels: a saved model, or an exported one without torch.

    Raises:
        ModelError: neither, or made for another task.
    """
    if (folder / "export.json").exists():
        exported = runtime.load(folder)
        task, labels = exported.task, exported.labels
        read = partial(exported.logits, max_length=exported.positions)
    else:
        model, tokenizer = models.load(folder)
        task, labels = models.task_of(model), models.label_names(model.config)
        read = partial(_logits, model, tokenizer)
    if task != "classification":
        raise ModelError(f"{folder}: this model tags words; a desk needs one that classifies texts")
    return read, labels


@torch.inference_mode()
def _logits(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> list[np.ndarray]:
    """As ``inference.logits``, without the ``Dataset`` around it, which takes longer than a small student."""
    rows = np.zeros((len(texts), 1, model.config.num_labels), np.float32)
    placed(model)
    for part, batch in batches(tokenizer, texts):
        rows[part, 0] = model(**batch.to(model.device)).logits.float().cpu().numpy()
    return list(rows)


def set_thresholds(desk: Desk, folder: Path = FOLDER) -> Desk:
    """Return the desk with ``sure`` and ``close`` set on ``valid``.

    ``sure`` parts the messages that have an intent from those that have none, ``close`` the questions that have an
    article from the same.
    """
    known, unknown, asked = texts_of(folder, "valid")
    sure = threshold(confidences(desk, known), confidences(desk, unknown))
    close = threshold(_cosines(desk, [question.text for question in asked]), _cosines(desk, unknown))
    return replace(desk, sure=sure, close=close)


def threshold(inside: Sequence[float], outside: Sequence[float]) -> float:
    """Return the score t with the largest sum of two shares: of inside at or above t, of outside below it.

    Youden's index (1950). Both kinds weigh the same, however many there are of each. Infinity, where no score is worth
    more than to believe nothing.

    >>> threshold([0.9, 0.8, 0.4], [0.5, 0.3])
    0.8

    Raises:
        DataError: no score on one of the two sides.
    """
    if not (len(inside) and len(outside)):
        raise DataError(f"a threshold parts two kinds; {len(inside)} scores are inside and {len(outside)} outside")
    false, true, scores = roc_curve(*marked(inside, outside))
    return float(scores[np.argmax(true - false)])


def confidences(desk: Desk, texts: Sequence[str]) -> np.ndarray:
    """Return the student's probability of its best intent: (texts,)."""
    return np.array([confidence_of_row(row, "lowest") for row in desk.read(list(texts))])


def texts_of(folder: Path, split: str) -> tuple[list[str], list[str], list[Question]]:
    """Return the messages of a split, in scope and out of scope, and the questions."""
    return [text for text, _ in gold_of(folder, split)], out_of_scope(folder)[split], questions(folder)[split]


def gold_of(folder: Path, split: str) -> list[tuple[str, str]]:
    """Return the messages of a split and their intents."""
    part = data.load(str(folder))[split]
    names = data.label_names(part)
    return [(row["text"], names[row["label"]]) for row in part]


def marked(inside: Sequence[float], outside: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """Return what scikit-learn's curves take: 1 for inside and 0 for outside, and all scores."""
    return np.r_[np.ones(len(inside)), np.zeros(len(outside))], np.r_[inside, outside]


def _cosines(desk: Desk, texts: list[str]) -> np.ndarray:
    """The cosine of the article that each text would be shown."""
    return np.array([desk.knowledge.search(text, limit=1)[0].cosine for text in texts])
