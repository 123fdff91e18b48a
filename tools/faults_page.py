"""Write book/faults.md from the table in tests/faults/table.py, and count.

python tools/faults_page.py
"""

import ast
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
from tests.faults.table import FAULTS  # noqa: E402

PAGE = ROOT / "book" / "faults.md"
HEAD = """# What happens when it breaks

A process is killed in the middle of a write, the disk fills up in the last epoch, or thirty laptops start the same
teacher at the same moment. In each case the result must be right. If that is impossible, one clear line must say what
is wrong, and the files must stay as they were.

Each row of the table is a fault that our tests cause on purpose, with real processes, real disks and `kill -9`. The
moments of the kills are drawn with a seed from all moments at which a run changes a file.

"""
FOOT = """
`make test` runs all of these except the killed build, with tiny models. `make faults` also kills the real demo twenty
times, kills a book build three times, and starts thirty processes on the real teacher.
"""


def functions(path: Path) -> set[str]:
    """The names of the tests in a file."""
    found = ast.parse(path.read_text(encoding="utf-8")).body
    return {node.name for node in found if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


def missing() -> list[str]:
    """Tests that the table names and nobody wrote, and tests in tests/faults that it does not name."""
    named = [test for fault in FAULTS for test in fault.tests]
    lost = []
    for test in named:
        file, function = test.split("::")
        path = ROOT / "tests" / file
        if not path.exists() or function not in functions(path):
            lost.append(f"not there: {test}")
    for path in sorted((ROOT / "tests" / "faults").glob("test_*.py")):
        if path.name != "test_faults_page.py":
            unnamed = {f"faults/{path.name}::{name}" for name in functions(path)} - set(named)
            lost += [f"not in the table: {name}" for name in sorted(unnamed)]
    return lost


def page() -> str:
    """The whole page."""
    tests = {test for fault in FAULTS for test in fault.tests}
    rows = [
        "```{table} Each fault, its outcome, and the number of its tests",
        "| fault | outcome | tests |",
        "|---|---|---|",
    ]
    rows += [f"| {fault.name} | {fault.outcome} | {len(fault.tests)} |" for fault in FAULTS]
    count = f"\n{len(FAULTS)} faults, {len(tests)} tests; most of them cause their fault in several places.\n"
    return HEAD + "\n".join([*rows, "```"]) + "\n" + count + FOOT


if __name__ == "__main__":
    if lost := missing():
        sys.exit("\n".join(lost))
    PAGE.write_text(page(), encoding="utf-8")
