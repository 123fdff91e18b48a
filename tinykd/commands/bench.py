"""``tinykd bench``: the ladder, from the teacher down to the smallest rung, one process each."""

import json
from pathlib import Path

from tinykd.commands import shared


def add(commands):
    """Describe the options."""
    parser = commands.add_parser("bench", help="size, speed, memory and score of several models, one process each")
    parser.add_argument(
        "models", nargs="+", type=Path, metavar="DIR", help="plain or exported; the first is the measure"
    )
    parser.add_argument("--data", required=True, metavar="NAME|FOLDER")
    parser.add_argument("--split", default="test", help="default: %(default)s")
    parser.add_argument("--threads", type=int, default=2, metavar="N", help="default: %(default)s")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="default: %(default)s")
    parser.add_argument("--out", type=Path, metavar="FILE", help="keep the measurements as JSON")
    return shared(parser)


def call(options) -> None:
    """Print the ladder as a table."""
    from tinykd import ladder, recipes
    from tinykd.files import write_json

    rungs = {str(folder): folder for folder in options.models}
    how = {"columns": options.columns and options.columns.split(), "max_length": options.max_length}
    measured = ladder.climb(rungs, options.data, options.split, options.threads, options.rounds, **how)
    if options.out:
        write_json(options.out, json.loads(json.dumps({"rungs": measured} | recipes.provenance())))
    print(f"{recipes.processor()}, {options.threads} threads\n")
    print(ladder.table(measured))
