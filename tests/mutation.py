"""Mutation testing: change one thing in a module, and see whether its own quick tests notice.

python -m tests.mutation            forty mutants of each module, drawn with a seed
python -m tests.mutation --all      every one of them

One process imports everything, then forks a child a mutant: the child puts the mutated module in the place of the right
one and runs the tests that belong to it. A mutant that no test notices is printed: a line that nothing holds.
"""

import argparse
import ast
import contextlib
import copy
import importlib
import io
import os
import random
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOSSES = ["tests/losses", "tests/test_agreement.py"]
#: module → the tests that are to notice
MODULES = {
    "tinykd.artifacts": ["tests/test_artifacts.py"],
    "tinykd.losses.prediction": LOSSES,
    "tinykd.losses.attention": LOSSES,
    "tinykd.losses.representation": LOSSES,
    "tinykd.losses.masking": LOSSES,
    "tinykd.evaluation": ["tests/test_evaluation.py"],
    "tinykd.text": ["tests/test_evaluation.py", "tests/data/test_words.py", "tests/data/test_encode.py"],
    "tinykd.fusion.calibration": ["tests/fusion/test_calibration.py"],
    "tinykd.fusion.curve": ["tests/fusion/test_curve.py"],
    "tinykd.fusion.cost": ["tests/fusion/test_cost.py", "tests/fusion/test_settings.py"],
    "tinykd.fusion.parallel": ["tests/fusion/test_parallel.py", "tests/fusion/test_settings.py"],
    "tinykd.fusion.cascade": ["tests/fusion/test_cascade.py", "tests/fusion/test_settings.py"],
}
#: so that no child imports it anew
PRELOADED = (
    "pytest",
    "hypothesis",
    "datasets",
    "sklearn.metrics",
    "transformers.models.bert.modeling_bert",
    "tinykd.fusion",
)
SECONDS = 120  #: a mutant that never ends is noticed, too
_OPERATORS = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.Pow: ast.Mult, ast.FloorDiv: ast.Mult,
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.And: ast.Or, ast.Or: ast.And,
    ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
}  # fmt: skip


def mutants(source: str) -> Iterator[tuple[str, ast.Module]]:
    """Yield every mutant of a module: what was changed, and the changed tree. Texts and annotations stay."""
    tree = ast.parse(source)
    nodes = [node for node in ast.walk(tree) if not _is_annotation(tree, node)]
    for number, node in enumerate(ast.walk(tree)):
        if node not in nodes:
            continue
        for change in _changes(node):
            copied = copy.deepcopy(tree)
            target = list(ast.walk(copied))[number]
            before = ast.unparse(target)
            change(target)
            yield f"line {node.lineno}: {before[:60]} -> {ast.unparse(target)[:60]}", ast.fix_missing_locations(copied)


def _changes(node: ast.AST):
    if isinstance(node, ast.BinOp | ast.BoolOp | ast.AugAssign) and type(node.op) in _OPERATORS:
        yield lambda target: setattr(target, "op", _OPERATORS[type(target.op)]())
    elif isinstance(node, ast.Compare) and type(node.ops[0]) in _OPERATORS:
        yield lambda target: target.ops.__setitem__(0, _OPERATORS[type(target.ops[0])]())
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and isinstance(node.operand, ast.Constant):
        yield lambda target: _become(target, ast.Constant(0))  # an axis of -1 and one of 1 are the same in a table
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield lambda target: setattr(target, "op", ast.UAdd())
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.Invert):
        yield lambda target: _become(target, target.operand)
    elif isinstance(node, ast.Constant) and type(node.value) in (int, float):
        yield lambda target: setattr(target, "value", target.value + 1)
    elif isinstance(node, ast.Constant) and type(node.value) is bool:
        yield lambda target: setattr(target, "value", not target.value)
    elif isinstance(node, ast.IfExp):
        yield lambda target: _swap(target, "body", "orelse")


def _become(target: ast.AST, other: ast.AST) -> None:
    target.__class__ = other.__class__
    target.__dict__ = other.__dict__


def _swap(target: ast.AST, one: str, other: str) -> None:
    first, second = getattr(target, one), getattr(target, other)
    setattr(target, one, second)
    setattr(target, other, first)


def _is_annotation(tree: ast.Module, node: ast.AST) -> bool:
    for parent in ast.walk(tree):
        for field in ("annotation", "returns"):
            if (part := getattr(parent, field, None)) is not None and any(node is inside for inside in ast.walk(part)):
                return True
    return not hasattr(node, "lineno")


def survives(name: str, tree: ast.Module, tests: list[str]) -> bool:
    """Run the tests of a module in a child that has the mutant in its place; True if none of them fails."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    code = 1
    try:
        signal.alarm(SECONDS)
        import pytest

        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), 1), os.dup2(nowhere.fileno(), 2)
        module = sys.modules[name]
        old = {key: value for key, value in vars(module).items() if callable(value)}
        exec(compile(tree, module.__file__, "exec"), vars(module))
        for other in [m for key, m in sys.modules.items() if key.startswith("tinykd") and m is not module]:
            for key, value in list(vars(other).items()):  # what was imported by name
                if key in old and value is old[key]:
                    setattr(other, key, getattr(module, key))
        code = pytest.main(["-q", "-x", "-p", "no:cacheprovider", *tests])
    except BaseException:
        code = 1
    finally:
        os._exit(int(code))


def main() -> int:
    """Draw mutants, try them, print the survivors and the share that was noticed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--sample", type=int, default=40, metavar="N", help="of each module, default %(default)s")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("modules", nargs="*", default=list(MODULES))
    options = parser.parse_args()
    os.chdir(ROOT)
    os.environ |= {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    for name in PRELOADED:
        importlib.import_module(name)
    noticed = tried = 0
    for name in options.modules:
        module = importlib.import_module(name)
        found = list(mutants(Path(module.__file__).read_text(encoding="utf-8")))
        chosen = found if options.all else random.Random(options.seed).sample(found, min(options.sample, len(found)))
        tests = [str(ROOT / path) for path in MODULES[name]]
        if not survives(name, ast.parse(Path(module.__file__).read_text(encoding="utf-8")), tests):
            sys.exit(f"{name}: its tests fail, or take more than {SECONDS} s, without any change")
        alive = [what for what, tree in chosen if survives(name, tree, tests)]
        noticed, tried = noticed + len(chosen) - len(alive), tried + len(chosen)
        print(f"{name}: {len(chosen) - len(alive)} of {len(chosen)} noticed ({len(found)} in all)", flush=True)
        for what in alive:
            print(f"    survived: {what}", flush=True)
    print(f"{noticed} of {tried} mutants noticed: {100 * noticed / tried:.1f} %")
    return 0


if __name__ == "__main__":
    with contextlib.suppress(io.UnsupportedOperation):
        sys.exit(main())
