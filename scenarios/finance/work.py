"""Train the two heads, set the charts on a quiet time, play the stream, say what the alerts are worth. Lesson 14."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np

import tinykd
from scenarios.finance.charts import DAY, Chart, Cusum, Quiet, Share, limit
from scenarios.finance.heads import HEADS, Opinion, block, labels_of, opinions, with_both
from scenarios.finance.monitor import Alert
from scenarios.finance.sources import Item
from scenarios.shared import SETUP
from tinykd import data, models, samples
from tinykd.artifacts import claim, read_json, write_json
from tinykd.data.readers import read_text
from tinykd.errors import DamagedError, DataError
from tinykd.training import Settings, distill

FOLDER = Path(__file__).parent / "corpus"  #: the simulated stream and its crises; the headlines are tinykd's *finance*
MAX_LENGTH = 64  #: subword tokens; the longest headline has fewer
QUIET = timedelta(days=15)  #: the beginning of the stream, in which no crisis is planted
CRISIS = 1.0  #: bad texts per day, on one topic about one company: what we want to hear of
AFTERMATH = timedelta(days=7)
Read = Callable[[list[str]], list[Opinion]]


@dataclass(frozen=True)
class Setup:
    """How the two heads are trained; ``max_train`` keeps only so many headlines, the rest is of ``Settings``."""

    teacher: str = "minilm"
    student: str = "cut:3"
    teacher_epochs: int = 4
    epochs: int = 4
    learning_rate: float = 3e-4
    batch_size: int = 16
    dropout: float | None = None
    precision: str = "fp32"
    speed: bool = False
    max_train: int | None = None
    seed: int = 0

    def settings(self, epochs: int, temperature: float) -> Settings:
        """Return those of one model. The labels of both heads come as a signal (``heads.with_both``): alpha is 0."""
        names = ("learning_rate", "batch_size", "dropout", "precision", "speed", "seed")
        how = {name: getattr(self, name) for name in names}
        return Settings(epochs=epochs, max_length=MAX_LENGTH, alpha=0.0, temperature=temperature, **how)


class Crisis(NamedTuple):
    """A planted crisis: the company, its topic, the times of its first and last text."""

    entity: str
    topic: str
    first: datetime
    last: datetime


def train(out: Path, setup: Setup = Setup()) -> Read:
    """Train a teacher with two heads on the headlines, and a student on the teacher's predictions alone.

    Interrupted, the same call goes on where it stopped. ``out`` then holds ``teacher/``, ``student/``, ``signals/``
    and ``setup.json``.

    Returns:
        what reads texts with the student.

    Raises:
        RunError: ``out`` was made with another setup or other headlines.
    """
    out = Path(out)
    corpus = data.load("finance", max_train=setup.max_train, seed=setup.seed)
    first, second = setup.settings(setup.teacher_epochs, 1.0), setup.settings(setup.epochs, 2.0)
    labels = labels_of(corpus)
    gold = with_both(corpus["train"], labels)
    teacher, tokenizer = models.teacher(setup.teacher, labels, "classification", setup.seed)
    with claim(out, SETUP, asdict(setup) | {"corpus": data.digest(corpus)}):
        teacher = distill(teacher, tokenizer, gold, out / "teacher", first)
        how = {"max_length": MAX_LENGTH, "precision": setup.precision}
        transfer = samples.with_teacher(gold, teacher, tokenizer, out / "signals", **how)
        student = models.student(setup.student, teacher, setup.seed)
        distill(student, models.tokenizer_of(student, tokenizer), transfer, out / "student", second)
    return reader(out / "student")


def reader(folder: Path) -> Read:
    """Return what reads texts: a saved model with two heads, an exported one without torch, or a fusion.

    Raises:
        ModelError: no such model, or one without these heads.
    """
    predictor = tinykd.open(folder, max_length=MAX_LENGTH)
    for head in HEADS:
        block(predictor.labels, head)  # a model without two heads is refused now
    return lambda texts: opinions(predictor.logits(list(texts)), predictor.labels)


def stream(folder: Path = FOLDER) -> list[Item]:
    """Return the simulated stream of *finance*, in order of time; an id is the number of the line.

    Raises:
        DataError: a line of another form.
    """
    rows = _rows(Path(folder) / "stream.txt")
    return [Item(f"line {number}", datetime.fromisoformat(row[0]), row[4], row[1]) for number, row in rows]


def stream_gold(folder: Path = FOLDER) -> list[Opinion]:
    """Return what the author of the stream says of each text: an opinion that makes no mistake."""
    rows = _rows(Path(folder) / "stream.txt")
    return [Opinion(row[2], row[3], float(row[3] == "negative")) for _, row in rows]


def crises(folder: Path = FOLDER) -> list[Crisis]:
    """Return the crises that are planted in the stream."""
    rows = _rows(Path(folder) / "crises.txt")
    return [Crisis(row[0], row[1], *(datetime.fromisoformat(row[i]) for i in (2, 3))) for _, row in rows]


def quiet_time(items: Sequence[Item], said: Sequence[Opinion], length: timedelta = QUIET) -> Quiet:
    """Return what the beginning of a stream looks like.

    Args:
        items: in order of time, and for longer than ``length``.
        said: the student's opinion of each: the charts are set for the mistakes it makes.

    Raises:
        DataError: there is no text, or none about a company, or the stream ends before the quiet time does.
    """
    if not items or items[-1].time - items[0].time < length:
        raise DataError(
            f"the charts are set on a quiet time of {length / DAY:g} days, and the stream ends before; name less"
        )
    early = [(item, opinion) for item, opinion in zip(items, said, strict=True) if item.time < items[0].time + length]
    names = sorted({item.entity for item, _ in early} - {""})
    texts = tuple((opinion.topic, opinion.negative) for item, opinion in early if item.entity)
    if not texts:
        raise DataError("no text of the quiet time names a company, and the charts are set on such texts")
    return Quiet(len(texts) / (length / DAY), tuple(names), texts)


def charts(quiet: Quiet, false_alarms: float = 0.5) -> dict[str, Chart]:
    """Return both charts with limits for the same ``false_alarms`` a month in a simulated quiet time."""
    both = {"cusum": Cusum.between(quiet.usual, CRISIS), "threshold": Share()}
    return {name: replace(chart, limit=limit(chart, quiet, false_alarms)) for name, chart in both.items()}


def save_chart(path: Path, chart: Cusum) -> None:
    """Write a chart, to be read by :func:`load_chart`."""
    write_json(path, {"drift": chart.drift, "limit": chart.limit})


def load_chart(path: Path) -> Cusum:
    """Read a chart.

    Raises:
        DataError: there is none, or the file is something else.
    """
    try:
        there = read_json(path)
        return Cusum(float(there["drift"]), float(there["limit"]))
    except (OSError, ValueError, KeyError, TypeError, DamagedError):
        raise DataError(f"{path}: no chart; `python -m scenarios finance train` writes one") from None


def measure(alerts: Sequence[Alert], planted: Sequence[Crisis], days: float) -> dict:
    """Say what alerts are worth.

    An alert finds a crisis if it names the company between the first and the last text; whether it names the topic,
    too, is told apart. In the week after, on the same company, it is an aftermath: late, but not false. Every other
    alert is false.

    Args:
        days: that the alerts were counted over.

    Returns:
        ``found`` and ``right_topic``, shares of the crises; ``delay_hours``, by company, None if missed;
        ``median_delay_hours`` of those found; ``alerts``, ``aftermath``, ``false_alarms`` and ``false_a_month``.

    Raises:
        DataError: no crisis, or two of one company, which these figures would not tell apart.
    """
    delays: dict[str, float | None] = dict.fromkeys([crisis.entity for crisis in planted])
    if not 0 < len(delays) == len(planted):
        raise DataError(
            f"one crisis per company, and at least one; there are {len(planted)} of {len(delays)} companies"
        )
    topics, counts = set(), Counter(aftermath=0, false_alarms=0)
    for alert in sorted(alerts, key=lambda alert: alert.time):
        of = [c for c in planted if c.entity == alert.entity and c.first <= alert.time <= c.last + AFTERMATH]
        if not of or alert.time > of[0].last:
            counts["aftermath" if of else "false_alarms"] += 1
            continue
        topics |= {alert.entity} if alert.topic == of[0].topic else set()
        if delays[alert.entity] is None:
            delays[alert.entity] = (alert.time - of[0].first) / timedelta(hours=1)
    heard = [delay for delay in delays.values() if delay is not None]
    return {
        "found": len(heard) / len(planted),
        "right_topic": len(topics) / len(planted),
        "delay_hours": delays,
        "median_delay_hours": float(np.median(heard)) if heard else None,
        "alerts": len(alerts),
        "false_a_month": 30 * counts["false_alarms"] / days,
    } | counts


def _rows(path: Path) -> list[tuple[int, list[str]]]:
    rows = []
    for number, line in enumerate(read_text(path).split("\n"), 1):
        parts = [part.strip() for part in line.split("|", 4)]
        if line.strip() and len(parts) != 5:
            raise DataError(f"{path}:{number}: expected five columns, divided by '|'")
        if line.strip():
            rows.append((number, parts))
    return rows
