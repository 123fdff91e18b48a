"""What comes from strangers stays data: nothing of it is run. And nothing of ours is given away."""

import ast
import json
import pickle
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import torch

from tests import tiny
from tests.test_cli import run  # noqa: F401  (a fixture)
from tinykd import models
from tinykd.errors import ModelError

ROOT = Path(__file__).resolve().parent.parent
SOURCES = sorted(path for folder in ("tinykd", "scenarios") for path in (ROOT / folder).rglob("*.py"))
#: modules that run what they read, unpack archives, or speak to other machines
BANNED = {"pickle", "cPickle", "dill", "joblib", "cloudpickle", "shelve", "marshal", "yaml", "code", "codeop"}
BANNED |= {"zipfile", "tarfile", "socket", "http", "requests", "httpx", "aiohttp", "ftplib", "telnetlib", "urllib"}
CALLS = {"eval", "exec", "compile", "__import__", "os.system", "os.popen", "torch.load", "torch.hub.load"}
CALLS |= {"shutil.unpack_archive", "np.loadtxt", "np.genfromtxt", "pd.read_pickle"}


def name_of(node: ast.expr) -> str:
    """``a.b.c`` of a call, or "" of anything else."""
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else ""


def offences(source: str) -> list[str]:
    """What a source file must not do, each with its line."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            found += [f"{node.lineno}: imports {name}" for name in names if name.split(".")[0] in BANNED]
        elif isinstance(node, ast.Call):
            if name_of(node.func) in CALLS:
                found.append(f"{node.lineno}: calls {name_of(node.func)}")
            for keyword in node.keywords:
                value = keyword.value.value if isinstance(keyword.value, ast.Constant) else "something"
                if keyword.arg in ("trust_remote_code", "allow_pickle", "shell") and value is not False:
                    found.append(f"{node.lineno}: {keyword.arg}={value}")
    return found


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import pickle", ["1: imports pickle"]),
        ("from urllib.request import urlopen", ["1: imports urllib.request"]),
        ("x = torch.load(p)", ["1: calls torch.load"]),
        ("\nnp.load(p, allow_pickle=True)", ["2: allow_pickle=True"]),
        ("f(trust_remote_code=choice)", ["1: trust_remote_code=something"]),
        ("f(trust_remote_code=False)\nmodel.eval()\nre.compile('x')", []),
    ],
)
def test_the_scanner_sees_what_it_looks_for(source, found):
    assert offences(source) == found


@pytest.mark.parametrize("path", SOURCES, ids=[str(path.relative_to(ROOT)) for path in SOURCES])
def test_no_pickle_no_code_of_others_no_archive_no_network(path):
    assert offences(path.read_text(encoding="utf-8")) == []


def test_every_model_comes_in_through_one_door():
    """``models.loading`` says that no code of a model is run; elsewhere only our own temporary files load."""
    doors = []
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and name_of(node.func).endswith(".from_pretrained"):
                doors.append((path.relative_to(ROOT).as_posix(), ast.unparse(node.func)))
    assert sorted(doors) == [
        ("tinykd/models/loading.py", "loader.from_pretrained"),
        ("tinykd/pruning/embeddings.py", "AutoTokenizer.from_pretrained"),  # written by itself a line before
        ("tinykd/pruning/embeddings.py", "nn.Embedding.from_pretrained"),  # a matrix in memory
    ]
    assert "loader.from_pretrained(where, trust_remote_code=False" in (ROOT / doors[0][0]).read_text(encoding="utf-8")


class Canary:
    """A pickle that leaves a file behind when it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    models.save(*models.teacher(str(tiny.base_model(folder / "base")), tiny.LABELS), folder / "model")
    return folder / "model"


def test_the_canary_sings(tmp_path):
    torch.save(Canary(tmp_path / "sang"), tmp_path / "a.bin")
    torch.load(tmp_path / "a.bin", weights_only=False)
    assert (tmp_path / "sang").exists()


@pytest.mark.parametrize("name", ["pytorch_model.bin", "adapter_model.bin", "training_args.bin", "model.pkl"])
def test_pickled_weights_are_never_opened(model, tmp_path, name):
    folder = tiny.copy(model, tmp_path / "stranger")
    (folder / "model.safetensors").unlink()
    with open(folder / name, "wb") as file:
        torch.save({"weight": Canary(tmp_path / "sang")}, file) if name.endswith(".bin") else pickle.dump([], file)
    with pytest.raises(ModelError, match=r"stranger: not a model folder.*model\.safetensors"):
        models.load(folder)
    assert not (tmp_path / "sang").exists()


@pytest.mark.parametrize("kind", ["bert", "evil"])
@pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json"])
def test_a_model_that_brings_code_runs_none_of_it(model, tmp_path, monkeypatch, file, kind):
    folder = tiny.copy(model, tmp_path / "stranger")
    evil = f"import pathlib; pathlib.Path({str(tmp_path / 'sang')!r}).touch()\n"
    for name in ("modeling_evil", "configuration_evil", "tokenization_evil"):
        (folder / f"{name}.py").write_text(evil)
    config = json.loads((folder / file).read_text())
    classes = {"AutoConfig": "configuration_evil.Evil", "AutoTokenizer": ["tokenization_evil.Evil", None]}
    heads = dict.fromkeys(["AutoModel", "AutoModelForTokenClassification"], "modeling_evil.Evil")
    config["auto_map"] = classes | heads
    if kind == "evil":
        config |= {"model_type": "evil"} if file == "config.json" else {"tokenizer_class": "EvilTokenizer"}
    (folder / file).write_text(json.dumps(config))

    def asked(*_):
        raise AssertionError("a person was asked whether to run the code")

    monkeypatch.setattr("builtins.input", asked)
    try:
        models.load(folder)
    except ModelError as error:
        assert str(folder) in str(error)
    assert not (tmp_path / "sang").exists()


def test_a_store_an_export_and_a_desk_hold_no_pickle(run, model, tmp_path):  # noqa: F811
    """What tinykd writes for others to load: a model, an export."""
    assert run("export", "--model", model, "--out", tmp_path / "onnx").code == 0
    for folder in (model, tmp_path / "onnx"):
        for path in folder.rglob("*"):
            if path.is_file():
                assert path.suffix in (".json", ".txt", ".safetensors", ".onnx"), path
                assert not path.read_bytes().startswith((b"\x80\x02", b"\x80\x04", b"PK")), path


SECRETS = {
    "a token": r"\b(?:hf_[A-Za-z0-9]{20,}|gh[pousr]_[A-Za-z0-9]{20,}|sk-[A-Za-z0-9-]{20,}|xox[abp]-[\w-]{10,})",
    "a key": r"\bAKIA[0-9A-Z]{16}\b|-----BEGIN [A-Z ]*PRIVATE KEY",
    "a password": r"(?i)\b(?:password|passwd|api[_-]?key|secret)\s*[:=]\s*['\"][^'\"\s]{6,}",
    "somebody's folder": r"(?:/root/|/home/\w+/|/Users/\w+/|C:\\\\?Users\\\\?\w+)",
    "a temporary folder": r"/tmp/(?!\w*\.)[\w-]{4,}/",
}


def published() -> list[Path]:
    """Every text that the project gives away."""
    try:
        listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
        paths = [ROOT / line for line in listed.splitlines()]
    except (OSError, subprocess.CalledProcessError):
        paths = [path for folder in ("notebooks", "book", "experiments") for path in (ROOT / folder).rglob("*")]
    kinds = {".ipynb", ".md", ".json", ".txt", ".py", ".toml", ".yml", ".yaml", ".bib", ".cff", ".html", ".js", ".csv"}
    return [path for path in paths if path.suffix in kinds and path.is_file() and path != Path(__file__)]


def secrets(text: str) -> list[str]:
    return [f"{what}: {match[0][:60]}" for what, pattern in SECRETS.items() for match in re.finditer(pattern, text)]


def test_no_secret_and_no_home_path_is_given_away():
    found = {str(path.relative_to(ROOT)): secrets(path.read_text(encoding="utf-8")) for path in published()}
    assert {path: said for path, said in found.items() if said} == {}
    assert len(found) > 100


@pytest.mark.parametrize(
    "text", ["hf_" + "a" * 30, "/root/x", "/home/mara/thesis", 'api_key = "abcdef123"', "AKIA" + "A" * 16]
)
def test_a_secret_would_be_seen(text):
    assert secrets(text)


def test_an_output_folder_with_dots_cannot_reach_outside(model, tmp_path):
    """A fusion names its members' folders: a note that points elsewhere is refused, whatever stands there."""
    from tinykd import fusion

    folder = tmp_path / "fused"
    folder.mkdir()
    shutil.copytree(model, tmp_path / "outside")
    note = {"kind": "parallel", "members": ["../outside", "../outside"], "settings": {"weights": {}}}
    (folder / "fusion.json").write_text(json.dumps(note))
    with pytest.raises(ModelError):
        fusion.load(folder)


def test_every_requirement_stands_on_the_page_of_licences():
    page = (ROOT / "book" / "licences.md").read_text(encoding="utf-8")
    for line in (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines():
        if name := re.match(r"[A-Za-z0-9_.-]+", line):
            row = re.search(rf"^\| \*\*{re.sub('[-_.]+', '-', name[0]).lower()}\*\* \| (.+) \|$", page, re.MULTILINE)
            assert row and row[1] != "?", f"{name[0]}: run tools/licences.py"
    others = re.findall(r"^\| (?!package)(\S+) \| (.+) \|$", page, re.MULTILINE)
    assert len(others) > 100 and all(said != "?" for _, said in others)
    strict = [(name, said) for name, said in others if "GPL" in said and " or " not in said.lower()]
    assert strict == [], "a licence that would bind our own code"
