"""``tinykd recommend train | suggest | measure | pace``: what to show next, by text and crowd. Taught in lesson 13."""

import json
import sys
from dataclasses import asdict
from pathlib import Path

from tinykd.commands import progress, quoted
from tinykd.errors import DataError


def add(commands):
    """Describe the options."""
    parser = commands.add_parser("recommend", help="recommend items by their text and by what others like")
    steps = parser.add_subparsers(required=True, metavar="STEP")

    train = steps.add_parser("train", help="train teacher, student and ranker; by default on the embedded library")
    train.set_defaults(step=_train)
    train.add_argument("--out", required=True, type=Path, metavar="DIR", help="where models and shop go")
    train.add_argument("--items", type=Path, metavar="FILE", help="JSON lines: item, title, categories, year, text")
    train.add_argument("--likes", type=Path, metavar="FILE", help="JSON lines: user, item, time, perhaps rating")
    train.add_argument("--student", metavar="cut:3|tinybert-4", help="default: cut:3")
    for name, what in (
        ("seed", "default: 0"),
        ("lists", "how many lists the teacher scores"),
        ("teacher-epochs", None),
        ("epochs", None),
    ):
        train.add_argument(f"--{name}", type=int, metavar="N", help=what)

    suggest = steps.add_parser("suggest", help="items for a user or a history, with reasons; JSON lines out")
    suggest.set_defaults(step=_suggest)
    suggest.add_argument("liked", nargs="*", metavar="ITEM", help="liked items, the oldest first")
    suggest.add_argument("--user", metavar="NAME", help="a user the shop knows; neither: requests from standard input")
    suggest.add_argument("--count", type=int, default=10, metavar="N", help="default: %(default)s")

    measure = steps.add_parser("measure", help="NDCG, recall, diversity, coverage on the test weeks")
    measure.set_defaults(step=_measure)
    pace = steps.add_parser("pace", help="requests a second over a large catalogue")
    pace.set_defaults(step=_pace)
    pace.add_argument("--items", type=int, default=10_000, metavar="N", help="default: %(default)s")
    for step in (suggest, measure, pace):
        step.add_argument("--shop", required=True, type=Path, metavar="DIR", help="the folder of `recommend train`")
    return parser


def call(options) -> None:
    """Do the step."""
    options.step(options)


def _train(options) -> None:
    from tinykd.scenarios import recommend

    names = ("student", "seed", "lists", "teacher_epochs", "epochs")
    setup = recommend.Setup(**{name: value for name in names if (value := getattr(options, name)) is not None})
    if (options.items is None) != (options.likes is None):
        raise DataError("--items and --likes belong together; without both the embedded library is used")
    if options.items is None:
        items, likes, stretches = recommend.embedded()
    else:
        items = recommend.catalogue(recommend.read_rows(options.items), str(options.items))
        likes = recommend.likes_of(recommend.read_rows(options.likes), items, str(options.likes))
        stretches = recommend.periods(likes)
    shop = recommend.train(options.out, items, likes, stretches, setup, progress())
    print(f"{len(shop.items):,} items, {len(shop.likes):,} likes; try it:")
    first, last = (quoted(shop.items[place].id) for place in (0, -1))
    print(f"tinykd recommend suggest --shop {quoted(options.out)} {first} {last}")


def _suggest(options) -> None:
    from tinykd.scenarios import recommend

    shop, faults = recommend.open_shop(options.shop), 0
    if options.user is not None or options.liked:
        if options.user is not None and options.liked:
            raise DataError("either --user or liked items, not both")
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


def _answer(found) -> str:
    return json.dumps([asdict(one) for one in found], ensure_ascii=False)


def _measure(options) -> None:
    from tinykd.scenarios import recommend

    shop = recommend.open_shop(options.shop)
    start, end = recommend.stretches_of(options.shop)["test"]
    print(json.dumps(recommend.evaluate(shop, shop.likes, start, end), indent=2))


def _pace(options) -> None:
    from tinykd.scenarios import recommend

    print(json.dumps(recommend.pace(recommend.open_shop(options.shop), options.items), indent=2))
