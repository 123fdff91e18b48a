"""``tinykd finance train | watch | alerts | faults``: opinion about companies, watched. Taught in lesson 12."""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

from tinykd.commands import progress
from tinykd.errors import DataError


def add(commands):
    """Describe the options."""
    parser = commands.add_parser("finance", help="watch what is written about companies; alerts on bad news")
    steps = parser.add_subparsers(required=True, metavar="STEP")

    train = steps.add_parser("train", help="train topic and sentiment in one student, and set its chart")
    train.set_defaults(step=_train)
    train.add_argument("--out", required=True, type=Path, metavar="DIR", help="where models and chart go")
    train.add_argument("--student", metavar="cut:3|tinybert-4", help="default: cut:3")
    train.add_argument("--max-train", type=int, metavar="N", help="use only so many headlines")
    train.add_argument("--seed", type=int, metavar="N", help="default: 0")
    for name in ("teacher-epochs", "epochs"):
        train.add_argument(f"--{name}", type=int, metavar="N")

    watch = steps.add_parser("watch", help="read a stream into a database; alerts as JSON lines out")
    watch.set_defaults(step=_watch)
    watch.add_argument(
        "source", nargs="?", type=Path, metavar="FILE|FOLDER", help="JSON lines, RSS, Atom; none: standard input"
    )
    watch.add_argument("--run", required=True, type=Path, metavar="DIR", help="the folder of `finance train`")
    watch.add_argument("--model", default="student", metavar="NAME", help="who reads (default: %(default)s)")
    watch.add_argument("--follow", type=float, default=0.0, metavar="SECONDS", help="look again and again for more")
    watch.add_argument("--companies", type=Path, metavar="FILE", help="names to look for in a text, one a line")
    watch.add_argument("--now", metavar="TIME", help="what time it is, or 'any' to believe every date; default: now")

    alerts = steps.add_parser("alerts", help="the alerts in a database as JSON lines")
    alerts.set_defaults(step=_alerts)
    alerts.add_argument("--after", type=int, default=0, metavar="NUMBER", help="only those with a higher number")
    faults = steps.add_parser("faults", help="the lines that could not be read, as JSON lines")
    faults.set_defaults(step=_faults)
    for step in (watch, alerts, faults):
        step.add_argument("--database", required=True, type=Path, metavar="FILE")
    return parser


def call(options) -> None:
    """Do the step."""
    options.step(options)


def _train(options) -> None:
    from tinykd.scenarios import finance

    names = ("student", "max_train", "seed", "teacher_epochs", "epochs")
    setup = finance.Setup(**{name: value for name in names if (value := getattr(options, name)) is not None})
    read = finance.train(options.out, setup, progress())
    items = finance.stream()
    chart = finance.charts(finance.quiet_time(items, read([item.text for item in items])))["cusum"]
    finance.save_chart(options.out / "chart.json", chart)
    print(f"one bad text counts 1, a day takes {chart.drift:.2f} off; an alert from {chart.limit:.2f} on")


def _watch(options) -> None:
    from tinykd.scenarios import finance

    names = _companies(options.companies)
    clock = _clock(options.now)
    chart = finance.load_chart(options.run / "chart.json")
    read = finance.reader(options.run / options.model)
    source = finance.files(options.source, options.follow) if options.source else finance.lines(sys.stdin.buffer)
    with finance.Monitor(options.database, read, chart, names=names, now=clock) as monitor:
        for alert in monitor.watch(source):
            print(finance.as_json(alert), flush=True)
        print(f"{monitor.count} texts, {monitor.raised} alerts, {len(monitor.faults())} faults", file=sys.stderr)


def _alerts(options) -> None:
    from tinykd.scenarios import finance

    with _opened(options.database) as monitor:
        for alert in monitor.alerts(options.after):
            print(finance.as_json(alert))


def _faults(options) -> None:
    with _opened(options.database) as monitor:
        for line, reason in monitor.faults():
            print(json.dumps({"reason": reason, "line": line}, ensure_ascii=False))


def _opened(database: Path):
    from tinykd.scenarios import finance

    if not database.is_file():
        raise DataError(f"{database}: no such file; `tinykd finance watch` writes one")
    return finance.Monitor(database, None, None)


def _companies(path: Path | None) -> list[str]:
    if path is None:
        return []
    from tinykd.data.readers import read_text

    return [line.strip() for line in read_text(path).split("\n") if line.strip()]


def _clock(now: str | None):
    if now == "any":
        return None
    if now is None:
        return lambda: datetime.now(UTC).replace(tzinfo=None)
    try:
        moment = datetime.fromisoformat(now)
    except ValueError:
        raise DataError(f"--now {now!r}: write it as 2031-03-01T09:15, or 'any'") from None
    moment = moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
    return lambda: moment
