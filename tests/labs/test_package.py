"""What a student writes by hand is what the package does: its own functions pass the graders."""

import pytest
from workbench import ALL, grade, of_exercise

PACKAGE = {
    ("02_mathematics", 1): """
from tinykd import losses

def soft_loss(student, teacher, labels, temperature):
    return losses.soft_target_loss(student, teacher, labels, temperature)
""",
    ("03_teachers_and_students", 2): """
import transformers

def count_parameters(pieces, positions, width, layers, neurons, labels):
    shape = dict(vocab_size=pieces, max_position_embeddings=positions, hidden_size=width, num_hidden_layers=layers)
    config = transformers.BertConfig(**shape, intermediate_size=neurons, num_labels=labels, num_attention_heads=1)
    return transformers.BertForTokenClassification(config).num_parameters()
""",
    ("03_teachers_and_students", 1): """
import transformers
from tinykd import models
from tinykd.training.objective import Weights

def layers_to_store(teacher_layers, student_layers):
    shapes = [transformers.BertConfig(num_hidden_layers=n) for n in (teacher_layers, student_layers)]
    stored = Weights(embedding=1, hidden=1).teacher_layers(*shapes)
    return models.layer_map(teacher_layers, student_layers), stored.hidden_states
""",
    ("04_samples", 2): "from tinykd.samples.selection import allocate",
    ("04_samples", 1): """
import numpy as np
from datasets import Dataset
from tinykd.samples import selection

def uncertainty(rows):
    return selection.uncertainty(Dataset.from_dict({"teacher_logits": rows}))
""",
    ("05_losses", 1): "from tinykd.losses import pkd",
    ("07_case_study_ner", 1): """
from tinykd import evaluation

def entity_f1(gold, found):
    return evaluation.entity_scores(gold, found)["entity_f1"]
""",
    ("08_pruning", 2): """
from tinykd.pruning import structured

def kept_heads(importance, share):
    return structured._kept(list(importance), share, per_layer=False, name="heads")
""",
    ("12_small_changes", 1): """
import peft
import torch

def merged(weight, down, up, strength):
    with torch.no_grad():
        linear = torch.nn.Linear(*weight.T.shape, bias=False, dtype=weight.dtype)
        linear.weight.copy_(weight)
        config = peft.LoraConfig(r=len(down), lora_alpha=strength * len(down), target_modules=["0"])
        model = peft.inject_adapter_in_model(config, torch.nn.Sequential(linear))
        model[0].lora_A["default"].weight.data = down
        model[0].lora_B["default"].weight.data = up
        model[0].merge()
        return model[0].get_base_layer().weight
""",
    ("09_quantization", 1): """
from tinykd import quantization

def rounded_rows(matrix, bits=8):
    return quantization.fake_quantize(matrix, bits, channel_dim=0)
""",
    ("09_quantization", 2): """
from tinykd.quantization import rounding

def grid(values, bits=8):
    scale, zero_point = rounding.scale_and_zero_point(values, bits, symmetric=False)
    return scale.item(), int(zero_point.item())
""",
    ("11_fusion", 2): "from tinykd.fusion import expected_calibration_error as calibration_error",
    ("11_fusion", 3): """
import numpy as np
from tinykd import fusion

def choose(costs, valid, test, budget):
    points = fusion.Curve(np.arange(len(costs)), costs, valid, costs)
    best = int(fusion.choose(points, budget=budget).threshold)
    return best, test[best]
""",
    ("13_customer_service", 1): "from scenarios.support import threshold as best_threshold",
    ("13_customer_service", 3): """
from scenarios.support import retrieval

def fused(words, meaning, k):
    before, retrieval.SMOOTHING = retrieval.SMOOTHING, k
    try:
        return retrieval.reciprocal_rank(words[None], meaning[None])[0]
    finally:
        retrieval.SMOOTHING = before
""",
    ("14_finance", 1): """
from datetime import datetime, timedelta
from scenarios import finance

def levels(days, weights, drift):
    chart, state, found = finance.Cusum(drift), finance.State(), []
    for day, weight in zip(days, weights, strict=True):
        state = chart.step(state, finance.Mark("", datetime(2031, 3, 1) + timedelta(days=day), weight))
        found.append(state.level)
    return found
""",
    ("15_recommendation", 1): """
import numpy as np
from scenarios.recommend import measuring

def ndcg(shown, liked):
    return measuring.ndcg(np.array([item in liked for item in shown]), len(liked))
""",
    ("15_recommendation", 3): """
import torch
from scenarios.recommend import towers

def interest(vectors, half_life):
    before, towers.HALF_LIFE = towers.HALF_LIFE, half_life
    try:
        return towers.interest(torch.from_numpy(vectors), torch.ones(len(vectors), dtype=torch.bool))
    finally:
        towers.HALF_LIFE = before
""",
}


@pytest.mark.parametrize(("lab", "number"), PACKAGE)
def test_the_packages_own_function_passes(lab, number):
    code = PACKAGE[lab, number]
    assert not set(grade(lab, ALL[lab].text, code)) & of_exercise(lab, number), grade(lab, ALL[lab].text, code)
