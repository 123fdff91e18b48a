"""The monitor: two heads, charts, sources, and a stream that is cut off in the middle and loses nothing."""

import contextlib
import io
import json
import math
import os
import random
import shutil
import signal
import threading
import time
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import islice

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from scenarios import finance
from scenarios.__main__ import main
from scenarios.finance import Cusum, Mark, Opinion, Quiet, Share, State
from tests import tiny
from tests.faults.conftest import slow
from tinykd import data, losses, models
from tinykd.errors import DataError, ModelError, RunError

START = datetime(2031, 3, 1)
DAY = timedelta(days=1)
CHART = Cusum(drift=0.5, limit=2.5)


def line(id, days=0.0, text="calm", entity="Tarnwick Bank", **more):
    found = {"id": id, "time": (START + days * DAY).isoformat(), "text": text, "entity": entity} | more
    return json.dumps(found).encode()


def read(texts):
    """A stub: "bad" in the text is bad news; the topic is the text's last word."""
    return [Opinion(t.split()[-1], "negative" if "bad" in t else "neutral", float("bad" in t)) for t in texts]


@pytest.fixture
def monitor(tmp_path):
    with finance.Monitor(tmp_path / "news.duckdb", read, CHART, now=None) as opened:
        yield opened


def rows(monitor, table):
    return monitor.connection.execute(f"SELECT * FROM {table} ORDER BY ALL").fetchall()


# two heads


@given(st.integers(0, 1000))
@settings(max_examples=25)
def test_one_divergence_over_both_blocks_is_half_of_each_and_a_term_of_balance(seed):
    generator = torch.Generator().manual_seed(seed)
    student, teacher = (torch.randn(1, 12, generator=generator, dtype=torch.float64) for _ in "st")
    teacher[:, 9:] += teacher[:, :9].logsumexp(-1) - teacher[:, 9:].logsumexp(-1)  # half of the mass on each block
    heads = [losses.kl_divergence(student[:, part], teacher[:, part]) for part in (slice(0, 9), slice(9, 12))]
    masses = [torch.stack([x[:, :9].logsumexp(-1), x[:, 9:].logsumexp(-1)], -1) for x in (student, teacher)]
    expected = losses.kl_divergence(*masses) + 0.5 * heads[0] + 0.5 * heads[1]
    torch.testing.assert_close(losses.kl_divergence(student, teacher), expected)


def test_labels_as_a_signal_are_read_back_as_they_were():
    corpus = data.load("finance")
    labels = finance.labels_of(corpus)
    assert len(labels) == 12
    both = finance.with_both(corpus["valid"], labels)
    said = finance.opinions([np.asarray(row) for row in both["teacher_logits"]], labels)
    assert [opinion.topic for opinion in said] == corpus["valid"]["topic"][:]
    names = data.label_names(corpus)
    assert [opinion.sentiment for opinion in said] == [names[k] for k in corpus["valid"]["label"]]
    assert all((opinion.negative > 0.99) == (opinion.sentiment == "negative") for opinion in said)
    by_text = dict(zip(corpus["valid"]["text"], said, strict=True))
    scores = finance.accuracy(lambda texts: [by_text[text] for text in texts], corpus["valid"])
    assert scores == {"topic": 1.0, "sentiment": 1.0, "both": 1.0}


def test_two_heads_need_topics_and_labels_of_both_kinds():
    corpus = data.load("finance")
    with pytest.raises(DataError, match="topic"):
        finance.labels_of({"train": corpus["train"].remove_columns("topic")})
    with pytest.raises(DataError, match="topic: credit"):
        finance.with_both(corpus["valid"], [x for x in finance.labels_of(corpus) if x != "topic: credit"])
    with pytest.raises(ModelError, match="topic"):
        finance.opinions([np.zeros((1, 2))], ["positive", "negative"])


def test_a_real_run_trains_both_heads_and_reloads(tmp_path):
    base = tiny.base_model(tmp_path / "base")
    setup = finance.Setup(teacher=str(base), student="cut:1", teacher_epochs=1, epochs=1, max_train=32, dropout=0.0)
    first = finance.train(tmp_path / "run", setup)
    for who in ("teacher", "student"):
        assert json.loads((tmp_path / "run" / who / "settings.json").read_text())["dropout"] == 0.0
    texts = ["\u200b", "Tarnwick Bank loses money", "Mapplewell recalls granola", "Oriole hires a composer"]
    assert first(texts) == finance.reader(tmp_path / "run" / "student")(texts)
    assert first(texts)[1] == first(texts[1:2])[0]._replace(negative=first(texts)[1].negative)
    with pytest.raises(RunError, match=r"made with other settings or data \(corpus is .* there, max_train is 32"):
        finance.train(tmp_path / "run", replace(setup, max_train=16))
    with pytest.raises(ValueError, match="epochs is 0"):
        finance.train(tmp_path / "refused", replace(setup, teacher_epochs=0))
    assert not (tmp_path / "refused").exists()
    model, tokenizer = models.load(tmp_path / "run" / "student")
    models.save(model, tokenizer, tmp_path / "other")
    assert finance.reader(tmp_path / "other")(texts) == first(texts)


def test_a_student_from_a_folder_keeps_the_tokenizer_there(tmp_path):
    base = tiny.base_model(tmp_path / "base")
    other = tiny.with_words_of_its_own(tiny.base_model(tmp_path / "other", layers=1))
    setup = finance.Setup(teacher=str(base), student=str(other), teacher_epochs=1, epochs=1, max_train=16)
    finance.train(tmp_path / "run", setup)
    assert "washingtan" in models.load(tmp_path / "run" / "student")[1].get_vocab()


# charts


@given(st.lists(st.tuples(st.floats(0, 3), st.floats(0, 1)), min_size=1, max_size=12))
def test_cusum_is_the_best_sum_over_all_beginnings(steps):
    state, now, marks = State(), START, []
    for gap, weight in steps:
        now += gap * DAY
        marks.append(Mark("", now, weight))
        state = CHART.step(state, marks[-1])
    sums = [
        sum(mark.weight for mark in marks[i:]) - CHART.drift * ((now - marks[i].time) / DAY) for i in range(len(marks))
    ]
    assert math.isclose(state.level, max(sums), abs_tol=1e-6)


def test_cusum_by_hand_and_the_drift_of_lucas():
    chart = Cusum.between(usual=1.0, crisis=math.e)
    assert math.isclose(chart.drift, math.e - 1)
    state = CHART.step(State(), Mark("a", START, 1.0))
    state = CHART.step(state, Mark("b", START + DAY, 1.0))
    assert math.isclose(state.level, 1.5)
    assert [mark.id for mark in state.marks] == ["a", "b"]
    state = CHART.step(state, Mark("c", START + 9 * DAY, 1.0))
    assert state.level == 1.0 and [mark.id for mark in state.marks] == ["c"], "long forgotten"
    for usual, crisis in ((0, 1), (2, 1)):
        with pytest.raises(ValueError, match="usual"):
            Cusum.between(usual, crisis)


@pytest.mark.parametrize("chart", [CHART, Share()])
def test_a_late_text_never_turns_time_back(chart):
    state = chart.step(State(), Mark("a", START + 5 * DAY, 1.0))
    late = chart.step(state, Mark("b", START + 4 * DAY, 1.0))
    assert late.time == state.time
    if chart is CHART:
        assert math.isclose(late.level, 1.5), "half of it would have faded"
        assert chart.step(state, Mark("b", START, 1.0)).level == 1.0, "too late to matter"


@given(st.lists(st.tuples(st.floats(0, 4), st.integers(0, 1)), min_size=1, max_size=15))
def test_share_is_that_of_the_window(steps):
    state, now, marks = State(), START, []
    for gap, weight in steps:
        now += gap * DAY
        marks.append(Mark("", now, weight))
        state = Share().step(state, marks[-1])
    last = [mark.weight for mark in marks if now - mark.time <= 7 * DAY]
    assert math.isclose(state.level, sum(last) / len(last) if len(last) >= 3 else 0.0)


def test_a_limit_grows_with_what_is_asked_of_it_and_never_looks_at_a_crisis():
    quiet = Quiet(8.0, tuple("abcdefghij"), tuple((topic, float(i % 4 == 0)) for i, topic in enumerate("uvwxyz" * 4)))
    chart = Cusum.between(quiet.usual, 1.0)
    strict, loose = (finance.limit(chart, quiet, allowed, months=20) for allowed in (0.1, 2.0))
    assert strict > loose > 0
    assert finance.limit(chart, quiet, 0.1, months=20) == strict, "the same draw each time"
    items, gold = finance.stream(), finance.stream_gold()
    calm = finance.quiet_time(items, gold)
    assert calm == finance.quiet_time(*(part[: len(part) // 2] for part in (items, gold)))
    assert max(item.time for item in items[: len(calm.texts)]) < min(crisis.first for crisis in finance.crises())
    with pytest.raises(DataError, match="quiet"):
        finance.quiet_time([], [])
    with pytest.raises(DataError, match="15 days, and the stream ends before"):
        finance.quiet_time(items[:5], gold[:5])


# sources


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"{", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[1]", "not a JSON object"),
        (b'{"id": "\xff"}', "not UTF-8"),
        (line(""), "no id"),
        (line(7), "id must be text"),
        (line("a", text=" "), "text must be text"),
        (line("a", entity=3), "entity"),
        (line("a", time="tomorrow"), "'tomorrow'"),
        (line("a", time="0001-01-01T00:00+14:00"), "time is"),
        (line("a", time="9999-12-31T23:59"), "time is"),
        (line("a", days=10), "dated in the future"),
    ],
)
def test_a_bad_line_is_a_fault_with_its_reason_and_loses_nothing(tmp_path, raw, reason):
    with finance.Monitor(tmp_path / "n.duckdb", read, CHART, now=lambda: START + DAY) as monitor:
        for _ in range(2):
            monitor.feed([line("before"), raw, line("after")])
        ((kept, why),) = monitor.faults()
        assert reason in why
        assert kept == raw.decode("utf-8", "backslashreplace")
        assert monitor.count == 2


def test_times_are_utc_and_half_characters_are_mended():
    item = finance.read_item(line("a", time="2031-03-01T10:00:00+02:00", text="half \ud83d"), now=START + DAY)
    assert item.time == datetime(2031, 3, 1, 8)
    item.text.encode()
    assert finance.read_item(line("a", time="2031-03-01T08:00:00Z")).time == datetime(2031, 3, 1, 8)


RSS = b"""<rss version="2.0"><channel><title>News</title><item><title>Tarnwick falls</title><guid>x1</guid>
<description>&lt;b&gt;Down&lt;/b&gt; 9%</description><pubDate>Sat, 01 Mar 2031 09:15:00 +0100</pubDate></item>
<item><title>No date</title><link>http://x/2</link><pubDate>soon</pubDate></item></channel></rss>"""
ATOM = b"""<feed xmlns="http://www.w3.org/2005/Atom"><entry><id>urn:1</id><title>Calm</title>
<updated>2031-03-01T08:15:00Z</updated><link href="http://x/1"/></entry></feed>"""


def test_feeds_become_lines():
    assert finance.feed(b"<!DOCTYPE x><rss/>") == []
    first, second = finance.feed(RSS)
    item = finance.read_item(first)
    assert (item.id, item.time, item.text) == ("x1", datetime(2031, 3, 1, 8, 15), "Tarnwick falls. Down  9%")
    with pytest.raises(ValueError, match="soon"):
        finance.read_item(second)
    (only,) = finance.feed(ATOM)
    assert finance.read_item(only).id == "urn:1"
    for document, reason in {b"<rss": "well-formed", b"<html/>": "neither", b"": "neither"}.items():
        with pytest.raises(DataError, match=reason):
            finance.feed(document)


def test_a_feed_names_no_file_and_does_not_grow(tmp_path):
    (tmp_path / "secret").write_text("tell nobody")
    outside = f'<!ENTITY file SYSTEM "file://{tmp_path / "secret"}">'
    grown = '<!ENTITY a "aaaaaaaaaa">' + "".join(
        f'<!ENTITY {b} "{10 * f"&{a};"}">' for a, b in zip("abcdefghi", "bcdefghij", strict=True)
    )
    for entities, used in ((outside, "&file;"), (grown, "&j;")):
        item = f"<item><guid>1</guid><title>said: {used}</title></item>"
        document = f"<!DOCTYPE rss [{entities}]><rss version='2.0'><channel>{item}</channel></rss>".encode()
        with contextlib.suppress(DataError):
            assert not any(b"tell nobody" in line or len(line) > 2000 for line in finance.feed(document))


def test_a_stream_comes_in_whole_lines():
    assert list(finance.lines(io.BytesIO(b"a\n\nb\nc"))) == [[b"a", b"b"], [b"c"]]


def test_a_folder_that_is_being_written(tmp_path):
    (tmp_path / "1.jsonl").write_bytes(b"a\nb")
    (tmp_path / ".2.jsonl").write_bytes(b"unfinished\n")
    (tmp_path / "3.xml").write_bytes(ATOM[:-5])
    assert list(finance.files(tmp_path))[:2] == [[b"a"], [b"b"]]
    assert b"well-formed" in list(finance.files(tmp_path))[2][0]
    following = finance.files(tmp_path, follow=0.01)
    assert next(following) == [b"a"]
    with open(tmp_path / "1.jsonl", "ab") as file:
        file.write(b"B\nc\n")
    (tmp_path / "3.xml").write_bytes(ATOM)
    assert sorted(islice(following, 2)) == sorted([finance.feed(ATOM), [b"bB", b"c"]])
    (tmp_path / "1.jsonl").write_bytes(b"d\n")
    assert next(following) == [b"d"], "a file that shrank is read anew"
    (tmp_path / ".new").write_bytes(b"e\nf\n")
    (tmp_path / ".new").replace(tmp_path / "1.jsonl")
    assert next(following) == [b"e", b"f"], "and one that another has taken the place of"


def test_a_file_that_goes_is_waited_for_and_another_of_its_name_is_read_from_its_start(tmp_path):
    for name in "ab":
        (tmp_path / f"{name}.jsonl").write_bytes(name.encode() + b"\n")
    following = finance.files(tmp_path, follow=0.01)
    assert next(following) == [b"a"]
    (tmp_path / "b.jsonl").unlink()  # between the look at the folder and the look at the file
    (tmp_path / "c.jsonl").write_bytes(b"c\n")
    assert next(following) == [b"c"]
    shutil.rmtree(tmp_path)
    threading.Timer(0.1, lambda: (tmp_path.mkdir(), (tmp_path / "c.jsonl").write_bytes(b"d\ne\n"))).start()
    assert next(following)[0] == b"d"


def test_a_mark_at_the_beginning_of_a_file_is_no_fault():
    assert finance.read_item(b"\xef\xbb\xbf" + line("a")).id == "a"


@pytest.mark.parametrize("name", ["some.json", "some.csv"])
def test_a_file_of_data_is_no_database(tmp_path, name):
    (tmp_path / name).write_text('{"a": 1}')
    with pytest.raises(RunError, match=f"{name}: the file is no database of ours; name another"):
        finance.Monitor(tmp_path / name, None, None)
    assert (tmp_path / name).read_text() == '{"a": 1}'
    import duckdb

    with duckdb.connect(str(tmp_path / "theirs.duckdb")) as theirs:
        theirs.execute("CREATE TABLE customers (name VARCHAR)")
    with pytest.raises(RunError, match=r"theirs\.duckdb: the file is no database of ours; name another"):
        finance.Monitor(tmp_path / "theirs.duckdb", None, None)
    with duckdb.connect(str(tmp_path / "theirs.duckdb")) as theirs:
        assert theirs.execute("SELECT table_name FROM duckdb_tables()").fetchall() == [("customers",)]
    with pytest.raises(DataError, match="no such"):
        next(finance.files(tmp_path / "nowhere"))


def test_a_broken_feed_is_a_fault_that_names_the_file(monitor, tmp_path):
    (tmp_path / "news.rss").write_bytes(b"<rss")
    assert list(monitor.watch(finance.files(tmp_path / "news.rss"))) == []
    assert "news.rss: not well-formed" in monitor.faults()[0][1]
    with pytest.raises(ValueError, match="not well-formed XML"):
        finance.feed(b'<?xml version="1.0" encoding="nonsense"?><rss></rss>')
    never = b"<rss><item><guid>a</guid><pubDate>Mon, 01 Jan 99999999999999999999 00:00:00 GMT</pubDate></item></rss>"
    assert b"99999999999999999999" in finance.feed(never)[0]
    (tmp_path / "folder.jsonl").mkdir()
    assert [*finance.files(tmp_path)]  # the feed alone
    assert finance.read_item(line("a"), datetime(9999, 12, 31, 23, 30)).id == "a"


def test_charts_need_texts_about_a_company():
    items = [finance.Item("1", datetime(2031, 3, 1), "x", "")]
    with pytest.raises(DataError, match="no text of the quiet time names a company"):
        finance.quiet_time(items, [Opinion("a", "negative", 1.0)], timedelta(0))


def test_a_text_that_comes_too_late_for_the_window_raises_no_alert(tmp_path):
    weights = {"a": 0.45, "b": 0.45, "c": 0.45, "late": 0.9}
    weighed = lambda texts: [Opinion("t", "negative", weights[text]) for text in texts]  # noqa: E731
    monitor = finance.Monitor(tmp_path / "m.duckdb", weighed, Share(limit=0.4))
    days = {"a": 20, "b": 20, "c": 20, "late": 8}
    for name, day in days.items():
        raw = json.dumps({"id": name, "time": f"2031-03-{day:02}T09:00", "text": name, "entity": "Co"}).encode()
        assert monitor.feed([raw]) == []


def test_a_company_is_found_in_the_text():
    names = ["Tarnwick Bank", "Oriole Games"]
    assert finance.entity_in("oriole sues Tarnwick Bank", names) == "Oriole Games"
    assert finance.entity_in("Orioles sing", names) == ""
    assert finance.entity_in("Oriole Games falls", ["Oriole Bank", "Oriole Games"]) == "Oriole Games"
    assert finance.entity_in("Yahoo! shares fall", ["", "Yahoo!"]) == "Yahoo!"


# the monitor


def test_an_alert_names_its_texts_sleeps_and_comes_again(monitor):
    batch = [line(f"t{i}", i / 10, "bad deals") for i in range(12)] + [line("calm", 1.3, "fine deals")]
    (alert,) = monitor.feed(batch)
    assert (alert.number, alert.entity, alert.topic) == (1, "Tarnwick Bank", "deals")
    assert alert.texts == ("t0", "t1", "t2")
    assert alert.time == START + 0.2 * DAY
    assert alert.reason.startswith("3 negative texts on deals about Tarnwick Bank since 2031-03-01 00:00")
    assert monitor.feed([line(f"u{i}", 3.1 + i / 10, "bad deals") for i in range(2)]) == [], "it sleeps, then counts"
    assert monitor.feed([line("good", 3.3, "fine deals")]) == []
    (second,) = monitor.feed([line("v0", 3.31, "bad deals"), line("v1", 3.32, "bad deals")])
    assert second.number == 2 and second.texts[-1] in ("v0", "v1")
    assert monitor.alerts() == [alert, second] and monitor.alerts(after=1) == [second]
    assert json.loads(finance.as_json(alert))["time"] == alert.time.isoformat()


def test_charts_are_apart_for_each_company_and_topic(monitor):
    bad = [line(f"{n}{t}", 0, f"bad {t}", n) for n in ("A", "B") for t in ("deals", "people")]
    assert monitor.feed(bad) == []
    assert monitor.feed([line(f"x{i}", 0, "bad deals", "") for i in range(9)]) == [], "no company, no chart"
    assert monitor.count == 13


def test_a_known_id_is_passed_over_and_another_text_of_that_id_is_a_fault(monitor):
    for _ in range(3):
        assert monitor.feed([line("a", 0, "bad deals"), line("a", 0, "bad deals")]) == []
    monitor.feed([line("a", 0, "bad people")])
    assert monitor.count == 1
    assert "another text" in monitor.faults()[0][1]


def test_out_of_order_texts_stand_in_their_place_in_the_shares(monitor):
    monitor.feed([line("late", 2, "bad deals"), line("early", 0, "fine deals"), line("old", -30, "bad deals")])
    table = monitor.shares(days=7)
    assert table["share"].tolist() == [1.0, 0.0, 0.5]
    assert table["texts"].tolist() == [1, 1, 2]


def test_a_batch_that_fails_leaves_nothing(tmp_path):
    with finance.Monitor(tmp_path / "n.duckdb", read, CHART, now=None) as monitor:
        monitor.feed([line("a", 0, "bad deals")])
        before = {table: rows(monitor, table) for table in ("texts", "states", "alerts")}
        monitor.connection.execute("ALTER TABLE alerts RENAME TO elsewhere")
        with pytest.raises(RunError, match="nothing of this batch"):
            monitor.feed([line(f"b{i}", 0, "bad deals") for i in range(3)])
        monitor.connection.execute("ALTER TABLE elsewhere RENAME TO alerts")
        assert before == {table: rows(monitor, table) for table in before}
        assert len(monitor.feed([line(f"b{i}", 0, "bad deals") for i in range(3)])) == 1


def test_another_chart_or_another_file_is_refused(tmp_path):
    finance.Monitor(tmp_path / "n.duckdb", read, CHART).__exit__()
    with pytest.raises(RunError, match="do not mix"):
        finance.Monitor(tmp_path / "n.duckdb", read, Cusum(0.5, 3.0))
    (tmp_path / "text.duckdb").write_text("not a database" * 999)
    with pytest.raises(RunError, match="cannot be opened"):
        finance.Monitor(tmp_path / "text.duckdb", read, CHART)


def synthetic(size=1200, seed=0):
    """A stream, three months for each 1,200 texts, with bad spells, late texts, broken lines and repeated ids."""
    draw, found = random.Random(seed), []
    for i in range(size):
        days = 90 * i / 1200 - (draw.random() if draw.random() < 0.1 else 0)
        entity, topic = draw.choice("ABCD"), draw.choice(["deals", "people", "credit"])
        bad = draw.random() < (0.7 if i // 60 % 4 == 0 else 0.05)
        found.append(line(f"id{i}", days, f"{'bad' if bad else 'fine'} number {i} {topic}", entity))
        if draw.random() < 0.02:
            found.append(draw.choice([f"broken {i}".encode(), found[-1], line(f"id{i}", days, "another deals")]))
    return found


def batches(stream, size=50):
    return (stream[i : i + size] for i in range(0, len(stream), size))


@pytest.mark.parametrize(("size", "alerts"), [(1200, 12), pytest.param(100_000, 150, marks=slow)])
def test_kill_9_anywhere_loses_no_alert_and_doubles_none(tmp_path, size, alerts):
    """Killed in the middle of the work, each time after so many more alerts at most."""
    stream, tables = synthetic(size), ("texts", "states", "alerts", "faults")
    with finance.Monitor(tmp_path / "whole.duckdb", read, CHART, now=None) as monitor:
        list(monitor.watch(batches(stream)))
        whole = {table: rows(monitor, table) for table in tables}
    assert len(whole["alerts"]) > 10 and len(whole["faults"]) > 10
    draw, killed = random.Random(1), 0
    while True:
        told, tell = os.pipe()
        child = os.fork()
        if child == 0:
            with finance.Monitor(tmp_path / "killed.duckdb", read, CHART, now=None) as monitor:
                for batch in batches(stream):
                    before = monitor.count
                    monitor.feed(batch)
                    if monitor.count > before:
                        os.write(tell, b".")
            os._exit(0)
        os.close(tell)
        for _ in range(draw.randint(1, alerts)):
            os.read(told, 1)
        time.sleep(draw.uniform(0, 0.02))
        os.kill(child, signal.SIGKILL)
        os.close(told)
        if not os.WIFSIGNALED(os.waitpid(child, 0)[1]):
            break
        killed += 1
    assert killed >= 3
    with finance.Monitor(tmp_path / "killed.duckdb", read, CHART, now=None) as monitor:
        assert {table: rows(monitor, table) for table in tables} == whole
    print(f"{len(whole['texts']):,} texts, {len(whole['alerts']):,} alerts, killed {killed} times")


# the simulated stream


def test_what_alerts_are_worth_by_hand():
    planted = [finance.Crisis("A", "deals", START, START + DAY), finance.Crisis("B", "people", START, START + DAY)]

    def alert(entity, topic, days):
        return finance.Alert(1, entity, topic, START + days * DAY, 3.0, "", ())

    found = finance.measure(
        [alert("A", "deals", 0.5), alert("A", "credit", 0.25), alert("A", "deals", 3), alert("C", "deals", 0)],
        planted,
        days=15,
    )
    assert found["found"] == found["right_topic"] == 0.5
    assert found["delay_hours"] == {"A": 6.0, "B": None}
    with pytest.raises(ValueError, match="there are 3 of 2 companies"):
        finance.measure([], [*planted, planted[0]], days=15)
    assert (found["aftermath"], found["false_alarms"], found["false_a_month"]) == (1, 1, 2.0)
    assert finance.measure([], planted, 15)["median_delay_hours"] is None


def test_with_opinions_that_make_no_mistake_every_planted_crisis_is_found(tmp_path):
    items, gold = finance.stream(), finance.stream_gold()
    by_text = {item.text: opinion for item, opinion in zip(items, gold, strict=True)}
    chart = finance.charts(finance.quiet_time(items, gold))["cusum"]
    stub = lambda texts: [by_text[text] for text in texts]  # noqa: E731
    with finance.Monitor(tmp_path / "n.duckdb", stub, chart, now=None) as monitor:
        alerts = list(monitor.watch(batches([finance.as_line(item) for item in items], 100)))
        found = finance.measure(alerts, finance.crises(), 60)
        assert found["found"] == found["right_topic"] == 1.0
        assert all(by_text[monitor.text(id)].sentiment == "negative" for alert in alerts for id in alert.texts)


# the command


def test_the_command_watches_and_tells_again(tmp_path, capsys, monkeypatch):
    finance.save_chart(tmp_path / "run" / "chart.json", CHART)
    monkeypatch.setattr(finance, "reader", lambda folder: read)
    (tmp_path / "in.jsonl").write_bytes(
        b"\n".join(line(f"t{i}", 0, "Tarnwick bad deals", "") for i in range(3)) + b"\n{"
    )
    (tmp_path / "companies.txt").write_text("Oriole Games\nTarnwick Bank\n")

    def run(*arguments, code=0):
        assert main(["finance", *map(str, arguments)]) == code
        out, err = capsys.readouterr()
        return err if code else [json.loads(row) for row in out.splitlines()]

    where = ("--database", tmp_path / "n.duckdb")
    how = ("watch", tmp_path / "in.jsonl", "--run", tmp_path / "run", "--companies", tmp_path / "companies.txt", *where)
    (alert,) = run(*how, "--now", "2031-03-02T00:00")
    assert alert["entity"] == "Tarnwick Bank"
    assert run(*how, "--now", "any") == []
    assert run("alerts", *where) == [alert] and run("alerts", *where, "--after", 1) == []
    assert run("faults", *where) == [{"reason": "not JSON", "line": "{"}]
    for wrong, reason in (
        (("alerts", "--database", tmp_path / "no"), "no such file"),
        ((*how[:3], tmp_path, *where), "no chart"),
        ((*how, "--now", "soon"), "soon"),
    ):
        assert reason in run(*wrong, code=1)
