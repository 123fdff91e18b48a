"""Models for the page's tests: untrained ones of the same making, or those of ``runs/microscope`` where they are."""

import torch
from site_fixtures import tool
from transformers import BertConfig, BertForTokenClassification

from tests import tiny
from tinykd import models, pruning
from tinykd.deploy import export, int8

microscope = tool("build_microscope")


def untrained(out, tokenizer) -> None:
    """Make what ``build_microscope.train`` makes, in ``out``, and the facts, with models that know nothing."""
    torch.manual_seed(0)
    for name, layers in (("teacher", 2), ("student", 1), ("pruned", 1)):
        config = BertConfig(
            vocab_size=len(tokenizer),
            hidden_size=32,
            num_hidden_layers=layers,
            num_attention_heads=4,
            intermediate_size=64,
            id2label=dict(enumerate(tiny.LABELS)),
            label2id={label: i for i, label in enumerate(tiny.LABELS)},
            architectures=["BertForTokenClassification"],
        )
        model = BertForTokenClassification(config).eval()
        model.classifier.weight.data.mul_(50)  # labels that change from word to word
        if name == "pruned":
            measured = pruning.importance(model, tokenizer, None, "magnitude")
            model = pruning.prune(model, measured, heads=0.5, neurons=0.5)
            model = pruning.factorize_embeddings(model, tokenizer, [], rank=24)
        models.save(model, tokenizer, out / name)
        export.to_onnx(model, tokenizer, out / f"{name}-fp32")
        bits = microscope.BITS if name == "pruned" else 8
        int8.weight_only_int8(out / f"{name}-fp32", out / f"{name}-int8", embedding_bits=bits)
    facts = {"here": False, "runtime": None} | microscope.describe(out) | {"fails_alone": 1}
    facts["sentences"][0]["broken"] = True  # an untrained teacher is right on none, so that the code finds none
    microscope.write(out / microscope.FACTS, facts)
