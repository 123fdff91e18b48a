"""The recorded monitor: two heads on *finance*, the stream played through both charts, at several limits.

Teacher and student learn the headlines. Limits are set on the first fifteen days of the stream, for so many false
alarms a simulated quiet month; alerts are counted on the other forty-five. ``gold`` are the same charts with the
author's own opinions. ``python experiments/finance.py [SEED ...] [--data phrasebank]``; with ``phrasebank`` the
sentiment head is also scored on the Financial PhraseBank in ``$TINYKD_DATA/financial_phrasebank``, which it never saw.
"""

import argparse
import json
import logging
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # where the scenarios are

from scenarios import finance
from scenarios.finance.work import QUIET, Read
from scenarios.shared import precision_of
from tinykd import data, recipes
from tinykd.artifacts import write_json

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "experiments" / "results" / "finance.json"
RUNS = ROOT / "runs" / "experiments"
ALLOWED = (1.0, 0.5, 0.25, 0.1, 0.05, 0.02)  #: false alarms a simulated quiet month
BATCH = 32


def played(found: list[finance.Opinion]) -> dict:
    """Return what the alerts are worth, by chart and by what its limit allows."""
    items = finance.stream()
    by_text = {item.text: opinion for item, opinion in zip(items, found, strict=True)}
    quiet = finance.quiet_time(items, found)
    start = items[0].time + QUIET
    days = (items[-1].time - start).total_seconds() / 86400
    outcome: dict[str, dict] = {}
    for allowed in ALLOWED:
        for name, chart in finance.charts(quiet, allowed).items():
            with tempfile.TemporaryDirectory() as folder:
                database = Path(folder) / "news.duckdb"
                read = lambda texts: [by_text[text] for text in texts]  # noqa: E731
                with finance.Monitor(database, read, chart, now=None) as monitor:
                    alerts = monitor.feed([finance.as_line(item) for item in items])
            counted = [alert for alert in alerts if alert.time >= start]
            worth = finance.measure(counted, finance.crises(), days)
            outcome.setdefault(name, {})[str(allowed)] = {"limit": chart.limit} | worth
    return outcome


def throughput(read: Read, rounds: int = 3) -> float:
    """Return texts per second from line to disk, in batches of 32: the best of some rounds."""
    lines = [finance.as_line(item) for item in finance.stream()]
    best = 0.0
    for _ in range(rounds):
        with (
            tempfile.TemporaryDirectory() as folder,
            finance.Monitor(Path(folder) / "news.duckdb", read, finance.Cusum(0.2, 2.0), now=None) as monitor,
        ):
            start = time.perf_counter()
            for first in range(0, len(lines), BATCH):
                monitor.feed(lines[first : first + BATCH])
            best = max(best, len(lines) / (time.perf_counter() - start))
    return best


def on_phrasebank(read: Read) -> dict[str, float]:
    """Return the accuracy of the sentiment head by the annotators' agreement."""
    import phrasebank  # here, so that a lesson can load this file by its path

    found = {}
    for agreement in phrasebank.AGREEMENTS:
        rows = phrasebank.phrasebank(agreement)
        said = read([text for text, _ in rows])
        found[agreement] = statistics.mean(o.sentiment == gold for o, (_, gold) in zip(said, rows, strict=True))
    return found


def one_seed(seed: int, with_phrasebank: bool) -> dict:
    """Train (or load) the two models of a seed and return all that is recorded of them."""
    out, corpus = RUNS / f"finance-seed{seed}", data.load("finance")
    setup = finance.Setup(seed=seed, precision=precision_of(out), speed=True)
    student = finance.train(out, setup)
    found = {"seed": seed, "student": setup.student, "corpus": data.digest(corpus), "accuracy": {}}
    for name, read in (("teacher", finance.reader(out / "teacher")), ("student", student)):
        found["accuracy"][name] = finance.accuracy(read, corpus["test"])
        if with_phrasebank:
            found.setdefault("phrasebank", {})[name] = on_phrasebank(read)
    found["played"] = played(student([item.text for item in finance.stream()]))
    return found | {"texts_per_second": throughput(student)} | recipes.provenance()


def table(results: dict) -> str:
    """Return delays and false alarms as a Markdown table: means over the seeds, and the author's own opinions."""
    rows = [
        "| chart | allowed a month | found | hours, median | false a month | with gold |",
        "|---|---|---|---|---|---|",
    ]
    runs = [run["played"] for name, run in results.items() if name != "gold"]
    for name in runs[0]:
        for allowed in map(str, ALLOWED):
            of_seeds = [run[name][allowed] for run in runs]
            delays = [run["median_delay_hours"] for run in of_seeds if run["median_delay_hours"] is not None]
            gold = results["gold"][name][allowed]
            found, false = (statistics.mean(run[key] for run in of_seeds) for key in ("found", "false_a_month"))
            delay = f"{statistics.mean(delays):.1f}" if delays else "none"
            ideal = f"{gold['found']:.2f} found, {gold['false_a_month']:.1f} false"
            rows.append(f"| {name} | {allowed} | {found:.2f} | {delay} | {false:.1f} | {ideal} |")
    return "\n".join(rows)


def main() -> None:
    """Record every seed named (0, 1, 2) that is not recorded yet, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("seeds", nargs="*", type=int, default=[0, 1, 2], metavar="SEED")
    parser.add_argument("--data", choices=["phrasebank"], help="score the sentiment head on real sentences, too")
    parser.add_argument("--times", action="store_true", help="only measure the times again, on a quiet machine")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    results = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    if options.times:
        for seed in options.seeds:
            results[f"seed {seed}"]["texts_per_second"] = throughput(
                finance.reader(RUNS / f"finance-seed{seed}" / "student")
            )
        write_json(RESULTS, results)
        return
    results["gold"] = played(finance.stream_gold())
    digest = data.digest(data.load("finance"))
    for seed in options.seeds:
        there = results.get(f"seed {seed}", {})
        if there.get("corpus") != digest or (options.data and "phrasebank" not in there):
            results[f"seed {seed}"] = one_seed(seed, options.data == "phrasebank")
            write_json(RESULTS, results)
    print(table(results))


if __name__ == "__main__":
    main()
