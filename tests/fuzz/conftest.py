"""`make fuzz` sets TINYKD_FUZZ to the number of inputs a test; every run says how many there were in all."""

import os

import pytest
from hypothesis import settings

from tests.fuzz import counting

if os.environ.get("TINYKD_FUZZ"):
    settings.register_profile("fuzz", deadline=None, max_examples=int(os.environ["TINYKD_FUZZ"]), print_blob=True)
    settings.load_profile("fuzz")


@pytest.fixture(scope="session")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz")


def pytest_terminal_summary(terminalreporter):
    if counting.inputs:
        terminalreporter.write_line(f"fuzzing: {counting.inputs} inputs")
