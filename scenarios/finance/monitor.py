"""The monitor: a stream goes in, texts, opinions and alerts go into one DuckDB file. Taught in lesson 14.

A batch is one transaction: its texts, what the student thinks of them, the state of every chart they touch and the
alerts they raise are on the disk together or not at all. A text is known by its ``id``. So after a crash the same
stream is simply read again: what is there already is passed over, what is not goes on where the charts stood.
"""

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from scenarios.finance.charts import Chart, Mark, State
from scenarios.finance.heads import Opinion
from scenarios.finance.sources import Item, entity_in, read_item
from tinykd import artifacts
from tinykd.errors import DataError, RunError

#: Every column of every table; a fault is a line that could not be read, kept as it came
TABLES = {
    "settings": "name VARCHAR PRIMARY KEY, value VARCHAR",
    "texts": "number BIGINT, id VARCHAR PRIMARY KEY, time TIMESTAMP, entity VARCHAR, text VARCHAR, topic VARCHAR, "
    "sentiment VARCHAR, negative DOUBLE",
    "states": "entity VARCHAR, topic VARCHAR, state VARCHAR, silent TIMESTAMP, PRIMARY KEY (entity, topic)",
    "alerts": "number BIGINT PRIMARY KEY, entity VARCHAR, topic VARCHAR, time TIMESTAMP, level DOUBLE, reason VARCHAR, "
    "texts VARCHAR[]",
    "faults": "digest VARCHAR PRIMARY KEY, line VARCHAR, reason VARCHAR",
}
BAD = 0.5  #: the probability of bad news from which a text may raise an alert, and is named in its reason
_SHARES = """
SELECT entity, topic, time,
       count(*) OVER last AS texts,
       avg(CASE sentiment WHEN 'negative' THEN 1.0 ELSE 0.0 END) OVER last AS share
FROM texts WHERE entity <> ''
WINDOW last AS (PARTITION BY entity, topic ORDER BY time
                RANGE BETWEEN to_seconds(CAST(? AS BIGINT)) PRECEDING AND CURRENT ROW)
ORDER BY time, number
"""


@dataclass(frozen=True)
class Alert:
    """A chart that reached its limit: whose it is, when (of the text that did it), why, and the texts behind it."""

    number: int
    entity: str
    topic: str
    time: datetime
    level: float
    reason: str
    texts: tuple[str, ...]


class Monitor:
    """Reads batches of lines into a database and raises alerts; a context manager.

    Args:
        database: made when it is missing. One process at a time may have it open.
        read: texts in, an :class:`Opinion` each out. May be None where nothing is fed.
        chart: one for all companies and topics.
        silence: how long a chart sleeps after its alert; then it starts again from 0. Its texts are kept all the same.
        names: companies to look for in a text that names none itself. A text without any is kept and not charted.
        now: the clock, in UTC; a text from the future is a fault. None believes every date, to play a stream again.

    Raises:
        RunError: the file is no database of ours, another process has it, or it was filled with another chart.
    """

    def __init__(
        self,
        database: Path,
        read: Callable[[list[str]], Sequence[Opinion]] | None,
        chart: Chart | None,
        silence: timedelta = timedelta(days=3),
        names: Sequence[str] = (),
        now: Callable[[], datetime] | None = lambda: datetime.now(UTC).replace(tzinfo=None),
    ):
        import duckdb

        self.read, self.chart, self.silence, self.names, self.now = read, chart, silence, tuple(names), now
        self.database = Path(database)
        with artifacts.clear_disk_errors(self.database):
            self.database.parent.mkdir(parents=True, exist_ok=True)
        try:
            self.connection = duckdb.connect(str(database))
            # DuckDB opens a table of data (.json, .csv) as well, and would keep what we write in memory only.
            where = self._one("SELECT path FROM duckdb_databases() WHERE database_name = current_database()")
            there = {name for (name,) in self._rows("SELECT table_name FROM duckdb_tables()")}
            if (where is None and str(database) != ":memory:") or (there and not there >= TABLES.keys()):
                raise RunError(f"{database}: the file is no database of ours; name another")
            self.connection.begin()  # all tables or none: a file with some of them would be somebody else's
            for name, columns in TABLES.items():
                self.connection.execute(f"CREATE TABLE IF NOT EXISTS {name} ({columns})")
            self.connection.commit()
        except duckdb.Error as error:
            raise RunError(f"{database}: cannot be opened ({str(error).splitlines()[0]})") from None
        if chart is not None:
            self._settle(database, {"chart": repr(chart), "silence": str(silence)})
        self.count, self.raised = (self._one(f"SELECT count(*) FROM {name}") for name in ("texts", "alerts"))
        rows = self._rows("SELECT * FROM states")
        self.states = {(entity, topic): (_unpacked(state), silent) for entity, topic, state, silent in rows}

    def __enter__(self) -> "Monitor":
        return self

    def __exit__(self, *_) -> None:
        self.connection.close()

    def watch(self, batches: Iterable[list[bytes]]) -> Iterator[Alert]:
        """Feed every batch and yield the alerts, each after it is on the disk."""
        for batch in batches:
            yield from self.feed(batch)

    def feed(self, batch: Sequence[bytes]) -> list[Alert]:
        """Take a batch of lines in one transaction and return the alerts it raised.

        A line that is no text of ours goes into ``faults`` with its reason, once. A known ``id`` with the same text is
        passed over; with another text it is a fault. A text that is older than those before it is charted as late.
        """
        items, faults = self._sorted_out(batch)
        found = self.read([item.text for item in items]) if items else []
        texts, alerts, touched = [], [], {}
        for number, (item, opinion) in enumerate(zip(items, found, strict=True), self.count + 1):
            entity = item.entity or entity_in(item.text, self.names)
            texts.append((number, item.id, item.time, entity, item.text, *opinion))
            if entity:
                key = (entity, opinion.topic)
                state, silent = touched.get(key) or self.states.get(key, (State(), None))
                mark = Mark(item.id, item.time, opinion.negative)
                if silent is None or mark.time >= silent:
                    state = self.chart.step(state, mark)
                # Good news raises no alert, nor does what came too late for the window.
                if state.level >= self.chart.limit and mark.weight >= BAD and mark in state.marks:
                    alerts.append(self._alert(self.raised + len(alerts) + 1, key, state))
                    state, silent = State(time=state.time), state.time + self.silence
                touched[key] = (state, silent)
        self._write(texts, touched, alerts, faults)
        self.count, self.raised = self.count + len(texts), self.raised + len(alerts)
        self.states |= touched
        return alerts

    def alerts(self, after: int = 0) -> list[Alert]:
        """Return the alerts with a number above ``after``: a reader who keeps the last number misses none."""
        rows = self._rows("SELECT * FROM alerts WHERE number > ? ORDER BY number", after)
        return [Alert(*row[:-1], tuple(row[-1])) for row in rows]

    def shares(self, days: float = 7.0):
        """Return a table (pandas) with a row per text: over the last ``days`` of its company and topic, the number of
        ``texts`` and the ``share`` of negative ones; in order of time, whatever the order of arrival.
        """
        return self.connection.execute(_SHARES, [round(86400 * days)]).df()

    def faults(self) -> list[tuple[str, str]]:
        """Return the lines that could not be read, and why."""
        return self._rows("SELECT line, reason FROM faults ORDER BY digest")

    def text(self, id: str) -> str:
        """Return a text by its id."""
        return self._one("SELECT text FROM texts WHERE id = ?", id)

    def _sorted_out(self, batch: Sequence[bytes]) -> tuple[list[Item], list[tuple[str, str, str]]]:
        now, items, faults = self.now() if self.now else None, {}, {}
        read: list[tuple[bytes, Item]] = []
        for raw in batch:
            try:
                read.append((raw, read_item(raw, now)))
            except DataError as error:
                faults[raw] = str(error)
        asked = "SELECT id, text FROM texts WHERE id IN (SELECT unnest(?::VARCHAR[]))"
        known = dict(self._rows(asked, [item.id for _, item in read]))
        for raw, item in read:
            if item.id not in known:
                known[item.id] = item.text
                items[item.id] = item
            elif known[item.id] != item.text:
                faults[raw] = f"the id {item.id!r} belongs to another text"
        digests = [(hashlib.sha256(raw).hexdigest(), _readable(raw), reason) for raw, reason in faults.items()]
        return list(items.values()), digests

    def _alert(self, number: int, key: tuple[str, str], state: State) -> Alert:
        bad = [mark for mark in state.marks if mark.weight >= BAD]
        texts = "text" if len(bad) == 1 else "texts"
        reason = (
            f"{len(bad)} negative {texts} on {key[1]} about {key[0]} since "
            f"{min(mark.time for mark in bad).isoformat(' ', 'minutes')}: level {state.level:.2f}, "
            f"limit {self.chart.limit:.2f}"
        )
        return Alert(number, *key, state.time, state.level, reason, tuple(mark.id for mark in bad))

    def _write(self, texts: list, touched: dict, alerts: list[Alert], faults: list) -> None:
        states = [(*key, _packed(state), silent) for key, (state, silent) in touched.items()]
        rows = {"texts": texts, "states": states, "alerts": [tuple(vars(a).values()) for a in alerts], "faults": faults}
        self.connection.begin()
        try:
            for name, found in rows.items():
                kind = {"states": "INSERT OR REPLACE", "faults": "INSERT OR IGNORE"}.get(name, "INSERT")
                self._insert(kind, name, found)
            self.connection.commit()
        except Exception as error:
            with contextlib.suppress(Exception):  # a commit that failed, as on a full disk, has rolled back already
                self.connection.rollback()
            raise RunError(f"nothing of this batch was written: {str(error).splitlines()[0]}") from error

    def _insert(self, kind: str, table: str, rows: list[tuple]) -> None:
        if not rows:
            return
        import pyarrow

        names = [column[0] for column in self.connection.execute(f"SELECT * FROM {table} LIMIT 0").description]
        columns = [list(column) for column in zip(*rows, strict=True)]
        batch = pyarrow.table({name: _column(values) for name, values in zip(names, columns, strict=True)})
        self.connection.register("batch", batch)
        self.connection.execute(f"{kind} INTO {table} SELECT * FROM batch")
        self.connection.unregister("batch")

    def _settle(self, database: Path, settings: dict[str, str]) -> None:
        there = dict(self._rows("SELECT name, value FROM settings"))
        if there and there != settings:
            raise RunError(
                f"{database} was filled with {there['chart']}, silent for {there['silence']}; its alerts and those of "
                f"{settings['chart']}, silent for {settings['silence']}, do not mix. Take another file"
            )
        if not there:
            self._insert("INSERT", "settings", list(settings.items()))

    def _one(self, sql: str, *values):
        return self._rows(sql, *values)[0][0]

    def _rows(self, sql: str, *values) -> list[tuple]:
        import duckdb

        try:
            return self.connection.execute(sql, list(values)).fetchall()
        except duckdb.Error as error:
            raise RunError(f"{self.database}: cannot be read ({str(error).splitlines()[0]})") from None


def as_json(alert: Alert) -> str:
    """Return an alert as one line of JSON."""
    return json.dumps(asdict(alert) | {"time": alert.time.isoformat()}, ensure_ascii=False)


def _packed(state: State) -> str:
    marks = [(mark.id, mark.time.isoformat(), mark.weight) for mark in state.marks]
    return json.dumps([state.level, state.time.isoformat(), marks])


def _unpacked(value: str) -> State:
    level, time, marks = json.loads(value)
    kept = tuple(Mark(id, datetime.fromisoformat(moment), weight) for id, moment, weight in marks)
    return State(level, datetime.fromisoformat(time), kept)


def _column(values: list):
    import pyarrow

    if all(value is None for value in values):
        return pyarrow.array(values, pyarrow.timestamp("us"))
    return pyarrow.array([list(value) if isinstance(value, tuple) else value for value in values])


def _readable(raw: bytes) -> str:
    return raw.decode("utf-8", "backslashreplace").replace("\0", "\\x00")
