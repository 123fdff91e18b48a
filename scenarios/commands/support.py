"""Customer service: intents, a knowledge base, a person. Taught in lesson 13."""

import json
import sys
from dataclasses import asdict, replace
from pathlib import Path

from scenarios.commands import step, trains
from tinykd.commands import quoted


def add(steps) -> None:
    """Describe the steps."""
    trains(steps, _train, "train teacher and student on the messages of the embedded shop", "cut:2")
    chat = step(steps, "chat", _chat, "answer the messages of one conversation; JSON lines out")
    chat.add_argument("messages", nargs="*", metavar="MESSAGE", help="none: one per line from standard input")
    measure = step(steps, "measure", _measure, "measure a desk on the test messages and questions")
    for parser in (chat, measure):
        parser.add_argument("--desk", required=True, type=Path, metavar="DIR", help="the folder of `support train`")
        parser.add_argument("--model", default="student", metavar="NAME", help="who reads (default: %(default)s)")


def _train(options) -> None:
    from scenarios.shared import precision_of
    from scenarios.support import open_desk, work

    how = {"seed": options.seed, "precision": precision_of(options.out), "speed": True}
    settings = tuple(replace(one, **how) for one in (work.TEACHER, work.STUDENT))
    work.train(options.out, students={"student": options.student}, settings=settings)
    desk = open_desk(options.out)
    print(f"the student is believed from {desk.sure:.2f} on, an article is shown from a cosine of {desk.close:.2f} on")
    print(f'try it: python -m scenarios support chat --desk {quoted(options.out)} "where is my tent?" "HS-40817"')


def _chat(options) -> None:
    from scenarios.support import Conversation, open_desk

    desk, conversation = open_desk(options.desk, options.model), Conversation()
    for message in options.messages or (line.decode("utf-8", "replace").rstrip("\r\n") for line in sys.stdin.buffer):
        print(json.dumps(asdict(desk.answer(message, conversation)), ensure_ascii=False), flush=True)


def _measure(options) -> None:
    from scenarios.support import measure, open_desk

    print(json.dumps(measure(open_desk(options.desk, options.model)), indent=2))
