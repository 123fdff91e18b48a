"""``tinykd predict``: tag or classify texts with a model, an export (without torch) or a fusion."""

import json
import sys
from codecs import BOM_UTF8
from collections.abc import Iterator
from pathlib import Path

from tinykd.errors import DataError, SettingError


def add(commands):
    """Describe the options."""
    parser = commands.add_parser("predict", help="tag or classify texts; JSON lines out")
    parser.add_argument("--model", required=True, type=Path, metavar="DIR")
    parser.add_argument("texts", nargs="*", metavar="TEXT", help="none: one text per line from standard input")
    length = "subword tokens in a window; default: 128, of an export or a fusion its own"
    parser.add_argument("--max-length", type=int, metavar="N", help=length)
    parser.add_argument("--batch-size", type=int, default=32, metavar="N", help="lines at a time, default %(default)s")
    return parser


def call(options) -> None:
    """Print a prediction per line, as soon as it is there."""
    import tinykd

    if options.batch_size < 1:
        raise SettingError(f"batch_size is {options.batch_size}; it must be at least 1")
    given = [_text(text.encode(errors="surrogatepass"), f"text {i}") for i, text in enumerate(options.texts, 1)]
    predictor = tinykd.open(options.model, options.max_length)
    for texts in [given] if given else lines(sys.stdin.buffer, options.batch_size):
        for prediction in predictor.predict(texts):
            print(json.dumps(prediction, ensure_ascii=False), flush=True)


def lines(stream, size: int = 32) -> Iterator[list[str]]:
    """Yield the lines that have arrived, at most ``size`` together: one where a person types, many from a file.

    A line that is empty or not UTF-8 is a DataError, after what came before it was yielded.
    """
    number = 0
    for arrived in _arrivals(stream, size):
        batch = []
        try:
            for raw in arrived:
                number += 1
                batch.append(_text(raw.removeprefix(BOM_UTF8 * (number == 1)), f"standard input, line {number}"))
        finally:
            if batch:
                yield batch


def _arrivals(stream, size: int) -> Iterator[list[bytes]]:
    rest = b""
    while chunk := stream.read1(1 << 16):  # waits only where nothing is there
        *whole, rest = (rest + chunk).replace(b"\r\n", b"\n").split(b"\n")
        yield from (whole[start : start + size] for start in range(0, len(whole), size))
    yield [rest] if rest else []


def _text(raw: bytes, place: str) -> str:
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise DataError(f"{place}: not UTF-8 (byte 0x{raw[error.start]:02x})") from None
    if not text.strip():
        raise DataError(f"{place} is empty")
    return text
