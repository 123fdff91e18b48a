"""``tinykd evaluate``: score a model, an export or a fusion on a split of a corpus."""

import json
from pathlib import Path

from tinykd.commands import corpus_of, shared


def add(commands):
    """Describe the options."""
    parser = shared(commands.add_parser("evaluate", help="score a model, an export or a fusion on a split of a corpus"))
    parser.add_argument("--model", required=True, type=Path, metavar="DIR")
    parser.add_argument("--split", default="test", help="default: %(default)s")
    parser.add_argument("--report", choices=("article",), help="print the article's table instead: a row per tag")
    parser.set_defaults(max_length=None)
    return parser


def call(options) -> None:
    """Print the scores as JSON, or the article's report."""
    import tinykd
    from tinykd import data, evaluation

    split = data.split_of(corpus_of(options), options.split, options.data)
    predictor = tinykd.open(options.model, options.max_length)
    if options.report == "article":
        print(evaluation.token_report(evaluation.gold(split), evaluation.predicted(predictor, split)))
    else:
        print(json.dumps(evaluation.score(predictor, split), indent=2))
