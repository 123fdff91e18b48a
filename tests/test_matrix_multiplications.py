"""The matrix multiplications that the benchmark times are all that there are: ``macs`` counts as many operations."""

import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoModelForTokenClassification, BertConfig

from tinykd import fusion
from tinykd.deploy import measuring
from tinykd.models.pruned_bert import PrunedBertConfig

SIZES = {"vocab_size": 60, "num_labels": 3, "hidden_size": 32, "num_attention_heads": 4, "num_hidden_layers": 2}
PRUNED = {"heads_by_layer": [3, 1], "neurons_by_layer": [8, 5], "embedding_rank": 6}
MODELS = {
    "tagger": AutoModelForTokenClassification.from_config(
        BertConfig(**SIZES, intermediate_size=24, architectures=["BertForTokenClassification"])
    ),
    "pruned tagger": AutoModelForTokenClassification.from_config(
        PrunedBertConfig(**SIZES, **PRUNED, architectures=["PrunedBertForTokenClassification"])
    ),
    "classifier": AutoModelForSequenceClassification.from_config(
        BertConfig(**SIZES, intermediate_size=24, architectures=["BertForSequenceClassification"])
    ),
}


@pytest.mark.parametrize("kind", MODELS)
def test_none_is_missed_and_none_is_invented(kind):
    model = MODELS[kind].eval()
    calls = measuring.matrix_multiplications(model, {"input_ids": torch.arange(9)[None]})
    operations = 0
    for call in calls:
        *_, left, right = call.args
        operations += left.numel() * right.shape[-1]
    assert operations == fusion.macs(model.config, 9)
    assert all(torch.is_tensor(call()) for call in calls)
