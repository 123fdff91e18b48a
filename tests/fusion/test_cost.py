import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import (
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    BertConfig,
    DistilBertConfig,
    RobertaConfig,
    T5Config,
)

from tests.fusion.pair import member, tagged
from tinykd.errors import ModelError
from tinykd.fusion import macs, row_macs
from tinykd.models.pruned_bert import PrunedBertConfig

SIZES = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 48}


@pytest.mark.parametrize("length", [1, 16])
@pytest.mark.parametrize("head", [AutoModelForTokenClassification, AutoModelForSequenceClassification])
@pytest.mark.parametrize(
    "config",
    [
        BertConfig(vocab_size=99, num_labels=5, **SIZES),
        RobertaConfig(vocab_size=99, num_labels=5, **SIZES),
        PrunedBertConfig(vocab_size=99, num_labels=5, heads_by_layer=[4, 1, 2], neurons_by_layer=[8, 48, 3], **SIZES),
        PrunedBertConfig(
            vocab_size=99, num_labels=5, heads_by_layer=[4] * 3, neurons_by_layer=[48] * 3, embedding_rank=7, **SIZES
        ),
        DistilBertConfig(vocab_size=99, num_labels=5, dim=32, n_layers=3, n_heads=4, hidden_dim=48),
    ],
    ids=["bert", "roberta", "pruned", "factorized", "distilbert"],
)
def test_the_formula_counts_what_torch_counts(config, head, length):
    model = head.from_config(config, attn_implementation="eager").eval()
    model.config.architectures = [type(model).__name__]
    pieces = torch.ones(1, length, dtype=torch.long)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(input_ids=pieces, attention_mask=pieces)
    assert macs(model.config, length) == counter.get_total_flops() / 2  # a multiplication and an addition each


def test_a_long_document_costs_its_windows(tokenizer):
    model, _ = teacher = member(tokenizer, 0, layers=2)
    dataset = tagged([["in"] * 3, ["in"] * 30, ["in"]], [[0] * 3, [0] * 30, [0]])
    costs = row_macs(teacher, dataset, max_length=12)
    assert costs[0] == macs(model.config, 5)  # three words between [CLS] and [SEP]
    assert costs[2] == macs(model.config, 3)
    assert costs[1] > 4 * macs(model.config, 12)
    np.testing.assert_array_equal(row_macs(teacher, dataset), [macs(model.config, n + 2) for n in (3, 30, 1)])


def test_unknown_sizes_are_refused():
    with pytest.raises(ModelError, match="T5Config: its sizes are not known"):
        macs(T5Config(num_layers=0), 8)
