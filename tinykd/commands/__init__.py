"""The commands of ``tinykd``, a file each: ``add`` describes the options, ``call`` does the work. See lesson 01."""

import importlib
import os
import shlex
import subprocess
from argparse import ArgumentParser

#: In the order in which a reader needs them.
NAMES = ("distill", "evaluate", "predict", "compress", "export", "fuse", "bench")


def add_all(commands) -> None:
    """Describe every command to argparse; what they need is imported when they are called."""
    for name in NAMES:
        module = importlib.import_module(f"tinykd.commands.{name}")
        module.add(commands).set_defaults(call=module.call)


def shared(parser: ArgumentParser) -> ArgumentParser:
    """Add what every command that reads a corpus knows."""
    option = parser.add_argument
    option("--data", required=True, metavar="NAME|FOLDER", help="a named corpus, or a folder with train/valid/test")
    length = "subword tokens in a window (default: 128; of an export or a fusion its own)"
    option("--max-length", type=int, default=128, metavar="N", help=length)
    columns = 'columns of a CoNLL file, for example "token pos chunk tag"'
    option("--columns", type=lambda names: tuple(names.split()), metavar="NAMES", help=columns)
    option("--strict", action="store_true", help="refuse a CoNLL file in which an I- tag begins an entity")
    return parser


def trains(parser: ArgumentParser) -> ArgumentParser:
    """Add what every command that trains knows."""
    parser.add_argument("--precision", choices=("fp32", "bf16"), help="default: what is faster on this machine")
    parser.add_argument("--no-speed", dest="speed", action="store_false", help="without tinykd.training.speed")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="default: %(default)s")
    return shared(parser)


def corpus_of(options):
    """Load the corpus that the options name."""
    from tinykd import data

    return data.load(options.data, options.columns, strict=options.strict)


def quoted(word) -> str:
    """Return a path or a name as a shell takes it for one word, in a line that the reader may copy."""
    return subprocess.list2cmdline([str(word)]) if os.name == "nt" else shlex.quote(str(word))
