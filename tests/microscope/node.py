"""Node, and the packages of ``tools/microscope``: what the tests of the page's modules need."""

import functools
import json
import subprocess
from pathlib import Path

import pytest
from site_fixtures import ROOT, tool


@functools.cache
def packages() -> Path:
    """The folder of the npm packages, installed if need be; skips where there is no npm or no registry."""
    microscope = tool("build_microscope")
    try:
        return microscope.packages()
    except microscope.NoPackages as error:
        pytest.skip(str(error))


def program() -> str:
    """Return Node: what brings npm brings it too."""
    return tool("build_microscope")._program("node")


def ask(question: str, **arguments) -> object:
    """Ask the page's modules under Node; see ``twins.mjs``."""
    packages()
    done = subprocess.run(
        [program(), ROOT / "tests" / "microscope" / "twins.mjs"],
        input=json.dumps({"ask": question, **arguments}),
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
