"""The command line, ``tinykd COMMAND``; each command is a file in :mod:`tinykd.commands`. Taught in lesson 01.

A fault that the user can mend is one line on standard error and exit code 1; wrong usage is 2, Ctrl-C 130. Any other
exception is a defect of ours and shows its traceback.
"""

import argparse
import errno
import logging
import os
import sys

from tinykd import commands
from tinykd.errors import TinykdError


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(prog="tinykd", description="Distil a large Transformer into a small one.")
    commands.add_all(parser.add_subparsers(required=True, metavar="COMMAND"))
    return run(parser, arguments)


def run(parser: argparse.ArgumentParser, arguments: list[str] | None = None) -> int:
    """Run the command that ``parser`` finds in the arguments, its ``call``; return the exit code."""
    options = parser.parse_args(arguments)
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    if os.environ.get("CI"):  # no bars; tqdm reads this when it is imported
        os.environ.setdefault("TQDM_DISABLE", "1")
    for stream in (sys.stdout, sys.stderr):  # JSON lines are UTF-8 in any locale, as what we read is
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="surrogateescape")
    logging.basicConfig(format="%(message)s", stream=sys.stderr)
    logging.getLogger("tinykd").setLevel(logging.INFO)
    try:
        options.call(options)
        sys.stdout.flush()
    except TinykdError as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"{parser.prog}: stopped; the same command goes on where this one was", file=sys.stderr)
        return 130
    except OSError as error:  # of standard output; what concerns a file was made a RunError where it arose
        if error.filename or error.errno not in (errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # where Python writes the rest when it ends
        if error.errno == errno.EPIPE:  # the reader has gone, as `| head` does
            return 0
        print(f"{parser.prog}: cannot write to standard output: {error.strerror}", file=sys.stderr)
        return 1
    return 0
