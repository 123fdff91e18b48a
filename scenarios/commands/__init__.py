"""The command lines of the scenarios, a file each; what a step needs is imported when it is called."""

import importlib
from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path

from tinykd.errors import RunError

NAMES = ("support", "finance", "recommend")


def add_all(scenarios) -> None:
    """Describe every scenario to argparse."""
    for name in NAMES:
        module = importlib.import_module(f"scenarios.commands.{name}")
        parser = scenarios.add_parser(name, help=module.__doc__.partition(".")[0])
        module.add(parser.add_subparsers(required=True, metavar="STEP"))


def step(steps, name: str, call: Callable, about: str) -> ArgumentParser:
    """Add a step of a scenario; ``call`` does it."""
    parser = steps.add_parser(name, help=about)
    parser.set_defaults(call=lambda options: _called(call, options))
    return parser


def _called(call: Callable, options) -> None:
    """Do a step; a package that only the scenarios need may be missing."""
    try:
        call(options)
    except ImportError as error:
        name = (error.name or "tinykd").split(".")[0]
        if name in ("tinykd", "scenarios"):  # a defect of ours
            raise
        told = f"{name} is missing or not made for this machine; run: pip install -r requirements.txt"
        raise RunError(told) from error


def trains(steps, call: Callable, about: str, student: str) -> ArgumentParser:
    """Add the step ``train`` with the options that all scenarios share."""
    parser = step(steps, "train", call, about)
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="where the models go")
    parser.add_argument("--student", default=student, metavar="cut:3|tinybert-4", help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="default: %(default)s")
    return parser


def given(options, *names: str) -> dict:
    """Return the options of these names that were given."""
    return {name: value for name in names if (value := getattr(options, name)) is not None}
