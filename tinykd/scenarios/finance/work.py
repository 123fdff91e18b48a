"""Train the two heads, set the charts on a quiet time, play the stream, say what the alerts are worth. Lesson 12."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np
from datasets import Dataset

from tinykd import data, inference, models, runtime, samples
from tinykd.data.corpora import EMBEDDED
from tinykd.data.readers import read_text
from tinykd.errors import DataError
from tinykd.files import claim, write_json
from tinykd.scenarios.finance.charts import Chart, Cusum, Quiet, Share, limit
from tinykd.scenarios.finance.heads import Opinion, labels_of, opinions, with_both
from tinykd.scenarios.finance.monitor import Alert
from tinykd.scenarios.finance.sources import Item
from tinykd.training import Settings, distill

FOLDER = EMBEDDED / "finance"
MAX_LENGTH = 64  #: word pieces; the longest headline has fewer
QUIET = timedelta(days=15)  #: the beginning of the stream, in which no crisis is planted
CRISIS = 1.0  #: bad texts a day, on one topic about one company: what we want to hear of
AFTERMATH = timedelta(days=7)
Read = Callable[[list[str]], list[Opinion]]


@dataclass(frozen=True)
class Setup:
    """How the two heads are trained; ``max_train`` keeps only so many headlines."""

    teacher: str = "minilm"
    student: str = "cut:3"
    teacher_epochs: int = 4
    epochs: int = 4
    learning_rate: float = 3e-4
    batch_size: int = 16
    dropout: float | None = None  # of both models while they train; None leaves them their own
    max_train: int | None = None
    seed: int = 0


class Crisis(NamedTuple):
    """A planted crisis: the company, its topic, the times of its first and last text."""

    entity: str
    topic: str
    first: datetime
    last: datetime


def train(out: Path, setup: Setup = Setup(), progress: bool = True) -> Read:
    """Train a teacher with two heads on the headlines, and a student on the teacher's answers alone.

    Interrupted, the same call goes on where it stopped. ``out`` then holds ``teacher/``, ``student/``, ``signals/``
    and ``chart.json``.

    Returns:
        what reads texts with the student.

    Raises:
        RunError: ``out`` was made with another setup or other headlines.
    """
    out = Path(out)
    corpus = data.load("finance", max_train=setup.max_train, seed=setup.seed)
    labels = labels_of(corpus)
    gold = with_both(corpus["train"], labels)
    how = Settings(
        epochs=setup.teacher_epochs,
        learning_rate=setup.learning_rate,
        batch_size=setup.batch_size,
        max_length=MAX_LENGTH,
        alpha=0.0,  # the labels of both heads come as a signal; see ``heads.with_both``
        temperature=1.0,
        dropout=setup.dropout,
        seed=setup.seed,
    )
    teacher, tokenizer = models.teacher(setup.teacher, labels, "classification", setup.seed)
    claim(out / "setup.json", asdict(setup) | {"corpus": data.digest(corpus)})
    teacher = distill(teacher, tokenizer, gold, out / "teacher", how, "teacher", progress)
    transfer = samples.with_teacher(gold, teacher, tokenizer, out / "signals", MAX_LENGTH)
    student = models.student(setup.student, teacher, setup.seed)
    distill(
        student,
        models.tokenizer_of(student, tokenizer),
        transfer,
        out / "student",
        replace(how, epochs=setup.epochs, temperature=2.0),
        "student",
        progress,
    )
    return reader(out / "student")


def reader(folder: Path) -> Read:
    """Return what reads texts: a saved model with two heads, or an exported one without torch.

    Raises:
        ModelError: no such model, or one without these heads.
    """
    folder = Path(folder)
    if (folder / "export.json").exists():
        exported = runtime.load(folder)
        labels, ask = list(exported.labels), lambda texts: exported.logits(texts, max_length=MAX_LENGTH)
    else:
        model, tokenizer = models.load(folder)
        labels = models.label_names(model.config)

        def ask(texts):
            rows = Dataset.from_dict({"text": texts, "label": [0] * len(texts)})
            return inference.logits(model, tokenizer, rows, MAX_LENGTH)

    opinions([np.zeros((1, len(labels)))], labels)  # a model without two heads is refused now
    return lambda texts: opinions(ask(list(texts)), labels)


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


def as_line(item: Item) -> bytes:
    """Return an item as the line of JSON that a source would hold."""
    return json.dumps(vars(item) | {"time": item.time.isoformat()}, ensure_ascii=False).encode()


def quiet_time(items: Sequence[Item], found: Sequence[Opinion], length: timedelta = QUIET) -> Quiet:
    """Return what the beginning of a stream looks like.

    Args:
        items: in order of time, and for longer than ``length``.
        found: what the student thinks of each: the charts are set for the mistakes it makes.

    Raises:
        DataError: there is no text, or none about a company, or the stream ends before the quiet time does.
    """
    if not items or items[-1].time - items[0].time < length:
        days = length / timedelta(days=1)
        raise DataError(f"the charts are set on a quiet time of {days:g} days, and the stream ends before; name less")
    early = [(item, opinion) for item, opinion in zip(items, found, strict=True) if item.time < items[0].time + length]
    days = length / timedelta(days=1)
    names = sorted({item.entity for item, _ in early} - {""})
    texts = tuple((opinion.topic, opinion.negative) for item, opinion in early if item.entity)
    if not texts:
        raise DataError("no text of the quiet time names a company, and the charts are set on such texts")
    return Quiet(len(texts) / days, tuple(names), texts)


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
        found = json.loads(Path(path).read_text(encoding="utf-8"))
        return Cusum(float(found["drift"]), float(found["limit"]))
    except (OSError, ValueError, KeyError, TypeError):
        raise DataError(f"{path}: no chart; `tinykd finance train` writes one") from None


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
        ValueError: no crisis, or two of one company, which these figures would not tell apart.
    """
    delays: dict[str, float | None] = dict.fromkeys([crisis.entity for crisis in planted])
    if not 0 < len(delays) == len(planted):
        raise ValueError(f"one crisis a company, and at least one; there are {len(planted)} of {len(delays)} companies")
    topics, late, false = set(), 0, 0
    for alert in sorted(alerts, key=lambda alert: alert.time):
        of = [c for c in planted if c.entity == alert.entity and c.first <= alert.time <= c.last + AFTERMATH]
        if not of:
            false += 1
        elif alert.time > of[0].last:
            late += 1
        else:
            topics |= {alert.entity} if alert.topic == of[0].topic else set()
            if delays[alert.entity] is None:
                delays[alert.entity] = (alert.time - of[0].first) / timedelta(hours=1)
    found = [delay for delay in delays.values() if delay is not None]
    return {
        "found": len(found) / len(planted),
        "right_topic": len(topics) / len(planted),
        "delay_hours": delays,
        "median_delay_hours": float(np.median(found)) if found else None,
        "alerts": len(alerts),
        "aftermath": late,
        "false_alarms": false,
        "false_a_month": 30 * false / days,
    }


def _rows(path: Path) -> list[tuple[int, list[str]]]:
    rows = []
    for number, line in enumerate(read_text(path).split("\n"), 1):
        parts = [part.strip() for part in line.split("|", 4)]
        if line.strip() and len(parts) != 5:
            raise DataError(f"{path}:{number}: expected five columns, divided by '|'")
        if line.strip():
            rows.append((number, parts))
    return rows
