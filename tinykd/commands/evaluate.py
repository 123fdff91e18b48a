"""``tinykd evaluate``: score a model, or a fusion of models, on a split of a corpus."""

import json
from pathlib import Path

from tinykd.commands import corpus_of, progress, shared
from tinykd.errors import DataError


def add(commands):
    """Describe the options."""
    parser = commands.add_parser("evaluate", help="score a model on a split of a corpus")
    parser.add_argument("--model", required=True, type=Path, metavar="DIR")
    parser.add_argument("--data", required=True, metavar="NAME|FOLDER")
    parser.add_argument("--split", default="test", help="default: %(default)s")
    return shared(parser)


def call(options) -> None:
    """Print the scores as JSON."""
    from tinykd import evaluation, models

    corpus = corpus_of(options)
    if options.split not in corpus:
        raise DataError(f"{options.data} has no split {options.split!r}; it has {', '.join(corpus)}")
    model, tokenizer = models.load(options.model)
    bar = options.split if progress() else None
    scores = evaluation.evaluate(model, tokenizer, corpus[options.split], options.max_length, progress=bar)
    print(json.dumps(scores, indent=2))
