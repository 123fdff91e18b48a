"""One operation per attention computes what the twenty computed, padding and uneven heads included."""

import numpy as np
import onnx
import pytest
import torch
from transformers import (
    AutoModelForTokenClassification,
    DebertaV2Config,
    DistilBertConfig,
    MPNetConfig,
)

from tinykd.deploy import export, runtime
from tinykd.deploy.rewrites import fuse_attention
from tinykd.models.pruned_bert import PrunedBertConfig

SIZES = {"vocab_size": 60, "num_labels": 3, "hidden_size": 32, "num_attention_heads": 4, "intermediate_size": 24}
UNEVEN = {"heads_by_layer": [3, 1], "neurons_by_layer": [8, 5]}
#: architecture → its configuration, and how many of its attentions become one operation
KINDS = {
    # The biases of a new model are zeros, and the exporter keeps one for all of a length
    "as it begins": (PrunedBertConfig(**SIZES, **UNEVEN, num_hidden_layers=2), 2),
    "pruned bert": (PrunedBertConfig(**SIZES, **UNEVEN, num_hidden_layers=2), 2),
    "distilbert": (DistilBertConfig(vocab_size=60, num_labels=3, dim=32, n_heads=4, hidden_dim=24, n_layers=2), 2),
    "deberta": (DebertaV2Config(**SIZES, num_hidden_layers=1), 0),  # it makes its mask by itself
    "mpnet": (MPNetConfig(**SIZES, num_hidden_layers=1), 0),  # it adds a bias for the distance: not that of BERT
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_logits_stay_and_the_graph_shrinks(kind, tmp_path):
    config, attentions = KINDS[kind]
    torch.manual_seed(0)
    model = AutoModelForTokenClassification.from_config(config).eval()
    for layer in model.modules():  # biases begin at zero, and a forgotten one would not be missed
        if kind != "as it begins" and isinstance(layer, torch.nn.Linear) and layer.bias is not None:
            torch.nn.init.normal_(layer.bias)
    path = tmp_path / "model.onnx"
    with export.silent():
        export._export(export._Logits(model), export._examples(config.vocab_size, config.max_position_embeddings), path)
        plain = runtime.session(path, threads=1)
        assert fuse_attention(path) == attentions
    names = [tensor.name for tensor in onnx.load(path).graph.initializer]
    assert len(names) == len(set(names))
    fused = runtime.session(path, threads=1)
    ids = np.random.default_rng(0).integers(3, config.vocab_size, (3, 11))
    mask = np.ones_like(ids)
    mask[1, 7:] = mask[2, 2:] = 0
    feeds = {"input_ids": ids, "attention_mask": mask}
    (before,), (after,) = plain.run(["logits"], feeds), fused.run(["logits"], feeds)
    assert before.std() > 0.01
    with torch.inference_mode():
        torchs = model(input_ids=torch.from_numpy(ids), attention_mask=torch.from_numpy(mask)).logits.numpy()
    for logits in (before, after):
        np.testing.assert_allclose(logits[mask == 1], torchs[mask == 1], atol=1e-5, rtol=1e-4)
    unseen = {"input_ids": np.where(mask == 1, ids, 5), "attention_mask": mask}
    (other,) = fused.run(["logits"], unseen)
    np.testing.assert_allclose(after[mask == 1], other[mask == 1], atol=1e-5)
