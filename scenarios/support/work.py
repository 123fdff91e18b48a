"""Train a desk, set its thresholds on ``valid``, open it again. Taught in lesson 13."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from datasets import DatasetDict
from sklearn.metrics import roc_curve

import tinykd
from scenarios.shared import SETUP, encoder
from scenarios.support.desk import Desk
from scenarios.support.files import FOLDER, Question, intents, knowledge, messages, out_of_scope, questions
from scenarios.support.retrieval import KnowledgeBase
from tinykd import data, models, samples
from tinykd.artifacts import claim, read_json, write_json
from tinykd.deploy.predictor import Predictor
from tinykd.errors import DamagedError, DataError, ModelError
from tinykd.training import Settings, distill, fine_tune

#: On ``valid`` of *support*, one seed, a student of ten epochs was no better than one of five
TEACHER = Settings(epochs=5, learning_rate=3e-4, batch_size=16)
STUDENT = replace(TEACHER, alpha=0.2, temperature=2.0)
MAX_LENGTH = 512  #: subword tokens; as many as a BERT can take, so that a message is read to its end
NOTE = "desk.json"  #: the thresholds of a desk, beside the model that they were set for


def train(
    out: Path,
    corpus: DatasetDict | None = None,
    teacher: str = "minilm",
    students: dict[str, str] | None = None,
    settings: tuple[Settings, Settings] = (TEACHER, STUDENT),
) -> None:
    """Fine-tune a teacher and distil students of it: ``out`` then holds ``teacher``, ``signals`` and ``student``.

    Interrupted, the same call goes on; finished, it only looks.

    Args:
        corpus: *support* by default; any corpus of classified texts will do.
        teacher: as in ``models``.
        students: by the name of their folder, as in ``models``; by default ``{"student": "cut:2"}``.
        settings: of teacher and students.

    Raises:
        as ``training.fine_tune``; DataError: a corpus of tagged words; RunError: ``out`` was made with other
            settings, of another teacher or corpus, or holds other students.
    """
    out, corpus, students = Path(out), corpus or data.load("support"), students or {"student": "cut:2"}
    if data.task(corpus) != "classification":
        raise DataError("a desk needs a corpus of classified texts; in this one words are tagged")
    first, second = settings
    model, tokenizer = models.teacher(teacher, data.label_names(corpus), "classification", first.seed)
    facts = {"teacher": teacher, "students": students, "corpus": data.digest(corpus), "precision": first.precision}
    with claim(out, SETUP, facts):
        model = fine_tune(model, tokenizer, corpus["train"], out / "teacher", first)
        how = {"max_length": second.max_length, "precision": second.precision}
        transfer = samples.with_teacher(corpus["train"], model, tokenizer, out / "signals", **how)
        for name, kind in students.items():
            student = models.student(kind, model, second.seed)
            distill(student, models.tokenizer_of(student, tokenizer), transfer, out / name, second)


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
    student, frames = reader(Path(run) / model), intents(folder)
    models.check_labels(student.labels, list(frames), "the student", "intents.txt")
    desk = Desk(student, frames, KnowledgeBase(knowledge(folder), encoder()), sure=1.0, close=1.0)
    note = Path(run) / model / NOTE
    if not note.exists():
        desk = set_thresholds(desk, folder)
        write_json(note, {"sure": desk.sure, "close": desk.close})
    try:
        there = read_json(note)
        return replace(desk, sure=float(there["sure"]), close=float(there["close"]))
    except (DamagedError, KeyError, TypeError, ValueError):
        raise DamagedError(
            f"{note}: damaged (not two numbers, sure and close); delete it, and they are set anew"
        ) from None


def reader(folder: Path) -> Predictor:
    """Return what reads messages: a saved model, an exported one without torch, or a fusion.

    Raises:
        ModelError: none of these, or made for another task.
    """
    predictor = tinykd.open(folder, max_length=MAX_LENGTH)
    if predictor.task != "classification":
        raise ModelError(f"{folder}: this model tags words; a desk needs one that classifies texts")
    return predictor


def set_thresholds(desk: Desk, folder: Path = FOLDER) -> Desk:
    """Return the desk with ``sure`` and ``close`` set on ``valid``.

    ``sure`` parts the messages that have an intent from those that have none, ``close`` the questions that have an
    article from the same.
    """
    known, unknown, asked = texts_of(folder, "valid")
    sure = threshold(confidences(desk, list(known)), confidences(desk, unknown))
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


def confidences(desk: Desk, texts: list[str]) -> np.ndarray:
    """Return the student's probability of its best intent: (texts,)."""
    return np.array([confidence for _, confidence in desk.read(texts)])


def texts_of(folder: Path, split: str) -> tuple[dict[str, str], list[str], list[Question]]:
    """Return the messages of a split, those in scope with their intents and those out of scope, and the questions."""
    known = {row["text"]: row["label"] for row in messages(folder)[split]}
    return known, out_of_scope(folder)[split], questions(folder)[split]


def marked(inside: Sequence[float], outside: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """Return what scikit-learn's curves take: 1 for inside and 0 for outside, and all scores."""
    return np.r_[np.ones(len(inside)), np.zeros(len(outside))], np.r_[inside, outside]


def _cosines(desk: Desk, texts: list[str]) -> list[float]:
    """The cosine of the article that each text would be shown."""
    return [desk.knowledge.search(text, limit=1)[0].cosine for text in texts]
