"""What the errata page says of the article, run or computed anew; ``test_erratum_N_…`` holds what erratum N says.

``PROGRAM`` is the article's section 5.2, word for word, without its comments. ``function`` mends one of its functions
just enough for the line that an erratum is about.
"""

import ast
import copy
import inspect
import json
import math
import platform
import re
import tomllib
import traceback
from pathlib import Path
from statistics import mean, stdev

import numpy as np
import pytest
import torch
import transformers
from packaging.specifiers import SpecifierSet
from sklearn.metrics import precision_recall_fscore_support
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode
from transformers import BertConfig, BertForSequenceClassification

from tests import tiny, untrained
from tinykd import evaluation, fusion, losses, pruning, quantization

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "book" / "errata.md").read_text(encoding="utf-8")
RECORDED = json.loads((ROOT / "experiments" / "results" / "distillation.json").read_text(encoding="utf-8"))["students"]

PROGRAM = """\
import torch
import torch.nn as nn
import torch.optim as optim
from transformers import BertTokenizer, BertForSequenceClassification, AdamW
from tinybert import TinyBertForSequenceClassification, TinyBertTokenizer

def generate_distillation_samples(large_model, tokenizer, max_seq_length, batch_size):
    large_model.eval()
    inputs = tokenizer("Hello, world!", padding=True, truncation=True, max_length=max_seq_length, return_tensors="pt")
    with torch.no_grad():
        outputs = large_model(inputs)
    predictions = outputs.logits.argmax(dim=1)
    distillation_samples = []
    for i in range(0, len(predictions), batch_size):
        distillation_samples.append((tokenizer.decode(inputs["input_ids"][i:i+batch_size, :].numpy().tolist(), skip_special_tokens=True), predictions[i:i+batch_size].tolist()))
    return distillation_samples

def train_small_model(large_model, small_model, distillation_samples, optimizer, max_epochs, batch_size):
    large_model.eval()
    small_model.train()
    for epoch in range(max_epochs):
        for batch in distillation_samples:
            inputs = tokenizer(batch[0], padding=True, truncation=True, max_length=max_seq_length, return_tensors="pt")
            optimizer.zero_grad()
            loss = large_model(inputs) + small_model(inputs)
            loss.backward()
            optimizer.step()
        print(f"Epoch {epoch+1}, loss: {loss.item()}")

def fuse_models(large_model, small_model):
    large_model.eval()
    small_model.eval()
    with torch.no_grad():
        large_outputs = large_model(inputs)
        small_outputs = small_model(inputs)
    outputs = (large_outputs + small_outputs) / 2
    return outputs

max_seq_length = 128
batch_size = 16
max_epochs = 5
learning_rate = 2e-5
alpha = 0.8

large_model = BertForSequenceClassification.from_pretrained("bert-base-uncased", num_labels=2)

small_model = TinyBertForSequenceClassification.from_pretrained("tinybert-base-uncased", num_labels=2)

tokenizer = BertTokenizer.from_pretrained("bert-base-uncased")
tinybert_tokenizer = TinyBertTokenizer.from_pretrained("tinybert-base-uncased")

distillation_samples = generate_distillation_samples(large_model, tokenizer, max_seq_length, batch_size)

optimizer = AdamW(small_model.parameters(), lr=learning_rate)

train_small_model(large_model, small_model, distillation_samples, optimizer, max_epochs, batch_size)

outputs = fuse_models(large_model, small_model)
"""  # noqa: E501
TREE = ast.parse(PROGRAM)
READ = {node.id for node in ast.walk(TREE) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
SAMPLE, TRAIN, FUSE = "generate_distillation_samples", "train_small_model", "fuse_models"
BY_NAME = ("model(inputs)", "model(**inputs)")
LOGITS = ("model(inputs)", "model(**inputs).logits")
SUMMED = (
    "large_model(inputs) + small_model(inputs)",
    "(large_model(**inputs).logits + small_model(**inputs).logits).sum()",
)


def node_of(name):
    return next(node for node in TREE.body if isinstance(node, ast.FunctionDef) and node.name == name)


def function(name, *mended, **outside):
    """Return a function of the program, with each (old, new) of ``mended`` replaced, among the names ``outside``."""
    source = ast.get_source_segment(PROGRAM, node_of(name))
    for old, new in mended:
        assert old in source
        source = source.replace(old, new)
    names = {"torch": torch} | outside
    exec(source, names)
    return names[name]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a base model without a head and without dropout, as `bert-base-uncased` is, but tiny and untrained."""
    return tiny.base_model(tmp_path_factory.mktemp("base") / "model", dropout=0.0)


@pytest.fixture(scope="module")
def tokenizer(folder):
    return transformers.AutoTokenizer.from_pretrained(folder)


@pytest.fixture(scope="module")
def model(tokenizer):
    return untrained.classifier(tokenizer, {"no": 0.5, "yes": 0.5})


def from_pretrained(folder, seed):
    torch.manual_seed(seed)
    return BertForSequenceClassification.from_pretrained(folder, num_labels=2)


# The page


ENTRIES = {
    int(number): text
    for number, text in re.findall(r"^\(erratum-(\d+)\)=\n(.*?)(?=^\(erratum|^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
}
HELD = {number: re.search(r"\*\*Held by\*\* (.*)", text)[1] for number, text in ENTRIES.items()}


def test_the_entries_are_numbered_and_the_top_ten_leads_to_ten_of_them():
    assert [int(n) for n in re.findall(r"^### (\d+)\. ", PAGE, re.MULTILINE)] == list(ENTRIES) == list(range(1, 42))
    assert all(text.startswith(f"### {number}. ") for number, text in ENTRIES.items())
    top = re.findall(r"^(\d+)\. .*: \[erratum (\d+)\]\(#erratum-(\d+)\)\.$", PAGE, re.MULTILINE)
    assert [int(place) for place, _, _ in top] == list(range(1, 11))
    assert len({shown for _, shown, _ in top}) == 10 and all(shown == target for _, shown, target in top)


def test_what_holds_an_erratum_is_there():
    tested = {int(n) for name in globals() for n in re.findall(r"^test_erratum_(\d+)_", name)}
    assert tested == {number for number, text in HELD.items() if re.match(r".*\bits tests?\b", text)}
    for text in HELD.values():
        for path, name in re.findall(r"`(tests/\S+\.py)` \(`(\w+)`\)", text):
            assert f"def {name}(" in (ROOT / path).read_text(encoding="utf-8")
        for path, sections in re.findall(r"\]\(\.\./(notebooks/\S+\.ipynb)\)((?:(?:,| and) \"[^\"]+\")*)", text):
            cells = json.loads((ROOT / path).read_text(encoding="utf-8"))["cells"]
            headings = re.findall(r"^#+ (.*)$", "\n".join("".join(cell["source"]) for cell in cells), re.MULTILINE)
            assert {name.rstrip(",") for name in re.findall(r"\"([^\"]+)\"", sections)} <= set(headings)


# Formulas


#: the teacher and the young student of lesson 02, given as odds
TEACHER, STUDENT = (torch.tensor(odds, dtype=torch.float64).log() for odds in ((64, 16, 1), (4, 4, 1)))


def two_events(a, b):
    return a * math.log(a / b) + (1 - a) * math.log((1 - a) / (1 - b))


def test_erratum_1_the_classification_loss_is_for_two_classes():
    def article(label, p):
        return -(label * math.log(p) + (1 - label) * math.log1p(-p))

    odds = torch.tensor([[1.0, 9.0]], dtype=torch.float64)
    for label in (0, 1):
        ours = losses.cross_entropy(odds.log(), torch.tensor([label])).item()
        assert article(label, 0.9) == pytest.approx(ours) == pytest.approx(-math.log((0.1, 0.9)[label]))
    for tag in range(2, 9):
        falling = [article(tag, 1 - 10.0**-digits) for digits in range(1, 16)]
        assert falling == sorted(falling, reverse=True) and falling[-1] < -30 * (tag - 1)


def test_erratum_2_a_divergence_of_every_class_is_too_large():
    pairs = list(zip(TEACHER.softmax(-1).tolist(), STUDENT.softmax(-1).tolist(), strict=True))
    right = losses.kl_divergence(STUDENT, TEACHER).item()
    assert sum(p * math.log(p / q) for p, q in pairs) == pytest.approx(right)
    assert sum(two_events(*pair) for pair in pairs) > 1.5 * right


def gradient(loss):
    student = STUDENT.clone().requires_grad_()
    return torch.autograd.grad(loss(student), student)[0]


def test_erratum_3_with_the_teacher_twice_alpha_drops_out():
    p = TEACHER.softmax(-1)

    def twice(alpha, q):
        return alpha * -(p * q.log()).sum() + (1 - alpha) * (p * (p / q).log()).sum()

    torch.testing.assert_close(*(gradient(lambda s, a=a: twice(a, s.softmax(-1))) for a in (0.2, 0.8)))


def test_erratum_4_nothing_is_divided_by_a_temperature():
    divisions = [node for node in ast.walk(TREE) if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div)]
    assert [ast.unparse(node) for node in divisions] == ["(large_outputs + small_outputs) / 2"]
    assert not re.search("temperature|softmax", PROGRAM, re.IGNORECASE)


def test_erratum_5_a_fixed_joint_output_is_a_larger_alpha():
    mixing, alpha, label = 0.25, 0.5, torch.tensor([0])
    larger = alpha / (alpha + (1 - alpha) * mixing)

    def joint(student):
        target = losses.joint_target(TEACHER[None], student[None], mixing, 2.0)
        return losses.kd_loss(student[None], target, label, alpha, 2.0)

    alone = gradient(lambda student: losses.kd_loss(student[None], TEACHER[None], label, larger, 2.0))
    assert larger > alpha
    torch.testing.assert_close(gradient(joint), alone * alpha / larger)


def test_erratum_5_joint_output_and_disagreement_were_recorded_only_together():
    settings = [run["settings"] for run in RECORDED.values() if "settings" in run]
    assert {(one["mixing"] < 1, one["dynamic"] is not None) for one in settings} == {(False, False), (True, True)}
    ahead = {
        shape: [
            run["test"] / run["teacher"]["test"] - other["test"] / other["teacher"]["test"]
            for run, other in (
                (RECORDED[f"{shape}, {row}, seed {seed}"] for row in ("dynamic", "logits")) for seed in range(3)
            )
        ]
        for shape in ("tinybert-4", "cut:2", "cut:3")
    }
    assert {shape: sum(gain < 0 for gain in gains) for shape, gains in ahead.items()} == {
        "tinybert-4": 0,
        "cut:2": 1,
        "cut:3": 1,
    }
    assert all(mean(gains) > 0 for gains in ahead.values())


# What TinyBERT is


DIAGRAM = """
graph TB
    A[大模型] --> B[蒸馏知识]
    B --> C[TinyBERT]
    C --> D[知识蒸馏]
    D --> E[微调]
    A --> F[参数高效]
    C --> G[参数高效]
    C --> H[计算高效]
    A --> I[模型压缩]
    I --> J[剪枝]
    I --> K[量化]
    A --> L[稀疏化]
    L --> M[TinyBERT]
"""
#: the boxes of `book/drawings.toml`, in the order of the diagram's letters
BOXES = ["large", "knowledge", "tiny", "distil", "tune", "efficient", "efficient2", "cheap", "compression"]
BOXES += ["pruning", "quantization", "sparse", "again"]
PLACES = dict(zip("ABCDEFGHIJKLM", BOXES, strict=True))


def test_erratum_10_the_diagram_is_the_articles():
    labels = dict(re.findall(r"(\w)\[(.*?)\]", DIAGRAM))
    arrows = re.findall(r"(\w)(?:\[.*?\])? --> (\w)", DIAGRAM)
    assert {("TinyBERT", "知识蒸馏"), ("稀疏化", "TinyBERT")} <= {(labels[a], labels[b]) for a, b in arrows}
    assert list(labels.values()).count("TinyBERT") == 2
    drawn = tomllib.loads((ROOT / "book" / "drawings.toml").read_text(encoding="utf-8"))["article"]
    assert {tuple(arrow) for arrow in drawn["arrows"]} == {(PLACES[a], PLACES[b]) for a, b in arrows}
    assert all(
        label == "TinyBERT" or label in " ".join(drawn["boxes"][PLACES[place]][2:4]) for place, label in labels.items()
    )


# Terms


def test_erratum_12_only_removing_makes_a_model_smaller(tokenizer):
    whole = untrained.classifier(tokenizer, {"no": 0.5, "yes": 0.5})
    norms = pruning.importance(whole, tokenizer, None, "magnitude")
    contestants = {
        "whole": whole,
        "8 bits": quantization.finish(whole, 8),
        "masked": pruning.sparsify(whole, 0.5),
        "removed": pruning.prune(whole, norms, heads=0.5, neurons=0.5),
    }
    ids, costs = torch.arange(1000, 1032)[None], {}
    for name, one in contestants.items():
        with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
            one(ids)
        costs[name] = one.num_parameters(), counter.get_total_flops()
    assert not torch.equal(contestants["8 bits"].bert.pooler.dense.weight, whole.bert.pooler.dense.weight)
    assert pruning.sparsity(contestants["masked"]) == pytest.approx(0.5, abs=0.01)
    assert costs["whole"] == costs["8 bits"] == costs["masked"]
    assert all(less < all_ for less, all_ in zip(costs["removed"], costs["whole"], strict=True))


# Installation and code


#: section 5.1, `pip install …`
INSTALLED = {"torch", "torchvision", "torchaudio", "transformers", "pytorch_transformers", "tinybert", "tqdm", "numpy"}


def test_erratum_16_what_the_section_installs_and_the_code_does_not_import():
    imports = [alias.name for node in ast.walk(TREE) if isinstance(node, ast.Import) for alias in node.names]
    imports += [node.module for node in ast.walk(TREE) if isinstance(node, ast.ImportFrom)]
    needed = {name.split(".")[0] for name in imports}
    needed |= {node.attr for node in ast.walk(TREE) if isinstance(node, ast.Attribute) and node.attr == "numpy"}
    assert INSTALLED - needed == {"pytorch_transformers", "torchvision", "torchaudio", "tqdm"}


def test_erratum_16_the_lower_bounds_allow_todays_versions():
    assert platform.python_version() in SpecifierSet(">=3.7")
    assert SpecifierSet(">=1.8").contains(torch.__version__)
    assert not hasattr(transformers, "AdamW")


def test_erratum_17_the_program_stops_at_its_fourth_line():
    with pytest.raises(ImportError, match="AdamW") as stopped:
        exec(compile(PROGRAM, "the article", "exec"), {})
    lines = [frame.lineno for frame in traceback.extract_tb(stopped.tb) if frame.filename == "the article"]
    assert lines == [4]


def test_erratum_17_what_the_code_imports_is_not_there_or_not_used():
    for name in ("AdamW", "TinyBertForSequenceClassification", "TinyBertTokenizer"):
        assert not hasattr(transformers, name)
    with pytest.raises(ModuleNotFoundError, match="tinybert"):
        exec(PROGRAM.splitlines()[4], {})
    assert "import torch.nn as nn" in PROGRAM and "import torch.optim as optim" in PROGRAM
    assert not {"nn", "optim"} & READ


def test_erratum_17_pytorchs_adamw_is_adam_only_without_its_default_decay():
    assert inspect.signature(torch.optim.AdamW).parameters["weight_decay"].default > 0

    def trained(kind, **how):
        weight = torch.tensor([1.0, -2.0, 3.0], requires_grad=True)
        optimizer = kind([weight], lr=0.1, **how)
        for _ in range(5):
            optimizer.zero_grad()
            weight.square().sum().backward()
            optimizer.step()
        return weight.detach()

    adam, without, as_it_is = (
        trained(torch.optim.Adam),
        trained(torch.optim.AdamW, weight_decay=0),
        trained(torch.optim.AdamW),
    )
    torch.testing.assert_close(without, adam)
    assert (adam - as_it_is).abs().min() > 1e-4


def test_erratum_18_the_corpus_is_one_sentence(model, tokenizer):
    for batch_size in (1, 16):
        samples = function(SAMPLE, BY_NAME)(model, tokenizer, 128, batch_size)
        assert [texts for texts, _ in samples] == [["hello, world!"]]
    assert not re.search(r"open\(|load|read|random|shuffle|sample\(", ast.get_source_segment(PROGRAM, node_of(SAMPLE)))


def test_erratum_19_of_a_sample_only_the_text_is_used(model, tokenizer):
    ((_, kept),) = function(SAMPLE, BY_NAME)(model, tokenizer, 128, 16)
    assert len(kept) == 1 and isinstance(kept[0], int)  # a class, where the teacher computed two logits
    read = [
        ast.unparse(node)
        for node in ast.walk(node_of(TRAIN))
        if isinstance(node, ast.Subscript) and ast.unparse(node.value) == "batch"
    ]
    assert read == ["batch[0]"]
    assert [node.id for node in ast.walk(node_of(TRAIN)) if isinstance(node, ast.Name)].count(
        "batch"
    ) == 2  # and the loop's


def test_erratum_20_a_model_wants_its_inputs_by_name(model, tokenizer):
    assert len(re.findall(r"(?:large|small)_model\(inputs\)", PROGRAM)) == 5
    with pytest.raises(AttributeError):
        function(SAMPLE)(model, tokenizer, max_seq_length=128, batch_size=16)
    assert function(SAMPLE, BY_NAME)(model, tokenizer, max_seq_length=128, batch_size=16)


def test_erratum_20_the_teachers_gradients_are_computed_for_nothing(folder, tokenizer):
    large, small = (from_pretrained(folder, seed) for seed in (1, 2))
    before = copy.deepcopy(large.state_dict())
    train = function(TRAIN, SUMMED, tokenizer=tokenizer, max_seq_length=128)
    train(large, small, [(["Mara left."], [0])], torch.optim.Adam(small.parameters()), 1, 16)
    assert all(parameter.grad is not None for parameter in large.parameters())
    assert all(torch.equal(before[name], weight) for name, weight in large.state_dict().items())


def test_erratum_21_the_teachers_head_is_random(folder):
    assert 'large_model = BertForSequenceClassification.from_pretrained("bert-base-uncased", num_labels=2)' in PROGRAM
    one, other = (from_pretrained(folder, seed) for seed in (1, 2))
    assert not torch.equal(one.classifier.weight, other.classifier.weight)
    pairs = zip(one.bert.parameters(), other.bert.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    calls = [ast.unparse(node.func) for node in ast.walk(TREE) if isinstance(node, ast.Call)]
    assert (
        calls.count("optimizer.step") == 1
        and "optimizer = AdamW(small_model.parameters(), lr=learning_rate)" in PROGRAM
    )


SENTENCES = [(["Mara Hope left Jordan for Nice."], [0]), (["The bank opened on Monday."], [1])]


def test_erratum_22_as_written_the_loss_cannot_be_computed(folder, tokenizer):
    small = from_pretrained(folder, 0)
    for mended, error in ((BY_NAME, TypeError), (LOGITS, RuntimeError)):
        train = function(TRAIN, mended, tokenizer=tokenizer, max_seq_length=128)
        with pytest.raises(error, match=r"unsupported operand|scalar outputs"):
            train(from_pretrained(folder, 1), small, SENTENCES, torch.optim.Adam(small.parameters()), 1, 16)


def test_erratum_22_in_logits_a_step_changes_no_probability():
    step = gradient(lambda student: (TEACHER + student).sum())
    assert step.eq(1).all()
    torch.testing.assert_close((STUDENT - 5 * step).softmax(-1), STUDENT.softmax(-1))


def test_erratum_22_through_the_weights_probabilities_move_and_the_teacher_teaches_nothing(folder, tokenizer, capsys):
    train = function(TRAIN, SUMMED, tokenizer=tokenizer, max_seq_length=128)
    texts = tokenizer([text for (text,), _ in SENTENCES], padding=True, return_tensors="pt")

    def student(teacher, epochs):
        small = from_pretrained(folder, 0)
        if epochs:
            adam = torch.optim.Adam(small.parameters(), lr=1e-3)
            train(from_pretrained(folder, teacher), small, SENTENCES, adam, epochs, 16)
        with torch.no_grad():
            return small.eval(), small(**texts).logits.double()

    (untaught, before), (small, after) = student(1, 0), student(1, 8)
    printed = [float(line.rsplit(" ", 1)[1]) for line in capsys.readouterr().out.splitlines()]
    assert len(printed) == 8 and printed == sorted(printed, reverse=True)
    fallen = before - after
    assert (fallen > 0.05).all() and ((fallen[:, 0] - fallen[:, 1]).abs() > 0.01).all()
    moved = (after.softmax(-1) - before.softmax(-1)).abs()
    assert (moved > 0.002).all() and (moved < 0.05).all()
    head = small.classifier.weight - untaught.classifier.weight
    torch.testing.assert_close(head[0], head[1])
    assert head.abs().max() > 1e-3
    assert all(
        torch.equal(a, b) for a, b in zip(small.parameters(), student(2, 8)[0].parameters(), strict=True)
    )  # another teacher, the same student to the bit


def test_erratum_23_alpha_is_set_and_never_read():
    assert "alpha = 0.8\n" in PROGRAM and "alpha" not in READ


def test_erratum_23_the_weight_of_the_labels_makes_no_difference_that_we_recorded():
    rows = ("alpha 0.0", "logits", "alpha 0.5", "alpha 0.8", "alpha 1.0")
    f1 = [[RECORDED[f"cut:3, {row}, seed {seed}"]["test"] for seed in range(3)] for row in rows]
    means = [mean(runs) for runs in f1]
    assert max(means) - min(means) < min(stdev(runs) for runs in f1)


def test_erratum_24_the_codes_model_has_one_prediction_per_text(model, tokenizer):
    assert "TokenClassification" not in PROGRAM and PROGRAM.count("num_labels=2") == 2
    assert model(**tokenizer("Mara Hope left Jordan for Nice.", return_tensors="pt")).logits.shape == (1, 2)
    assert len(ROWS) == 9


def test_erratum_25_the_students_tokenizer_is_never_used():
    assert "tinybert_tokenizer = " in PROGRAM and "tinybert_tokenizer" not in READ and "tokenizer" in READ


def test_erratum_26_the_fusion_reads_a_name_that_is_nowhere(model):
    with pytest.raises(NameError, match="inputs"):
        function(FUSE)(model, model)
    owners = {node.name for node in TREE.body if isinstance(node, ast.FunctionDef) and "inputs = " in ast.unparse(node)}
    assert owners == {SAMPLE, TRAIN}


def test_erratum_26_the_fusion_adds_what_cannot_be_added_and_its_weights_are_halves(model, folder, tokenizer):
    other, inputs = from_pretrained(folder, 1).eval(), tokenizer("Mara left.", return_tensors="pt")
    with pytest.raises(TypeError):
        function(FUSE, BY_NAME, inputs=inputs)(model, other)
    fused = function(FUSE, LOGITS, inputs=inputs)(model, other)
    torch.testing.assert_close(fused, 0.5 * model(**inputs).logits + 0.5 * other(**inputs).logits)


def test_erratum_27_the_training_function_does_not_use_what_it_takes():
    code = function(TRAIN).__code__
    assert "batch_size" in code.co_varnames[: code.co_argcount]
    read = {node.id for node in ast.walk(node_of(TRAIN)) if isinstance(node, ast.Name)}
    assert set(code.co_varnames[: code.co_argcount]) - read == {"batch_size"}
    assert {"tokenizer", "max_seq_length"} <= set(code.co_names)  # from outside


class Number:
    """A model whose output is its input."""

    def __init__(self):
        self.weight = torch.zeros((), requires_grad=True)

    def __call__(self, inputs):
        return self.weight + inputs

    def eval(self):
        """Do nothing, as train."""

    train = eval


def test_erratum_27_the_printed_loss_is_that_of_the_last_batch(capsys):
    large, small = Number(), Number()
    train = function(TRAIN, tokenizer=lambda text, **_: float(text), max_seq_length=128)
    train(large, small, [("1",), ("2",), ("50",)], torch.optim.SGD([small.weight], lr=0.0), 1, 16)
    assert capsys.readouterr().out == "Epoch 1, loss: 100.0\n"


def test_erratum_27_nothing_is_saved_or_evaluated():
    assert not re.search(r"save|evaluat|accuracy|score|metric|precision|recall|report", PROGRAM, re.IGNORECASE)


# Evidence


ROWS = {  # tag: precision, recall, F1, support; the article's section 5.4
    "B-LOC": (0.926, 0.906, 0.916, 1668),
    "I-LOC": (0.900, 0.805, 0.850, 257),
    "B-MISC": (0.875, 0.856, 0.865, 702),
    "I-MISC": (0.838, 0.782, 0.809, 216),
    "B-ORG": (0.914, 0.898, 0.906, 1661),
    "I-ORG": (0.911, 0.894, 0.902, 835),
    "B-PER": (0.964, 0.957, 0.960, 1617),
    "I-PER": (0.983, 0.980, 0.982, 1156),
    "O": (0.993, 0.995, 0.994, 38323),
}
MICRO, MACRO, WORDS = 0.973, (0.923, 0.897, 0.909), 46435  # precision, recall and F1 of "micro avg" are all 0.973
HALF = 0.0005  # how far a printed figure may be from what it was rounded from


def test_erratum_28_the_reports_figure_is_token_accuracy_and_no_entity_f1():
    draw, tags = np.random.default_rng(0), list(ROWS)
    shares = np.array([row[3] for row in ROWS.values()]) / WORDS
    gold = draw.choice(tags, 2000, p=shares)
    found = np.where(draw.random(2000) < 0.9, gold, draw.choice(tags, 2000))
    accuracy = evaluation.token_accuracy([gold.tolist()], [found.tolist()])
    micro = precision_recall_fscore_support(gold, found, average="micro")[:3]
    np.testing.assert_allclose(micro, accuracy, atol=1e-12)  # three equal numbers, as in the report

    nothing = [["O"] * 2000]
    assert evaluation.entity_scores([gold.tolist()], nothing)["entity_f1"] == 0
    assert evaluation.token_accuracy([gold.tolist()], nothing) > 0.8
    assert 0.8 < ROWS["O"][3] / WORDS < MICRO

    begins = [row for tag, row in ROWS.items() if tag.startswith("B-")]  # no name is right whose B- is wrong
    right, gold_names = sum((row[1] + HALF) * row[3] for row in begins), sum(row[3] for row in begins)
    found_names = sum((row[1] + HALF) * row[3] / (row[0] + HALF) for row in begins)
    assert 2 * right / (found_names + gold_names) < MICRO - 0.05


def test_erratum_29_the_reports_rows_agree_with_themselves_and_not_with_their_average():
    for precision, recall, f1, _ in ROWS.values():
        lowest, highest = (2 * (precision + d) * (recall + d) / (precision + recall + 2 * d) for d in (-HALF, HALF))
        assert lowest - HALF <= f1 <= highest + HALF
    for column, printed in enumerate(MACRO):
        assert sum(row[column] for row in ROWS.values()) / len(ROWS) == pytest.approx(printed, abs=2 * HALF)
    assert sum(row[3] for row in ROWS.values()) == WORDS
    for column in range(3):  # weighted by support: precision, recall (which is the micro average, too), F1
        assert sum((row[column] - HALF) * row[3] for row in ROWS.values()) / WORDS > MICRO + HALF


# Applications and reading list


def test_erratum_35_tinyberts_smaller_shape_multiplies_slightly_less_than_our_student():
    kind = {"architectures": ["BertForTokenClassification"], "vocab_size": 30522}
    tiny_4 = BertConfig(hidden_size=312, num_hidden_layers=4, intermediate_size=1200, **kind)
    cut_3 = BertConfig(hidden_size=384, num_hidden_layers=3, intermediate_size=1536, **kind)
    assert 0.75 < fusion.macs(tiny_4, 16) / fusion.macs(cut_3, 16) < 1


def test_erratum_40_transformers_supports_pytorch_alone():
    assert not [name for name in dir(transformers) if name.startswith(("TF", "Flax"))]
