"""Recommend items by their text and by what others like. Taught in lesson 15."""

import json
import sys
from dataclasses import asdict
from pathlib import Path

from scenarios.commands import given, step, trains
from tinykd.commands import quoted
from tinykd.errors import DataError, SettingError


def add(steps) -> None:
    """Describe the steps."""
    train = trains(steps, _train, "train teacher, student and ranker; by default on the embedded library", "cut:3")
    train.add_argument("--items", type=Path, metavar="FILE", help="JSON lines: item, title, categories, year, text")
    train.add_argument("--likes", type=Path, metavar="FILE", help="JSON lines: user, item, time, perhaps rating")
    train.add_argument("--lists", type=int, metavar="N", help="how many lists the teacher scores")
    for name in ("teacher-epochs", "epochs"):
        train.add_argument(f"--{name}", type=int, metavar="N")

    suggest = step(steps, "suggest", _suggest, "items for a user or a history, with reasons; JSON lines out")
    suggest.add_argument("liked", nargs="*", metavar="ITEM", help="liked items, the oldest first")
    suggest.add_argument("--user", metavar="NAME", help="a user the shop knows; neither: requests from standard input")
    suggest.add_argument("--count", type=int, default=10, metavar="N", help="default: %(default)s")
    measure = step(steps, "measure", _measure, "NDCG, recall, diversity, coverage on the test weeks")
    throughput = step(steps, "throughput", _throughput, "requests per second over a large catalogue")
    throughput.add_argument("--items", type=int, default=10_000, metavar="N", help="default: %(default)s")
    for parser in (suggest, measure, throughput):
        parser.add_argument("--shop", required=True, type=Path, metavar="DIR", help="the folder of `recommend train`")


def _train(options) -> None:
    from scenarios import recommend
    from scenarios.shared import precision_of

    how = given(options, "student", "seed", "lists", "teacher_epochs", "epochs")
    setup = recommend.Setup(**how, precision=precision_of(options.out))
    if (options.items is None) != (options.likes is None):
        raise SettingError("--items and --likes belong together; without both the embedded library is used")
    if options.items is None:
        items, likes, stretches = recommend.embedded()
    else:
        items = recommend.catalogue(recommend.read_rows(options.items), str(options.items))
        likes = recommend.likes_of(recommend.read_rows(options.likes), items, str(options.likes))
        stretches = recommend.periods(likes)
    shop = recommend.train(options.out, items, likes, stretches, setup)
    print(f"{len(shop.items):,} items, {len(shop.likes):,} likes; try it:")
    first, last = (quoted(shop.items[place].id) for place in (0, -1))
    print(f"python -m scenarios recommend suggest --shop {quoted(options.out)} {first} {last}")


def _suggest(options) -> None:
    from scenarios.recommend import open_shop

    shop, faults = open_shop(options.shop), 0
    if options.user is not None or options.liked:
        if options.user is not None and options.liked:
            raise SettingError("either --user or liked items, not both")
        print(_answer(shop.recommend(options.liked if options.user is None else options.user, options.count)))
        return
    for number, line in enumerate(sys.stdin.buffer, 1):
        if not line.strip():
            continue
        try:
            print(_answer(shop.recommend(_who(line), options.count)), flush=True)
        except DataError as error:  # the next request is somebody else's
            faults += 1
            print(json.dumps({"line": number, "error": str(error)}, ensure_ascii=False), flush=True)
    if faults:
        raise DataError(f"{faults} requests could not be answered; each says why in its place")


def _who(line: bytes) -> str | list[str]:
    expected = 'expected {"user": "u001"} or {"history": ["b001", "b002"]}, the oldest first'
    try:
        request = json.loads(line)
    except (ValueError, RecursionError):
        raise DataError(f"not JSON; {expected}") from None
    who = request.get("user", request.get("history")) if isinstance(request, dict) else None
    if isinstance(who, str) and "user" in request:
        return who
    if isinstance(who, list) and all(isinstance(item, str) for item in who):
        return who
    raise DataError(expected)


def _answer(suggestions) -> str:
    return json.dumps([asdict(one) for one in suggestions], ensure_ascii=False)


def _measure(options) -> None:
    from scenarios.recommend import evaluate, open_shop, stretches_of

    shop = open_shop(options.shop)
    start, end = stretches_of(options.shop)["test"]
    print(json.dumps(evaluate(shop, shop.likes, start, end), indent=2))


def _throughput(options) -> None:
    from scenarios.recommend import open_shop, throughput

    print(json.dumps(throughput(open_shop(options.shop), options.items), indent=2))
