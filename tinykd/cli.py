"""The command line: ``tinykd distill | evaluate | predict``. Taught in lesson 01.

A fault that the user can mend is one line on standard error and exit code 1; wrong usage is 2, Ctrl-C 130.
"""

import argparse
import json
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from tinykd.errors import DataError, TinykdError


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    options = _parser().parse_args(arguments)
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    logging.basicConfig(format="%(message)s", stream=sys.stderr)
    logging.getLogger("tinykd").setLevel(logging.INFO)
    try:
        options.call(options)
        sys.stdout.flush()
    except (TinykdError, ValueError) as error:
        if not isinstance(error, TinykdError) and os.environ.get("TINYKD_DEBUG"):
            raise
        print(f"tinykd: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("tinykd: stopped; the same command goes on where this one was", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of our output has gone, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tinykd", description="Distil a large Transformer into a small one.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    distill = commands.add_parser("distill", help="fine-tune a teacher, distil a student, compare them")
    distill.set_defaults(call=_distill)
    distill.add_argument(
        "--data", required=True, metavar="NAME|FOLDER", help="a named corpus, or a folder with train/valid/test"
    )
    distill.add_argument("--teacher", default="minilm", metavar="minilm|FOLDER|HUB_ID", help="default: %(default)s")
    distill.add_argument("--student", default="cut:3", metavar="cut:3|tinybert-4|FOLDER", help="default: %(default)s")
    distill.add_argument(
        "--losses",
        default="logits",
        metavar="NAME",
        help="logits, hidden, attention, relations or two-stage (default: %(default)s)",
    )
    distill.add_argument("--out", required=True, type=Path, metavar="DIR", help="where models, report and figure go")
    for name, kind, meaning in (
        ("alpha", float, "share of the labels in the loss, 0 to 1"),
        ("temperature", float, "softness of both models' answers, above 0"),
        ("epochs", int, "epochs of student and baseline"),
        ("teacher-epochs", int, "epochs of the teacher"),
        ("lr", float, "learning rate"),
        ("batch-size", int, "sentences a step"),
        ("max-train", int, "use only so many training sentences"),
    ):
        distill.add_argument(f"--{name}", type=kind, metavar="N", help=f"{meaning} (default: what suits the corpus)")
    distill.add_argument("--seed", type=int, default=0, metavar="N", help="default: %(default)s")
    distill.add_argument(
        "--report-to",
        default="none",
        metavar="NAME",
        help="curves to tensorboard, wandb or trackio (default: %(default)s)",
    )
    _shared(distill)

    evaluate = commands.add_parser("evaluate", help="score a model on a split of a corpus")
    evaluate.set_defaults(call=_evaluate)
    evaluate.add_argument("--model", required=True, type=Path, metavar="DIR")
    evaluate.add_argument("--data", required=True, metavar="NAME|FOLDER")
    evaluate.add_argument("--split", default="test", help="default: %(default)s")
    _shared(evaluate)

    predict = commands.add_parser("predict", help="tag or classify texts; JSON lines out")
    predict.set_defaults(call=_predict)
    predict.add_argument("--model", required=True, type=Path, metavar="DIR")
    predict.add_argument("texts", nargs="*", metavar="TEXT", help="none: one text a line from standard input")
    predict.add_argument("--max-length", type=int, default=128, metavar="N")
    return parser


def _shared(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--max-length", type=int, default=128, metavar="N", help="word pieces in a window, default %(default)s"
    )
    parser.add_argument("--columns", metavar="NAMES", help='columns of a CoNLL file, for example "token pos chunk tag"')


def _distill(options: argparse.Namespace) -> None:
    from tinykd import recipes

    chosen = {key: value for key, value in vars(options).items() if key not in ("call", "out", "columns", "report_to")}
    setup = recipes.Run(**chosen, columns=tuple(options.columns.split()) if options.columns else None)
    report = recipes.run(setup, options.out, _progress(), options.report_to)
    if report is None:  # one of several processes; the first one speaks
        return
    print(recipes.table(report))
    print(f"\nopen next: {options.out / 'scoreboard.png'}")
    print(f'try it:    tinykd predict --model {options.out / "student"} "Mara Hope left Jordan for Nice."')


def _evaluate(options: argparse.Namespace) -> None:
    from tinykd import data, evaluation, models

    corpus = data.load(options.data, options.columns.split() if options.columns else None)
    if options.split not in corpus:
        raise DataError(f"{options.data} has no split {options.split!r}; it has {', '.join(corpus)}")
    model, tokenizer = models.load(options.model)
    bar = options.split if _progress() else None
    scores = evaluation.evaluate(model, tokenizer, corpus[options.split], options.max_length, progress=bar)
    print(json.dumps(scores, indent=2))


def _predict(options: argparse.Namespace) -> None:
    from tinykd import models

    if options.texts:
        for i, text in enumerate(options.texts, 1):
            if not text.strip():
                raise DataError(f"text {i} is empty")
        batches = iter([options.texts])
    else:
        batches = _lines(sys.stdin.buffer)
    model, tokenizer = models.load(options.model)
    from tinykd.inference import predict

    for texts in batches:
        for answer in predict(model, tokenizer, texts, options.max_length):
            print(json.dumps(answer, ensure_ascii=False), flush=True)


def _lines(stream, size: int = 32) -> Iterator[list[str]]:
    """Batches of lines, as they come; one at a time where a person or another program types them."""
    batch: list[str] = []
    size = size if stream.seekable() else 1
    for number, raw in enumerate(stream, 1):
        try:
            text = raw.decode("utf-8").rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise DataError(f"standard input, line {number}: not UTF-8 (byte 0x{raw[error.start]:02x})") from None
        if not text.strip():
            raise DataError(f"standard input, line {number}: the text is empty")
        batch.append(text)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _progress() -> bool:
    return not os.environ.get("CI")
