"""Two processes learn what one does: the same recipe under torchrun, gloo on processors."""

import json
import os
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest

from tests import tiny
from tinykd.data import read_file
from tinykd.data.corpora import EMBEDDED

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import sys
from pathlib import Path
from tinykd import recipes
folder, name = sys.argv[1:]
for corpus in ("words", "texts"):
    setup = recipes.Run(f"{folder}/{corpus}", f"{folder}/base", "cut:1", "two-stage", epochs=2, teacher_epochs=2,
                        batch_size=8, precision="fp32", speed=corpus == "words")
    report = recipes.run(setup, Path(folder) / f"{corpus}-{name}")
print("report" if report else "silent", flush=True)
"""


def test_two_processes_have_the_losses_of_one(tmp_path):
    tiny.base_model(tmp_path / "base", dropout=0.0)  # each process draws its own
    # 50 is no multiple of 8, so that the last step of an epoch has no row for one process; 53 has one and three.
    tiny.corpus(tmp_path / "words", train=50)
    (tmp_path / "texts").mkdir()
    for split, size in (("train", 53), ("valid", 16), ("test", 16)):
        rows = read_file(EMBEDDED / "newswire" / f"{split}.txt")[:size]
        lines = [{"text": " ".join(row["tokens"]), "label": str(len(row["tokens"]) > 16)} for row in rows]
        (tmp_path / "texts" / f"{split}.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    (tmp_path / "program.py").write_text(PROGRAM)
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": ""}
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    for name, launcher, expected in (("one", [], ["report"]), ("two", torchrun, ["report", "silent"])):
        command = [sys.executable, *launcher, str(tmp_path / "program.py"), str(tmp_path), name]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)
        assert done.returncode == 0, done.stderr[-3000:]
        assert sorted(done.stdout.split()) == expected
    for corpus, model in product(("words", "texts"), ("teacher", "student-stage-1", "student", "twin")):
        logs = [json.loads((tmp_path / f"{corpus}-{name}" / model / "log.json").read_text()) for name in ("one", "two")]
        for term in {"loss", "prediction", "hidden", "attention"} & logs[0][0].keys():
            curves = [[line[term] for line in log if "loss" in line] for log in logs]
            assert len(curves[0]) >= 6, model
            assert curves[1] == pytest.approx(curves[0], rel=2e-3, abs=2e-4), (corpus, model, term)
    for corpus, score in (("words", "token_accuracy"), ("texts", "accuracy")):
        folders = [tmp_path / f"{corpus}-{name}" for name in ("one", "two")]
        reports = [json.loads((folder / "report.json").read_text()) for folder in folders]
        assert reports[0]["student"][score] == pytest.approx(reports[1]["student"][score], abs=0.02)
