"""Two processes learn what one does: the same recipe under torchrun, gloo on processors."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import tiny

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = """
import sys
from pathlib import Path
from tinykd import recipes, training
training.prefers_bf16 = lambda: False  # another batch would round otherwise
folder, name = sys.argv[1:]
setup = recipes.Run(f"{folder}/corpus", f"{folder}/base", "cut:1", "two-stage", epochs=2, teacher_epochs=2,
                    batch_size=8)
report = recipes.run(setup, Path(folder) / name, progress=False)
print("report" if report else "silent", flush=True)
"""


def test_two_processes_have_the_losses_of_one(tmp_path):
    tiny.base_model(tmp_path / "base", dropout=0.0)  # each process draws its own
    tiny.corpus(tmp_path / "corpus")
    (tmp_path / "program.py").write_text(PROGRAM)
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": ""}
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    for name, launcher, expected in (("one", [], ["report"]), ("two", torchrun, ["report", "silent"])):
        command = [sys.executable, *launcher, str(tmp_path / "program.py"), str(tmp_path), name]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)
        assert done.returncode == 0, done.stderr[-3000:]
        assert sorted(done.stdout.split()) == expected
    for model in ("teacher", "student-stage-1", "student", "baseline"):
        curves = []
        for name in ("one", "two"):
            log = json.loads((tmp_path / name / model / "log.json").read_text())
            curves.append([line["loss"] for line in log if "loss" in line])
        assert len(curves[0]) >= 6, model
        assert curves[1] == pytest.approx(curves[0], rel=2e-3, abs=2e-4)
    reports = [json.loads((tmp_path / name / "report.json").read_text()) for name in ("one", "two")]
    assert reports[0]["student"]["token_accuracy"] == pytest.approx(reports[1]["student"]["token_accuracy"], abs=0.02)
