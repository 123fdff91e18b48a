"""The command line, ``tinykd COMMAND``; each command is a file in :mod:`tinykd.commands`. Taught in lesson 01.

A fault that the user can mend is one line on standard error and exit code 1; wrong usage is 2, Ctrl-C 130.
"""

import argparse
import logging
import os
import sys

from tinykd import commands
from tinykd.errors import TinykdError


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    options = _parser().parse_args(arguments)
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    for stream in (sys.stdout, sys.stderr):  # JSON lines are UTF-8 in any locale, as what we read is
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="surrogateescape")
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
    except ImportError as error:
        if os.environ.get("TINYKD_DEBUG"):
            raise
        name = (error.name or "a package").split(".")[0]
        print(f"tinykd: {name} is missing or not made for this machine ({error}); pip install {name}", file=sys.stderr)
        return 1
    except OSError as error:  # a disk or a network that nobody further down could speak for
        if os.environ.get("TINYKD_DEBUG"):
            raise
        print(f"tinykd: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tinykd", description="Distil a large Transformer into a small one.")
    commands.add_all(parser.add_subparsers(required=True, metavar="COMMAND"))
    return parser
