"""``tinykd predict``: tag or classify texts. A plain model, an exported one (without torch), or a fusion answers."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from tinykd.errors import DataError


def add(commands):
    """Describe the options."""
    parser = commands.add_parser("predict", help="tag or classify texts; JSON lines out")
    parser.add_argument("--model", required=True, type=Path, metavar="DIR")
    parser.add_argument("texts", nargs="*", metavar="TEXT", help="none: one text a line from standard input")
    parser.add_argument("--max-length", type=int, metavar="N", help="word pieces; default: 128, of an export its own")
    return parser


def call(options) -> None:
    """Print an answer a line, as soon as it is there."""
    if options.texts:
        for i, text in enumerate(options.texts, 1):
            if not text.strip():
                raise DataError(f"text {i} is empty")
            try:
                text.encode()
            except UnicodeEncodeError:
                raise DataError(f"text {i}: not UTF-8") from None
        batches = iter([options.texts])
    else:
        batches = _lines(sys.stdin.buffer)
    answers = _answerer(options.model, options.max_length)
    for texts in batches:
        for answer in answers(texts):
            print(json.dumps(answer, ensure_ascii=False), flush=True)


def _answerer(folder: Path, max_length: int | None):
    how = {} if max_length is None else {"max_length": max_length}
    if (folder / "export.json").exists():
        from tinykd import runtime

        exported = runtime.load(folder)
        return lambda texts: exported.predict(texts, **how)
    if (folder / "fusion.json").exists():
        from tinykd import fusion

        fused = fusion.load(folder)
        return lambda texts: fused.predict(texts, **how)
    from tinykd import models
    from tinykd.inference import predict

    model, tokenizer = models.load(folder)
    return lambda texts: predict(model, tokenizer, texts, **how)


def _lines(stream, size: int = 32) -> Iterator[list[str]]:
    """Batches of lines, as they come; one at a time where a person or another program types them."""
    batch: list[str] = []
    size = size if stream.seekable() else 1
    for number, raw in enumerate(stream, 1):
        try:
            text = raw.decode("utf-8" if number > 1 else "utf-8-sig").rstrip("\r\n")
            fault = "" if text.strip() else "the text is empty"
        except UnicodeDecodeError as error:
            fault = f"not UTF-8 (byte 0x{raw[error.start]:02x})"
        if fault:
            if batch:
                yield batch  # what came before it is answered
            raise DataError(f"standard input, line {number}: {fault}")
        batch.append(text)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
