"""The house stays small: lines, functions, parameters, imports and private names, measured in the source itself."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCES = {path.relative_to(ROOT).as_posix(): path for path in sorted((ROOT / "tinykd").rglob("*.py"))}
APPLICATIONS = {path.relative_to(ROOT).as_posix(): path for path in sorted((ROOT / "scenarios").rglob("*.py"))}
#: what a reader must understand to understand distillation
IDEA = ("losses/", "training/objective.py", "training/methods.py", "training/trainer.py", "models/hooks.py")
LINES, LINES_OF_THE_IDEA, LINES_OF_A_FUNCTION, PARAMETERS = 7500, 900, 40, 6


def lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def functions(path: Path):
    """Every function, but for the methods of a pattern of onnxscript, which are called with a tensor per parameter."""
    pending = [tree(path)]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.ClassDef) and any("RewriteRule" in ast.unparse(base) for base in node.bases):
            continue
        if isinstance(node, ast.FunctionDef):
            yield node
        pending += ast.iter_child_nodes(node)


def test_the_package_is_small_enough_to_be_read():
    assert sum(map(lines, SOURCES.values())) <= LINES


def test_the_idea_is_small_enough_to_be_read_aloud():
    files = [path for name, path in SOURCES.items() if name.removeprefix("tinykd/").startswith(IDEA)]
    assert len(files) > len(IDEA) and sum(map(lines, files)) <= LINES_OF_THE_IDEA


@pytest.mark.parametrize("name", SOURCES)
def test_no_function_is_long_or_has_many_parameters(name):
    for node in functions(SOURCES[name]):
        assert node.end_lineno - node.lineno + 1 <= LINES_OF_A_FUNCTION, node.name
        given = [argument.arg for argument in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
        assert len([argument for argument in given if argument not in ("self", "cls")]) <= PARAMETERS, node.name


def imported(path: Path, packages: set[str]) -> set[str]:
    """The modules of ours that this one imports when it is itself imported, their packages among them."""
    found = set()
    for node in tree(path).body:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            inside = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= (inside & packages) or {node.module}
            if inside - packages:
                found.add(node.module)
    return found & packages


def modules() -> dict[str, Path]:
    names = {
        name.removesuffix(".py").replace("/", ".").removesuffix(".__init__"): path for name, path in SOURCES.items()
    }
    return {name: path for name, path in names.items() if name != "tinykd.__main__"}


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Every module that reaches itself, with its way there."""
    found = []
    for start in graph:
        ways = [[start]]
        seen = set()
        while ways:
            way = ways.pop()
            for after in graph[way[-1]] - seen:
                if after == start:
                    found.append([*way, after])
                    ways = []
                    break
                seen.add(after)
                ways.append([*way, after])
    return found


def test_no_circle_of_imports():
    """A module may import its own package's face only if the face does not import it."""
    there = modules()
    assert circles({name: imported(path, set(there)) for name, path in there.items()}) == []


def test_a_circle_would_be_seen():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}})[0] == ["a", "b", "c", "a"]
    assert circles({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


def loads(statement: str) -> set[str]:
    code = f"{statement}\nimport sys\nprint(*{{name.split('.')[0] for name in sys.modules}})"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


@pytest.mark.parametrize(
    "statement", ["import tinykd", "import tinykd.cli", "import tinykd.text", "from tinykd.deploy import runtime"]
)
def test_what_needs_no_torch_loads_none(statement):
    assert not loads(statement) & {"torch", "transformers", "datasets"}


def test_the_losses_load_torch_and_nothing_of_ours():
    assert "torch" in loads("import tinykd.losses") and not loads("import tinykd.losses") & {"transformers", "datasets"}
    code = "import sys, tinykd.losses; print([m for m in sys.modules if m.startswith('tinykd')])"
    ours = ast.literal_eval(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout)
    assert all(name == "tinykd" or name.startswith("tinykd.losses") for name in ours)


#: libraries whose private names we used, and would be tempted to use again
PRIVATE = re.compile(r"\b(?:torch|transformers|datasets|peft|accelerate|filelock|tqdm|F|nn)\b[\w.]*\._[a-z]\w*")
#: the same of their objects, under the names that we give these
OBJECTS = re.compile(r"\b(?:model|config|tokenizer|dataset|trainer|self|args|arguments|super\(\)|held)\._[a-z]\w*")


@pytest.mark.parametrize("name", [name for name in SOURCES if name != "tinykd/_compat.py"])
def test_private_names_of_libraries_stand_in_compat_alone(name):
    text = SOURCES[name].read_text(encoding="utf-8")
    assert PRIVATE.findall(text) == []
    assert not re.search(r"from (?:torch|transformers|datasets|peft)[\w.]*\._\w+ import|import _[a-z]\w+ *#", text)
    own = set(re.findall(r"(?:def |self\.)(_\w+)", text))
    assert [found for found in OBJECTS.findall(text) if found.split("._")[1] not in {o[1:] for o in own}] == []


@pytest.mark.parametrize("name", APPLICATIONS)
def test_applications_use_public_names_of_the_package_only(name):
    for node in ast.walk(tree(APPLICATIONS[name])):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "tinykd":
            private = [
                part for part in [*node.module.split("."), *(a.name for a in node.names)] if part.startswith("_")
            ]
            assert private == [], ast.unparse(node)
        if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.startswith("__"):
            assert ast.unparse(node.value) in ("self", "cls") or "tinykd" not in ast.unparse(node), ast.unparse(node)


@pytest.mark.parametrize("name", SOURCES)
def test_the_package_knows_nothing_of_its_applications(name):
    assert "scenarios" not in {node.module.split(".")[0] for node in ast.walk(tree(SOURCES[name]))
                               if isinstance(node, ast.ImportFrom) and node.module}  # fmt: skip
