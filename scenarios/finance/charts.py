"""Control charts: when is bad news more than chance? CUSUM, and a plain threshold to compare it with. Lesson 14.

A chart belongs to one company and one topic. It takes one text at a time and keeps a small state, which a database
can hold. Nothing in it looks at a clock: the time is that of the texts, so that a stream played again gives the same.
"""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

import numpy as np

from tinykd.errors import DataError

DAY = timedelta(days=1)
KEPT = 20  #: texts that a state remembers, so that a flood of news does not fill the memory


class Mark(NamedTuple):
    """A text as a chart sees it: its ``weight`` is the probability that it is bad news."""

    id: str
    time: datetime
    weight: float


class State(NamedTuple):
    """What a chart remembers: its level, the latest time it has seen, the texts behind the level."""

    level: float = 0.0
    time: datetime | None = None
    marks: tuple[Mark, ...] = ()


class Chart(Protocol):
    """A chart raises an alarm where ``level`` reaches ``limit``."""

    limit: float

    def step(self, state: State, mark: Mark) -> State:
        """Return the state after one more text."""


@dataclass(frozen=True)
class Cusum:
    """The cumulative sum of Page (1954), for events in continuous time.

    Each text adds its weight, and with every day the sum loses ``drift``, but never falls below 0. Where bad news comes
    at random, ``usual`` a day, and a crisis brings ``crisis`` a day, the sum is the largest logarithm of a likelihood
    ratio that any beginning of the crisis gives, divided by ``log(crisis / usual)``; the drift that makes it so is
    ``(crisis - usual) / log(crisis / usual)`` (Lucas 1985, "Counted Data CUSUM's").
    """

    drift: float
    limit: float = math.inf

    @classmethod
    def between(cls, usual: float, crisis: float, limit: float = math.inf) -> "Cusum":
        """Return the chart that tells ``usual`` bad texts a day from ``crisis``.

        Raises:
            DataError: unless 0 < usual < crisis.
        """
        if not 0 < usual < crisis:
            raise DataError(f"usual is {usual:g}, crisis {crisis:g} bad texts a day; needed is 0 < usual < crisis")
        return cls((crisis - usual) / math.log(crisis / usual), limit)

    def step(self, state: State, mark: Mark) -> State:
        """Add a text. One that comes late adds what would be left of it, had it come in time; time never runs back."""
        before = state.time or mark.time
        level = max(0.0, state.level - self.drift * (max(mark.time, before) - before) / DAY)
        marks = state.marks if level else ()
        level += max(0.0, mark.weight - self.drift * (before - min(mark.time, before)) / DAY)
        return State(level, max(mark.time, before), (*marks, mark)[-KEPT:])


@dataclass(frozen=True)
class Share:
    """The plain threshold: the mean weight of the texts of the last ``days``, of which there must be ``least``.

    Of a company that is written of very often, the latest ``KEPT`` texts stand for them.
    """

    days: float = 7.0
    least: int = 3
    limit: float = math.inf

    def step(self, state: State, mark: Mark) -> State:
        """Add a text and forget those that are older than the window."""
        now = max(mark.time, state.time or mark.time)
        marks = tuple(old for old in (*state.marks, mark) if now - old.time <= self.days * DAY)[-KEPT:]
        share = sum(old.weight for old in marks) / len(marks) if len(marks) >= self.least else 0.0
        return State(share, now, marks)


class Quiet(NamedTuple):
    """What a quiet time looks like: texts a day in all, the companies, and (topic, weight) of each text seen."""

    texts_a_day: float
    entities: tuple[str, ...]
    texts: tuple[tuple[str, float], ...]

    @property
    def usual(self) -> float:
        """Bad texts a day, for one company and one of the topics that occur."""
        bad = sum(weight for _, weight in self.texts) / len(self.texts)
        cells = len(self.entities) * len({topic for topic, _ in self.texts})
        return max(bad * self.texts_a_day / cells, 1e-6)


def limit(chart: Chart, quiet: Quiet, false_alarms: float = 0.5, months: int = 100, seed: int = 0) -> float:
    """Return the lowest limit that simulated quiet months of 30 days reach ``false_alarms`` times a month or less.

    A simulated month draws texts at random from ``quiet``, each for a random company at a random time. It knows no
    crisis, and it knows no story that is told twice either: a real quiet month has a few more alarms.

    Raises:
        DataError: nothing to draw from.
    """
    if not quiet.texts or not quiet.entities:
        raise DataError("a limit is set on a quiet time; there is no text in it")
    draw = np.random.default_rng(seed)
    begin, peaks = datetime(2000, 1, 1), []
    for _ in range(months):
        size = draw.poisson(30 * quiet.texts_a_day)
        times = np.sort(draw.uniform(0, 30, size))
        whom, what = draw.integers(len(quiet.entities), size=size), draw.integers(len(quiet.texts), size=size)
        states: dict[tuple[int, str], State] = {}
        highest: dict[tuple[int, str], float] = {}
        for time, entity, text in zip(times, whom, what, strict=True):
            topic, weight = quiet.texts[text]
            key = (entity, topic)
            states[key] = chart.step(states.get(key, State()), Mark("", begin + float(time) * DAY, weight))
            highest[key] = max(highest.get(key, 0.0), states[key].level)
        peaks += highest.values()
    allowed = int(false_alarms * months)
    return math.nextafter(sorted(peaks, reverse=True)[allowed], math.inf) if allowed < len(peaks) else math.ulp(0.0)
