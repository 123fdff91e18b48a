"""The commands of ``tinykd``, a file each: ``add`` describes the options, ``call`` does the work. See lesson 01."""

import importlib
import os
import shlex
import subprocess
from argparse import ArgumentParser

#: In the order in which a reader needs them.
NAMES = ("distill", "evaluate", "predict", "compress", "export", "fuse", "bench", "support", "finance", "recommend")


def add_all(commands) -> None:
    """Describe every command to argparse; what they need is imported when they are called."""
    for name in NAMES:
        module = importlib.import_module(f"tinykd.commands.{name}")
        module.add(commands).set_defaults(call=module.call)


def shared(parser: ArgumentParser) -> ArgumentParser:
    """Add what every command that reads a corpus knows."""
    parser.add_argument(
        "--max-length", type=int, default=128, metavar="N", help="word pieces in a window, default %(default)s"
    )
    parser.add_argument("--columns", metavar="NAMES", help='columns of a CoNLL file, for example "token pos chunk tag"')
    return parser


def corpus_of(options):
    """Load the corpus that the options name."""
    from tinykd import data

    return data.load(options.data, options.columns.split() if options.columns else None)


def quoted(word) -> str:
    """Return a path or a name as a shell takes it for one word, in a line that the reader may copy."""
    return subprocess.list2cmdline([str(word)]) if os.name == "nt" else shlex.quote(str(word))


def progress() -> bool:
    """Whether to show bars: not in continuous integration."""
    return not os.environ.get("CI")
