"""``python -m scenarios support|finance|recommend STEP``; each scenario is a file in :mod:`scenarios.commands`."""

import argparse
import sys

from scenarios import commands
from tinykd.cli import run


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m scenarios", description="Applications of small models.")
    commands.add_all(parser.add_subparsers(required=True, metavar="SCENARIO"))
    return run(parser, arguments)


if __name__ == "__main__":
    sys.exit(main())
