"""Each private name of another library is called, so that a release that moves one is found here."""

import ast
import inspect
import types
from pathlib import Path

import numpy as np
import pytest
import torch
from datasets import Array2D, Dataset, Features
from torch import nn
from transformers import TrainingArguments

from tinykd import _compat

PUBLIC = [
    name
    for name, thing in vars(_compat).items()
    if isinstance(thing, types.FunctionType | type) and thing.__module__ == "tinykd._compat" and name[0] != "_"
]


@pytest.mark.parametrize("name", PUBLIC)
def test_each_has_its_reason_its_version_and_its_test(name):
    text = inspect.getdoc(getattr(_compat, name))
    assert any(f"{library} {version}.x" in text for library, version in VERSIONS.items()), (
        "which library, which version"
    )
    assert f"test_{name.lower()}" in {key.lower() for key in globals()}


VERSIONS = {"torch": 2, "transformers": 5, "datasets": 5, "peft": 0, "accelerate": 1, "filelock": 3}


def test_cpu_has_bf16():
    assert isinstance(_compat.cpu_has_bf16(), bool)


def test_arrow_writer(tmp_path):
    features = Features({"logits": Array2D((None, 2), "float16")})
    with _compat.arrow_writer(tmp_path / "a.arrow", features) as writer:
        for words in (1, 3):
            writer.write({"logits": np.full((words, 2), words, np.float16)})
        writer.finalize()
    rows = Dataset.from_file(str(tmp_path / "a.arrow"))["logits"][:]
    assert [len(row) for row in rows] == [1, 3] and rows[1][2] == [3.0, 3.0]


class Line(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, x):
        return {"loss": (x * self.weight - 1).square().mean()}


@pytest.mark.parametrize("max_norm", [0.0, 1.0])
def test_trainer(tmp_path, max_norm):
    """Our sampler is asked, our hooks run around every checkpoint, and gradients are measured only to be clipped."""
    seen = []

    class Ours(_compat.Trainer):
        def train_sampler(self):
            seen.append("sampler")
            return torch.utils.data.SequentialSampler(self.train_dataset)

        def check_numbers(self):
            seen.append("before")

        def after_checkpoint(self, folder):
            assert (folder / "trainer_state.json").is_file() and (folder / "optimizer.pt").is_file()
            seen.append(folder.name)

    arguments = TrainingArguments(
        *(str(tmp_path),), num_train_epochs=2, save_strategy="epoch", per_device_train_batch_size=2, use_cpu=True,
        max_grad_norm=max_norm, disable_tqdm=True, logging_steps=1, report_to="none",
    )  # fmt: skip
    rows = [{"x": torch.tensor(float(i))} for i in range(4)]
    trainer = Ours(
        Line(), arguments, train_dataset=rows, data_collator=lambda b: {"x": torch.stack([r["x"] for r in b])}
    )
    trainer.train()
    assert seen == ["sampler", "before", "checkpoint-2", "before", "checkpoint-4"]
    norms = [entry["grad_norm"] for entry in trainer.state.log_history if entry.get("grad_norm") is not None]
    assert bool(norms) == bool(max_norm)


def test_one_device(tmp_path):
    arguments = TrainingArguments(str(tmp_path), report_to="none", use_cpu=True)
    arguments._n_gpu = 4
    assert _compat.one_device(arguments).n_gpu == 1


def test_recorded():
    operands = torch.randn(2, 3), torch.randn(3, 2)
    with _compat.recorded({torch.ops.aten.mm.default}) as calls:
        product = operands[0] @ operands[1] + 1
    assert len(calls) == 1 and torch.equal(calls[0]() + 1, product)


def test_is_selection():
    dataset = Dataset.from_dict({"text": ["a", "b"]})
    assert not _compat.is_selection(dataset) and _compat.is_selection(dataset.select([1, 0]))


def test_nothing_else_is_in_it():
    """A private name stands in a function that a test can call, not loose in the module."""
    loose = ast.parse(Path(_compat.__file__).read_text(encoding="utf-8")).body
    kinds = ast.Import | ast.ImportFrom | ast.FunctionDef | ast.ClassDef | ast.Expr
    assert all(isinstance(node, kinds) for node in loose)
