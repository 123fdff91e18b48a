"""The losses are functions of tensors: importing them loads torch, and no other room of the package."""

import subprocess
import sys


def test_losses_load_torch_and_nothing_of_ours():
    command = "import sys, tinykd.losses; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "torch" in loaded and not {"transformers", "datasets"} & loaded
    ours = {name for name in loaded if name.split(".")[0] == "tinykd"}
    assert {name for name in ours if not name.startswith("tinykd.losses")} == {"tinykd"}
