"""What stands around the project: workflows, the development container, Binder."""

import json
import subprocess
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from site_fixtures import tool

from tools import licences

ROOT = Path(__file__).resolve().parent.parent
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def commands(workflow):
    return [step["run"] for job in workflow["jobs"].values() for step in job["steps"] if "run" in step]


def dry(command):
    """Whether make knows the target; nothing is run."""
    return subprocess.run([*command.split(), "--dry-run"], cwd=ROOT, capture_output=True, text=True)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_call_make_with_targets_that_exist(path):
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    said = commands(workflow)
    assert said and all(command.split()[0] == "make" for command in said)
    for command in said:
        done = dry(command)
        assert done.returncode == 0, done.stderr
    assert all("timeout-minutes" in job for job in workflow["jobs"].values())
    assert workflow["permissions"]["contents"] == "read"


def test_one_workflow_tests_and_one_publishes_what_make_book_builds():
    test, pages = (ROOT / ".github" / "workflows" / name for name in ("test.yml", "pages.yml"))
    assert commands(yaml.safe_load(test.read_text(encoding="utf-8"))) == [
        "make test",
        "make lowest",
        "make locked",
        "make audit",
    ]
    pages = yaml.safe_load(pages.read_text(encoding="utf-8"))
    assert commands(pages) == ["make book"]
    steps = pages["jobs"]["publish"]["steps"]
    uploaded = next(step["with"]["path"] for step in steps if "upload-pages" in step.get("uses", ""))
    assert uploaded == "_build/html"
    assert pages["permissions"]["pages"] == "write"


def test_once_a_week_the_newest_releases_are_tested():
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "newest.yml").read_text(encoding="utf-8"))
    assert commands(workflow) == ["make newest"]
    assert list(workflow[True]) == ["schedule", "workflow_dispatch"]  # YAML reads "on" as a truth value
    recipe = dry("make newest").stdout
    assert "--upgrade-strategy eager" in recipe and "--constraint" not in recipe and "pytest tests" in recipe


def test_the_published_site_keeps_the_models_it_has_trained():
    steps = yaml.safe_load((ROOT / ".github" / "workflows" / "pages.yml").read_text(encoding="utf-8"))["jobs"][
        "publish"
    ]
    kept = next(step["with"] for step in steps["steps"] if "actions/cache" in step.get("uses", ""))
    microscope = tool("build_microscope")
    needed = [microscope.RUNS / name for name in (*microscope.VARIANTS, microscope.FACTS, microscope.RECIPE)]
    for path in needed:  # `make` trains nothing where these are
        assert any(path.relative_to(ROOT).match(pattern) for pattern in kept["path"].split())
    assert "tools/build_microscope.py" in kept["key"] and "tinykd/corpora" in kept["key"]


def test_the_locked_versions_are_all_that_is_needed_and_allowed():
    lines = (ROOT / "locked.txt").read_text(encoding="utf-8").splitlines()
    versions = dict(line.split("==") for line in lines)
    assert list(versions) == sorted(versions) and not any("+" in version for version in versions.values())
    for line in (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines():
        if line := line.split("#")[0].strip():
            wanted = Requirement(line)
            assert wanted.specifier.contains(versions[canonicalize_name(wanted.name)]), line
    assert "fqdn" in licences.closure({"jsonschema[format-nongpl]"})  # what an extra brings, too


def test_the_container_makes_the_same_environment():
    container = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text(encoding="utf-8"))
    assert container["postCreateCommand"] == "make .venv/ready"
    assert "requirements.txt" in (ROOT / "Makefile").read_text(encoding="utf-8")
    assert dry(container["postCreateCommand"]).returncode == 0


def test_binder_installs_the_same_requirements():
    lines = (ROOT / ".binder" / "requirements.txt").read_text(encoding="utf-8").split("\n")
    assert "-r ../requirements.txt" in lines
    assert (ROOT / ".binder" / "runtime.txt").read_text(encoding="utf-8").strip() == "python-3.11"
    subprocess.run(["bash", "-n", str(ROOT / ".binder" / "postBuild")], check=True)
    assert (ROOT / ".binder" / "postBuild").stat().st_mode & 0o111


def test_the_ci_script_goes_on_without_chromium():
    script = ROOT / ".ci" / "run"
    subprocess.run(["bash", "-n", str(script)], check=True)
    assert script.read_text(encoding="utf-8").rstrip().endswith("make test")
