"""``tinykd support train | chat | measure``. Taught in lesson 11."""

import json
import sys
from dataclasses import asdict, replace
from pathlib import Path

from tinykd.commands import progress, quoted


def add(commands):
    """Describe the options."""
    support = commands.add_parser("support", help="customer service: intents, a knowledge base, a person")
    steps = support.add_subparsers(required=True, metavar="STEP")

    train = steps.add_parser("train", help="train teacher and student on the messages of the embedded shop")
    train.set_defaults(step=_train)
    train.add_argument("--out", required=True, type=Path, metavar="DIR", help="where models and thresholds go")
    train.add_argument("--student", default="cut:2", metavar="cut:2|tinybert-4", help="default: %(default)s")
    train.add_argument("--seed", type=int, default=0, metavar="N", help="default: %(default)s")

    chat = steps.add_parser("chat", help="answer the messages of one conversation; JSON lines out")
    chat.set_defaults(step=_chat)
    chat.add_argument("messages", nargs="*", metavar="MESSAGE", help="none: one a line from standard input")

    measure = steps.add_parser("measure", help="measure a desk on the test messages and questions")
    measure.set_defaults(step=_measure)
    for step in (chat, measure):
        step.add_argument("--desk", required=True, type=Path, metavar="DIR", help="the folder of `support train`")
        step.add_argument("--model", default="student", metavar="NAME", help="who reads (default: %(default)s)")
    return support


def call(options) -> None:
    """Do the step."""
    options.step(options)


def _train(options) -> None:
    from tinykd.scenarios.support import open_desk, work

    settings = tuple(replace(one, seed=options.seed) for one in (work.TEACHER, work.STUDENT))
    work.train(options.out, student=options.student, settings=settings, progress=progress())
    desk = open_desk(options.out)
    print(f"the student is believed from {desk.sure:.2f} on, an article is shown from a cosine of {desk.close:.2f} on")
    print(f'try it: tinykd support chat --desk {quoted(options.out)} "where is my tent?" "HS-40817"')


def _chat(options) -> None:
    from tinykd.scenarios.support import Conversation, open_desk

    desk, conversation = open_desk(options.desk, options.model), Conversation()
    for message in options.messages or (line.decode("utf-8", "replace").rstrip("\r\n") for line in sys.stdin.buffer):
        print(json.dumps(asdict(desk.answer(message, conversation)), ensure_ascii=False), flush=True)


def _measure(options) -> None:
    from tinykd.scenarios.support import measure, open_desk

    print(json.dumps(measure(open_desk(options.desk, options.model)), indent=2))
