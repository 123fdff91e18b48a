"""Watch what is written about companies; alerts on bad news. Taught in lesson 14."""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

from scenarios.commands import given, step, trains
from tinykd.errors import DataError, SettingError


def add(steps) -> None:
    """Describe the steps."""
    train = trains(steps, _train, "train topic and sentiment in one student, and set its chart", "cut:3")
    train.add_argument("--max-train", type=int, metavar="N", help="use only so many headlines")
    for name in ("teacher-epochs", "epochs"):
        train.add_argument(f"--{name}", type=int, metavar="N")

    watch = step(steps, "watch", _watch, "read a stream into a database; alerts as JSON lines out")
    watch.add_argument(
        "source", nargs="?", type=Path, metavar="FILE|FOLDER", help="JSON lines, RSS, Atom; none: standard input"
    )
    watch.add_argument("--run", required=True, type=Path, metavar="DIR", help="the folder of `finance train`")
    watch.add_argument("--model", default="student", metavar="NAME", help="who reads (default: %(default)s)")
    watch.add_argument("--follow", type=float, default=0.0, metavar="SECONDS", help="look again and again for more")
    watch.add_argument("--companies", type=Path, metavar="FILE", help="names to look for in a text, one per line")
    watch.add_argument("--now", metavar="TIME", help="what time it is, or 'any' to believe every date; default: now")

    alerts = step(steps, "alerts", _alerts, "the alerts in a database as JSON lines")
    alerts.add_argument("--after", type=int, default=0, metavar="NUMBER", help="only those with a higher number")
    faults = step(steps, "faults", _faults, "the lines that could not be read, as JSON lines")
    for parser in (watch, alerts, faults):
        parser.add_argument("--database", required=True, type=Path, metavar="FILE")


def _train(options) -> None:
    from scenarios import finance
    from scenarios.shared import precision_of

    how = given(options, "student", "max_train", "seed", "teacher_epochs", "epochs")
    read = finance.train(options.out, finance.Setup(**how, precision=precision_of(options.out), speed=True))
    items = finance.stream()
    chart = finance.charts(finance.quiet_time(items, read([item.text for item in items])))["cusum"]
    finance.save_chart(options.out / "chart.json", chart)
    print(f"one bad text counts 1, a day takes {chart.drift:.2f} off; an alert from {chart.limit:.2f} on")


def _watch(options) -> None:
    from scenarios import finance
    from tinykd.data.readers import read_text

    lines = read_text(options.companies).split("\n") if options.companies else []
    names, clock = [line.strip() for line in lines if line.strip()], _clock(options.now)
    chart = finance.load_chart(options.run / "chart.json")
    read = finance.reader(options.run / options.model)
    source = finance.files(options.source, options.follow) if options.source else finance.lines(sys.stdin.buffer)
    with finance.Monitor(options.database, read, chart, names=names, now=clock) as monitor:
        for alert in monitor.watch(source):
            print(finance.as_json(alert), flush=True)
        print(f"{monitor.count} texts, {monitor.raised} alerts, {len(monitor.faults())} faults", file=sys.stderr)


def _alerts(options) -> None:
    from scenarios.finance import as_json

    with _opened(options.database) as monitor:
        for alert in monitor.alerts(options.after):
            print(as_json(alert))


def _faults(options) -> None:
    with _opened(options.database) as monitor:
        for line, reason in monitor.faults():
            print(json.dumps({"reason": reason, "line": line}, ensure_ascii=False))


def _opened(database: Path):
    from scenarios.finance import Monitor

    if not database.is_file():
        raise DataError(f"{database}: no such file; `python -m scenarios finance watch` writes one")
    return Monitor(database, None, None)


def _clock(now: str | None):
    if now == "any":
        return None
    if now is None:
        return lambda: datetime.now(UTC).replace(tzinfo=None)
    try:
        moment = datetime.fromisoformat(now)
    except ValueError:
        raise SettingError(f"--now {now!r}: write it as 2031-03-01T09:15, or 'any'") from None
    moment = moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
    return lambda: moment
