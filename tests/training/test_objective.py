"""An objective weighs the pure losses; it refuses what it cannot compute, and never takes a loss for 0."""

import pytest
import torch
from torch.testing import assert_close
from transformers import BertConfig, BertForTokenClassification

from tinykd import losses
from tinykd.errors import ModelError, RunError, SettingError
from tinykd.models.hooks import FeatureHooks, Layers
from tinykd.models.pruned_bert import PrunedBertConfig, PrunedBertForTokenClassification
from tinykd.training.objective import Objective, Weights

IDS = torch.tensor([[2, 6, 7, 8, 3], [2, 11, 3, 0, 0]])
BATCH = {
    "input_ids": IDS,
    "attention_mask": (IDS > 0).long(),
    "labels": torch.tensor([[-100, 1, -100, 2, -100], [-100, 0, -100, -100, -100]]),
    "first_subwords": torch.tensor([[1, 3], [1, -1]]),
}
WORDS = torch.tensor([[True, True], [True, False]])
ALL = Weights(embedding=0.5, hidden=2, cosine=3, pkd=0.1, attention=0.7, relations=5)


def bert(layers, hidden=16, heads=4, seed=0):
    torch.manual_seed(seed)
    return BertForTokenClassification(
        BertConfig(
            vocab_size=50, hidden_size=hidden, num_hidden_layers=layers, num_attention_heads=heads,
            intermediate_size=32, num_labels=3,
        )
    ).eval()  # fmt: skip


def told(teacher, layers):
    """What a teacher predicts for the batch, as the columns of a transfer set."""
    asked = {key: BATCH[key] for key in ("input_ids", "attention_mask", "first_subwords")}
    with torch.no_grad():
        return {f"teacher_{name}": values for name, values in FeatureHooks(teacher, layers)(**asked).items()}


def test_every_loss_is_the_pure_function_and_the_sum_is_weighted():
    student, teacher = bert(2), bert(4, seed=1)
    signals = told(teacher, ALL.teacher_layers(teacher.config, student.config))
    out = Objective(student, ALL)(**BATCH, **signals, alpha=0.3, temperature=2.0)
    own = FeatureHooks(student, ALL.layers(2))(*(BATCH[k] for k in ("input_ids", "attention_mask", "first_subwords")))
    states = [own["hidden_states"].unbind(2), signals["teacher_hidden_states"].unbind(2)]
    last = [[own[n][:, :, -1] for n in ("queries", "keys", "values")]]
    last += [[signals[f"teacher_{n}"][:, :, -1] for n in ("queries", "keys", "values")]]

    def layers(loss):
        return (loss(states[0][1], states[1][1], WORDS) + loss(states[0][2], states[1][2], WORDS)) / 2

    scores = [
        [losses.attention_scores(side["queries"][:, :, n], side["keys"][:, :, n], 4) for n in (0, 1)]
        for side in (own, {n: signals[f"teacher_{n}"] for n in ("queries", "keys")})
    ]
    labels = torch.tensor([[1, 2], [0, -100]])
    expected = {
        "prediction": losses.kd_loss(own["logits"], signals["teacher_logits"], labels, 0.3, 2.0),
        "embedding": losses.hidden_states(states[0][0], states[1][0], WORDS),
        "hidden": layers(losses.hidden_states),
        "cosine": layers(losses.cosine),
        "pkd": layers(losses.pkd),
        "attention": sum(losses.attention(scores[0][n], scores[1][n], WORDS) for n in (0, 1)) / 2,
        "relations": sum(losses.relations(s, t, 4, WORDS) for s, t in zip(*last, strict=True)) / 3,
    }
    assert set(expected) == set(out) - {"loss", "logits"}
    for name, value in expected.items():
        assert_close(out[name], value, msg=name)
    assert_close(out["loss"], sum(getattr(ALL, name) * value for name, value in expected.items()))


@pytest.mark.parametrize("weight", ["embedding", "hidden", "cosine", "pkd", "attention", "relations"])
def test_a_signal_that_is_missing_is_an_error_and_not_a_loss_of_zero(weight):
    objective = Objective(bert(2), Weights(**{weight: 1.0}))
    with pytest.raises(RunError, match=r"the samples bring none; make them with samples\.with_teacher"):
        objective(**BATCH, teacher_logits=torch.zeros(2, 2, 3))


def test_a_signal_of_other_layers_is_an_error():
    student, teacher = bert(2), bert(4, seed=1)
    with pytest.raises(RunError, match="hidden states of 2 layers, and the samples bring 3"):
        Objective(student, Weights(hidden=1))(**BATCH, **told(teacher, Layers((1, 2, 3))))


def test_a_wider_teacher_gets_a_learned_projection_and_a_narrow_student_keeps_its_shape():
    student, teacher = bert(2), bert(4, hidden=24, seed=1)
    weights = Weights(embedding=1, hidden=1)
    objective = Objective(student, weights, teacher_hidden=24)
    assert {name: tuple(p.shape) for name, p in objective.projection.named_parameters()} == {
        "embedding.weight": (24, 16),
        "hidden.weight": (24, 16),
    }
    out = objective(**BATCH, **told(teacher, weights.teacher_layers(teacher.config, student.config)))
    out["loss"].backward()
    assert all(p.grad.abs().sum() > 0 for p in objective.projection.parameters())
    assert not any("projection" in name for name in student.state_dict())


def test_relations_need_no_common_number_of_heads_but_attention_does():
    student, teacher = bert(2), bert(4, heads=2, seed=1)
    signals = told(teacher, Weights(relations=1).teacher_layers(teacher.config, student.config))
    assert Objective(student, Weights(relations=1), relation_heads=8)(**BATCH, **signals)["relations"] > 0
    like, both = bert(3, seed=2), Weights(attention=1, relations=1)
    signals = told(like, both.teacher_layers(like.config, student.config))
    plain, cut = (Objective(student, both, relation_heads=heads)(**BATCH, **signals) for heads in (None, 8))
    assert torch.equal(plain["attention"], cut["attention"])
    assert not torch.equal(plain["relations"], cut["relations"])  # relation heads are of the relations alone
    with pytest.raises(ModelError, match=r"has 4 attention heads, the teacher's layer 2 has 2"):
        Weights(attention=1.0).teacher_layers(teacher.config, student.config)


def test_the_relation_heads_of_a_pruned_student_divide_what_is_left():
    like, parts = bert(3, heads=8, seed=2), {"heads_by_layer": [8, 6], "neurons_by_layer": [32, 32]}
    pruned = PrunedBertForTokenClassification(PrunedBertConfig.from_dict(bert(2, heads=8).config.to_dict() | parts))
    objective = Objective(pruned.eval(), Weights(relations=1))
    signals = told(like, Weights(relations=1).teacher_layers(like.config, pruned.config))
    explicit = Objective(pruned.eval(), Weights(relations=1), relation_heads=4)
    # Six heads of 2 are a width of 12, which eight do not divide, and four do.
    assert_close(objective(**BATCH, **signals)["relations"], explicit(**BATCH, **signals)["relations"])


def test_the_queries_of_a_pruned_teacher_are_as_wide_as_its_layer():
    parts = {"heads_by_layer": [4, 3], "neurons_by_layer": [32, 32]}
    config = PrunedBertConfig.from_dict(bert(2, hidden=16).config.to_dict() | parts)
    pruned, student = PrunedBertForTokenClassification(config).eval(), bert(1)
    signals = told(pruned, Weights(relations=1).teacher_layers(pruned.config, student.config))
    assert signals["teacher_queries"].shape[-1] == 12  # three heads of 4
    terms = Objective(student, Weights(relations=1))(**BATCH, **signals)
    assert torch.isfinite(terms["relations"]) and terms["relations"] > 0


def test_a_batch_with_neither_labels_nor_a_teacher_is_an_error():
    batch = {name: value for name, value in BATCH.items() if name != "labels"}
    with pytest.raises(RunError, match="needs labels or the teacher's logits, and the samples bring neither"):
        Objective(bert(1))(**batch)


@pytest.mark.parametrize(
    ("kind", "expected"), [("uniform", (0, 2, 4)), ("first", (0, 1, 2)), ("last", (0, 3, 4)), ((0, 3), (0, 1, 4))]
)
def test_layer_maps(kind, expected):
    weights = Weights(embedding=1, hidden=1)
    assert weights.teacher_layers(bert(4).config, bert(2).config, kind).hidden_states == expected


def test_the_weight_of_a_row_scales_its_share():
    student, teacher = bert(2), bert(4, seed=1)
    signals, objective = told(teacher, Layers()), Objective(student)
    whole, first, second = (
        objective(**BATCH, **signals, weight=torch.tensor(w))["loss"] for w in ([1.0, 1.0], [1.0, 0.0], [0.0, 1.0])
    )
    assert_close(whole, first + second)
    assert_close(whole, objective(**BATCH, **signals)["loss"])


def test_the_student_in_the_target_weakens_the_teachers_pull():
    student, signals = bert(2), told(bert(4, seed=1), Layers())
    objective, parameter = Objective(student), student.classifier.weight

    def pull(share):
        loss = objective(**BATCH, **signals, alpha=0.0, temperature=2.0, mixing=share)["loss"]
        return torch.autograd.grad(loss, parameter)[0]

    assert_close(pull(0.25), 0.25 * pull(1.0), rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"hidden": -1}, "hidden is -1"),
        ({"hidden": float("inf")}, "hidden is inf; it must be at least 0, and finite"),
        ({"prediction": 0}, "nothing to learn"),
    ],
)
def test_impossible_weights(wrong, says):
    with pytest.raises(SettingError, match=says):
        Weights(**wrong)
