"""``tinykd bench``: size, speed, memory and score of several models, one process each."""

from pathlib import Path

from tinykd.commands import corpus_of, shared


def add(commands):
    """Describe the options."""
    parser = shared(commands.add_parser("bench", help="size, speed, memory and score of several models"))
    parser.add_argument("models", nargs="+", type=Path, metavar="DIR", help="all are compared with the first")
    parser.add_argument("--split", default="test", help="default: %(default)s")
    parser.add_argument("--threads", type=int, default=2, metavar="N", help="default: %(default)s")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="default: %(default)s")
    parser.add_argument("--out", type=Path, metavar="FILE", help="keep the measurements as JSON")
    return parser


def call(options) -> None:
    """Print the variants as a table."""
    from tinykd import benchmark, data, recipes
    from tinykd.artifacts import write_json

    split = data.split_of(corpus_of(options), options.split, options.data)
    variants = {str(folder): folder for folder in options.models}
    measured = benchmark.benchmark(variants, split, options.threads, options.rounds, options.max_length)
    if options.out:
        write_json(options.out, {"variants": measured} | recipes.provenance())
    print(f"{recipes.processor()}, {options.threads} threads\n")
    print(benchmark.table(measured))
