"""The page of the book says what the tests do."""

import importlib.util

from tests.faults.conftest import ROOT

spec = importlib.util.spec_from_file_location("faults_page", ROOT / "tools" / "faults_page.py")
tool = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tool)


def test_every_test_of_the_table_is_there_and_every_test_here_is_in_the_table():
    assert tool.missing() == []


def test_the_page_is_up_to_date():
    assert tool.PAGE.read_text(encoding="utf-8") == tool.page(), "run tools/faults_page.py"
