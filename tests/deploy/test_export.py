import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from datasets import Dataset
from transformers import BertForSequenceClassification

from tests import tiny
from tests.untrained import LABELS, tagger
from tinykd import data, models
from tinykd.artifacts import read_json, seal
from tinykd.data.corpora import EMBEDDED
from tinykd.deploy import export, runtime
from tinykd.deploy.plain import PlainPredictor
from tinykd.errors import DataError, ModelError, RunError, SettingError
from tinykd.models.pruned_bert import PrunedBertConfig, PrunedBertForSequenceClassification

ODD = [
    "Mara Low won 2-1 in the U.S.",
    " \tŁódź's  O’Neill,\n日本 👍🏽! ",
    "\u200b",
    "x" * 500,
    "Dr. " * 3,
    "Nice " * 300,
]


@pytest.fixture(scope="module")
def room(tokenizer, tmp_path_factory):
    """An exported tagger beside its model."""
    model = tagger(tokenizer)
    return model, export.to_onnx(model, tokenizer, tmp_path_factory.mktemp("room") / "tagger")


@pytest.fixture(scope="module")
def sentences():
    rows = data.read_file(EMBEDDED / "newswire" / "test.txt")[:60]
    return [row["tokens"] for row in rows]


def same_predictions(found, expected):
    for mine, theirs in zip(found, expected, strict=True):
        for one, other in zip([mine, *mine.get("entities", [])], [theirs, *theirs.get("entities", [])], strict=True):
            assert one.pop("score", 0) == pytest.approx(other.pop("score", 0), abs=2e-4)
        assert mine == theirs


def test_logits_equal_torch_on_real_sentences(room, tokenizer, sentences):
    model, folder = room
    expected = models.logits(model, tokenizer, Dataset.from_dict({"tokens": sentences}))
    largest = max(np.abs(row).max() for row in expected)
    for batch_size in (1, 7):
        found = runtime.load(folder, threads=1).logits(sentences, batch_size)
        for mine, theirs in zip(found, expected, strict=True):
            assert mine.dtype == np.float32
            np.testing.assert_allclose(mine, theirs, atol=export.TOLERANCE * max(1, largest))


@pytest.mark.parametrize("max_length", [16, 128])
def test_the_exported_tagger_predicts_as_the_plain_one(room, tokenizer, sentences, max_length):
    model, folder = room
    texts = ODD + [" ".join(tokens) for tokens in sentences]
    found = list(runtime.load(folder, threads=1, max_length=max_length).predict(texts))
    assert sum(len(prediction["entities"]) for prediction in found) > len(texts)
    same_predictions(found, PlainPredictor(model, tokenizer, max_length).predict(texts))


def test_both_axes_are_free(room):
    ran = runtime.load(room[1], threads=1)
    for shape in ((1, 3), (5, 64), (2, ran.positions)):
        ids = np.full(shape, 2000)
        assert ran.run(ids, np.ones_like(ids)).shape == (*shape, len(LABELS))


def test_the_mask_is_an_input_of_its_own(room):
    ran = runtime.load(room[1], threads=1)
    ids = np.array([[101, 2000, 2001, 2002, 102]])
    masked = np.array([[1, 1, 1, 0, 0]])
    all_seen, some_seen, shorter = (
        ran.run(ids, np.ones_like(ids)),
        ran.run(ids, masked),
        ran.run(ids[:, :3], masked[:, :3]),
    )
    assert not np.allclose(all_seen[:, :3], some_seen[:, :3], atol=1e-2)
    np.testing.assert_allclose(some_seen[:, :3], shorter, atol=1e-4)


def test_an_aliased_export_is_caught(tokenizer, tmp_path, monkeypatch):
    def twice(vocabulary, positions):
        ones = torch.ones(2, 9, dtype=torch.long)
        return ones, ones

    monkeypatch.setattr(export, "_examples", twice)
    with pytest.raises(
        ModelError, match=r"predicts something else than torch on a batch of \d+ x \d+ .*nothing was kept"
    ):
        export.to_onnx(tagger(tokenizer), tokenizer, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_the_folder_is_what_a_browser_needs(room):
    model, folder = room
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert names == {"config.json", "tokenizer.json", "tokenizer_config.json", "onnx/model.onnx", "export.json"}
    config = json.loads((folder / "config.json").read_text())
    assert (config["model_type"], config["architectures"]) == ("bert", ["BertForTokenClassification"])
    assert config["id2label"] == {str(i): name for i, name in model.config.id2label.items()}
    pieces = json.loads((folder / "tokenizer.json").read_text())
    assert pieces["truncation"] is pieces["padding"] is None
    assert json.loads((folder / "tokenizer_config.json").read_text())["model_max_length"] == 512
    graph = runtime.session(folder / runtime.MODEL)
    assert {i.name: i.shape for i in graph.get_inputs()} == {
        name: ["batch", "length"] for name in ("input_ids", "attention_mask")
    }


def test_a_pruned_classifier_is_a_bert_to_a_browser_and_predicts_as_the_plain_one(tokenizer, tmp_path):
    torch.manual_seed(0)
    config = PrunedBertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        heads_by_layer=[3, 1],
        neurons_by_layer=[32, 7],
        id2label={0: "good", 1: "bad"},
        label2id={"good": 0, "bad": 1},
        architectures=["PrunedBertForSequenceClassification"],
    )
    model = PrunedBertForSequenceClassification(config).eval()
    torch.nn.init.normal_(model.classifier.weight, std=5)
    folder = export.to_onnx(model, tokenizer, tmp_path / "out")
    written = json.loads((folder / "config.json").read_text())
    assert (written["model_type"], written["architectures"]) == ("bert", ["BertForSequenceClassification"])
    ran = runtime.load(folder, threads=1)
    assert ran.task == "classification"
    found = list(ran.predict(ODD))
    assert len({prediction["score"] for prediction in found}) > 1
    same_predictions(found, PlainPredictor(model, tokenizer).predict(ODD))


def test_a_classifier_that_was_never_saved_is_one(tokenizer, tmp_path):
    config = tagger(tokenizer).config
    model = BertForSequenceClassification(config).eval()
    model.config.architectures = None
    folder = export.to_onnx(model, tokenizer, tmp_path / "onnx", 32)
    assert runtime.load(folder).task == "classification"
    assert set(next(runtime.load(folder).predict(["Nice."]))) >= {"label"}


@pytest.mark.parametrize("positions", [4, 12])
def test_a_model_of_few_positions_is_exported(tokenizer, tmp_path, positions):
    model = tagger(tokenizer, max_position_embeddings=positions)
    folder = export.to_onnx(model, tokenizer, tmp_path / "onnx", positions)
    expected = models.logits(model, tokenizer, Dataset.from_dict({"tokens": [["Mara", "won"]]}), positions)
    np.testing.assert_allclose(next(runtime.load(folder).logits([["Mara", "won"]])), expected[0], atol=1e-3)


def test_a_tokenizer_of_more_subword_tokens_is_refused(room, tokenizer, tmp_path):
    model = tagger(tokenizer, vocab_size=100)
    with pytest.raises(ModelError, match="the model knows 100 subword tokens, its tokenizer"):
        export.to_onnx(model, tokenizer, tmp_path / "onnx")


def test_a_model_does_not_take_the_place_of_an_export(room, tokenizer, tmp_path):
    folder = tiny.copy(room[1], tmp_path / "onnx")
    with pytest.raises(RunError, match="holds an exported model"):
        models.save(room[0], tokenizer, folder)
    assert runtime.load(folder).labels == LABELS


@pytest.mark.parametrize("batch_size", [0, -1, 1.5])
def test_an_impossible_batch_is_refused(room, batch_size):
    with pytest.raises(SettingError, match=f"batch_size is {batch_size}; it must be a whole number"):
        next(runtime.load(room[1]).logits(["Nice."], batch_size))


def test_the_runtime_needs_no_torch(room):
    program = (
        "import sys; import tinykd; print(*tinykd.open(sys.argv[1]).predict(['Mara won.']));"
        "bad = {'torch', 'transformers', 'datasets', 'onnx'} & set(sys.modules); assert not bad, bad"
    )
    done = subprocess.run([sys.executable, "-c", program, str(room[1])], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("{'text': 'Mara won.', 'entities': [")


@pytest.mark.parametrize("name", ["onnx/model.onnx", "tokenizer.json"])
@pytest.mark.parametrize("damage", ["cut", "gone", "other"])
def test_a_damaged_file_is_named(room, tmp_path, name, damage):
    folder = tiny.copy(room[1], tmp_path / "copy")
    path = folder / name
    content = path.read_bytes()
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(content[:-100] if damage == "cut" else content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(ModelError, match=rf"{name}: missing, cut short or altered; export the model again$"):
        runtime.load(folder)


def test_a_graph_that_cannot_be_read_is_named(room, tmp_path):
    folder = tiny.copy(room[1], tmp_path / "copy")
    (folder / runtime.MODEL).write_bytes(b"not a graph")
    facts = read_json(folder / runtime.NOTE)
    del facts["files"]
    seal(folder, runtime.NOTE, facts)
    with pytest.raises(ModelError, match=r"model\.onnx: ONNX Runtime cannot read it \("):
        runtime.load(folder)


@pytest.mark.parametrize("content", ["", "{", "[]", "{}"])
def test_a_damaged_note_is_named(room, tmp_path, content):
    folder = tiny.copy(room[1], tmp_path / "copy")
    (folder / runtime.NOTE).write_text(content)
    with pytest.raises(ModelError, match=r"export\.json: damaged .*; export the model again"):
        runtime.load(folder)


def test_what_the_export_has_not_is_refused(room, tmp_path):
    for folder in (tmp_path, room[1] / runtime.NOTE):
        with pytest.raises(ModelError, match="not an exported model"):
            runtime.load(folder)
    with pytest.raises(ModelError, match="no int8 model inside"):
        runtime.load(room[1], quantized=True)


def test_too_long_is_refused(room, tokenizer, tmp_path):
    ran = runtime.load(room[1], threads=1)
    ids = np.ones((2, ran.positions + 1), np.int64)
    with pytest.raises(ModelError, match=r"a row of 513 subword tokens; .*takes at most 512: use predict"):
        ran.run(ids, ids)
    for wrong in (2, 513):
        with pytest.raises(SettingError, match=f"max_length is {wrong}; this export takes 3 to 512"):
            runtime.load(room[1], max_length=wrong)
        with pytest.raises(SettingError, match=f"max_length is {wrong}; this model takes 3 to 512"):
            export.to_onnx(room[0], tokenizer, tmp_path / "out", max_length=wrong)


@pytest.mark.parametrize("empty", ["", " \n"])
def test_an_empty_text_is_refused(room, empty):
    with pytest.raises(DataError, match=r"^text 2 is empty$"):
        list(runtime.load(room[1]).predict(["a", empty]))


def test_the_model_is_left_as_it_is_and_the_place_must_be_writable(room, tokenizer, tmp_path):
    model = room[0]
    assert model.config._attn_implementation == "sdpa"
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot write"):
        export.to_onnx(model, tokenizer, tmp_path / "file" / "out")
