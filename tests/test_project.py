"""What a newcomer's clone and a wheel must hold."""

import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def test_requirements_hold_the_packages_own_line_for_line():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    wanted = [line for line in lines if line and not line.startswith("#")]
    assert set(project["dependencies"]) <= set(wanted)
    assert all("<" in line for line in wanted), "every requirement has an upper bound"
    only_scenarios = ("bm25s", "duckdb", "lightgbm", "implicit", "feedparser", "sentence-transformers")
    assert not [line for line in project["dependencies"] if line.startswith(only_scenarios)]


def test_bare_make_prints_help():
    done = subprocess.run(["make", "-s"], cwd=ROOT, capture_output=True, text=True, check=True)
    for target in ["demo", "test", "book", "lab", "lint", "experiments", "bench", "newest", "clean"]:
        assert f"make {target} " in done.stdout


def test_make_experiments_runs_all_of_them():
    done = subprocess.run(["make", "-n", "experiments"], cwd=ROOT, capture_output=True, text=True, check=True)
    there = {path.name for path in (ROOT / "experiments").glob("*.py")}
    # modules of two of them; measurements of the built site, and of a machine on which we are root
    others = {"readme.py", "reuters.py", "microscope.py", "devices.py"}
    assert set(re.findall(r"experiments/(\w+\.py)", done.stdout)) == there - others


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


def test_the_wheel_holds_the_corpora(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    for split in ("train", "valid", "test", "transfer"):
        assert f"tinykd/corpora/newswire/{split}.txt" in names
    for name in ("support", "finance"):
        assert all(f"tinykd/corpora/{name}/{split}.csv" in names for split in ("train", "valid", "test"))
    assert not any(name.startswith(("tests", "notebooks", "book", "scenarios")) for name in names)


def test_the_wheel_distils_in_an_empty_folder(wheel, tmp_path):
    site, empty = tmp_path / "site", tmp_path / "empty"
    empty.mkdir()
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(site), str(wheel)]
    subprocess.run(install, check=True, capture_output=True)
    options = ["distill", "--data", "newswire", "--max-train", "32", "--out", "run"]
    options += ["--teacher-epochs", "1", "--epochs", "1"]
    environment = os.environ | {"PYTHONPATH": str(site), "CI": "true"}
    environment.pop("TINYKD_DATA", None)
    where = subprocess.run(
        [sys.executable, "-c", "import tinykd; print(tinykd.__file__)"],
        cwd=empty,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert where.stdout.startswith(str(site))
    done = subprocess.run(
        [sys.executable, "-m", "tinykd", *options], cwd=empty, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert (empty / "run" / "report.json").exists()
    assert "the corpus inside the package" in done.stderr
