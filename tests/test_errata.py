"""What the errata page says of the article's code and table, run. The functions are the article's, word for word."""

import dis
import importlib.metadata
import importlib.util
import math

import pytest
import torch
import transformers
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version
from transformers.modeling_outputs import SequenceClassifierOutput

from tests import tiny, untrained
from tinykd import losses


def generate_distillation_samples(large_model, tokenizer, max_seq_length, batch_size):
    large_model.eval()
    inputs = tokenizer("Hello, world!", padding=True, truncation=True, max_length=max_seq_length, return_tensors="pt")
    with torch.no_grad():
        outputs = large_model(inputs)
    return outputs.logits.argmax(dim=1)  # the article goes on; it never comes to this line


def train_small_model(large_model, small_model, distillation_samples, optimizer, max_epochs, batch_size):
    large_model.eval()
    small_model.train()
    for epoch in range(max_epochs):
        for batch in distillation_samples:
            inputs = tokenizer(batch[0], padding=True, truncation=True, max_length=max_seq_length, return_tensors="pt")  # noqa: F821  the article's
            optimizer.zero_grad()
            loss = large_model(inputs) + small_model(inputs)
            loss.backward()
            optimizer.step()
        print(f"Epoch {epoch + 1}, loss: {loss.item()}")


def fuse_models(large_model, small_model):
    large_model.eval()
    small_model.eval()
    with torch.no_grad():
        large_outputs = large_model(inputs)  # noqa: F821  the article's name, defined nowhere
        small_outputs = small_model(inputs)  # noqa: F821
    outputs = (large_outputs + small_outputs) / 2
    return outputs


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    folder = tiny.base_model(tmp_path_factory.mktemp("base") / "model")
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    return untrained.classifier(tokenizer, {"no": 0.5, "yes": 0.5}), tokenizer


#: the teacher and the young student of lesson 02, given as odds
TEACHER, STUDENT = (torch.tensor(odds, dtype=torch.float64).log() for odds in ((64, 16, 1), (4, 4, 1)))


def two_events(a, b):
    return a * math.log(a / b) + (1 - a) * math.log((1 - a) / (1 - b))


def test_the_classification_loss_is_for_two_classes():
    def article(label, p):
        return -(label * math.log(p) + (1 - label) * math.log(1 - p))

    assert article(1, 0.9) == pytest.approx(-math.log(0.9))
    assert article(7, 0.999) < article(7, 0.99) < article(7, 0.9) < -10


def test_a_divergence_of_every_class_is_too_large():
    pairs = zip(TEACHER.softmax(-1).tolist(), STUDENT.softmax(-1).tolist(), strict=True)
    assert sum(two_events(*pair) for pair in pairs) > 1.5 * losses.kl_divergence(STUDENT, TEACHER)


def test_with_the_teacher_twice_alpha_drops_out():
    p, gradients = TEACHER.softmax(-1), []
    for alpha in (0.2, 0.8):
        student = STUDENT.clone().requires_grad_()
        q = student.softmax(-1)
        twice = alpha * -(p * q.log()).sum() + (1 - alpha) * (p * (p / q).log()).sum()
        gradients += torch.autograd.grad(twice, student)
    torch.testing.assert_close(*gradients)


def test_a_sum_of_two_outputs_teaches_nothing():
    student = STUDENT.clone().requires_grad_()
    with pytest.raises(TypeError):
        SequenceClassifierOutput(logits=TEACHER) + SequenceClassifierOutput(logits=student)
    with pytest.raises(RuntimeError):
        (TEACHER + student).backward()
    (TEACHER + student).sum().backward()
    assert student.grad.eq(1).all()
    torch.testing.assert_close((STUDENT - 5 * student.grad).softmax(-1), STUDENT.softmax(-1))


def test_what_the_code_imports_is_not_there():
    for name in ("AdamW", "TinyBertForSequenceClassification", "TinyBertTokenizer"):
        assert not hasattr(transformers, name)
    assert importlib.util.find_spec("tinybert") is None


def test_what_the_section_installs_is_too_old():
    asked = importlib.metadata.metadata("transformers")["Requires-Python"], importlib.metadata.requires("transformers")
    assert Version("3.7") not in SpecifierSet(asked[0])
    torch_asked = next(Requirement(line) for line in asked[1] if line.startswith("torch>="))
    assert Version("1.8") not in torch_asked.specifier


def test_the_training_function_does_not_use_what_it_takes():
    code = train_small_model.__code__
    read = {one.argval for one in dis.get_instructions(code)}
    assert set(code.co_varnames[: code.co_argcount]) - read == {"batch_size"}
    assert {"tokenizer", "max_seq_length"} <= set(code.co_names)  # from outside


def test_a_model_wants_its_inputs_by_name(parts):
    model, tokenizer = parts
    with pytest.raises(AttributeError):
        generate_distillation_samples(model, tokenizer, max_seq_length=128, batch_size=16)
    assert model(**tokenizer("Hello, world!", return_tensors="pt")).logits.shape == (1, 2)


def test_the_fusion_reads_a_name_that_is_nowhere(parts):
    model, _ = parts
    with pytest.raises(NameError, match="inputs"):
        fuse_models(model, model)


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
MICRO, MACRO, WORDS = 0.973, (0.923, 0.897, 0.909), 46435
HALF = 0.0005  # how far a printed figure may be from what it was rounded from


def test_the_reports_rows_agree_with_themselves_and_not_with_their_average():
    for precision, recall, f1, _ in ROWS.values():
        lowest, highest = (2 * (precision + d) * (recall + d) / (precision + recall + 2 * d) for d in (-HALF, HALF))
        assert lowest - HALF <= f1 <= highest + HALF
    for column, printed in enumerate(MACRO):
        assert sum(row[column] for row in ROWS.values()) / len(ROWS) == pytest.approx(printed, abs=2 * HALF)
    assert sum(row[3] for row in ROWS.values()) == WORDS
    assert sum((row[1] - HALF) * row[3] for row in ROWS.values()) / WORDS > MICRO + HALF
