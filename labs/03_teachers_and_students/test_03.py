"""Grade lab 3: pytest in this folder."""

import torch
from grading import expect, expect_gradient
from transformers import BertConfig, BertForTokenClassification


def test_exercise_2_equals_a_real_model(work):
    pieces, positions, width, layers, neurons, labels = 50, 20, 8, 3, 24, 5
    config = BertConfig(
        vocab_size=pieces,
        max_position_embeddings=positions,
        hidden_size=width,
        num_hidden_layers=layers,
        intermediate_size=neurons,
        num_labels=labels,
        num_attention_heads=2,
    )
    parameters = {name: p.numel() for name, p in BertForTokenClassification(config).named_parameters()}
    right = sum(parameters.values())

    def without(*kinds):
        return right - sum(size for name, size in parameters.items() if any(kind in name for kind in kinds))

    norms = ("LayerNorm.weight", "LayerNorm.bias")
    plain_biases = sum(n for name, n in parameters.items() if name.endswith("bias") and "LayerNorm" not in name)
    expect(
        work.count_parameters(pieces, positions, width, layers, neurons, labels),
        right,
        {
            "the biases are missing": right - plain_biases,
            "the LayerNorms are missing": without(*norms),
            "the biases and the LayerNorms are missing": right - plain_biases - (right - without(*norms)),
            "the tables are missing, and they are the larger part": without("embeddings"),
            "the two small tables, positions and types, are missing": without("position_emb", "token_type_emb"),
            "a layer has four square matrices, the output is one of them": without("attention.output.dense"),
            "the head is missing": without("classifier"),
        },
        "the number of parameters of a BERT with 3 layers",
    )


def test_exercise_1_six_and_three(work):
    right = ([1, 3, 5], [0, 2, 4, 6])
    hints = {
        "the teacher's last layer is left out": ([0, 2, 4], [0, 1, 3, 5]),
        "hidden state 0 is the embeddings, so layer n is hidden state n + 1": ([1, 3, 5], [0, 1, 3, 5]),
        "the map counts from 0, and this one from 1": ([2, 4, 6], [0, 2, 4, 6]),
        "these are the last layers, not evenly spread ones": ([3, 4, 5], [0, 4, 5, 6]),
        "the embeddings are not stored": ([1, 3, 5], [2, 4, 6]),
    }
    found = work.layers_to_store(6, 3)
    expect(found, right, hints, "map and hidden states of 3 layers under 6")
    fractions = [number for part in found for number in part if isinstance(number, float)]
    assert not fractions, f"a layer is numbered by a whole number: {fractions[0]} finds none"


def test_exercise_1_another_shape(work):
    expect(work.layers_to_store(12, 4), ([2, 5, 8, 11], [0, 3, 6, 9, 12]), {}, "map and hidden states of 4 under 12")
    expect(work.layers_to_store(6, 1), ([5], [0, 6]), {}, "map and hidden states of one layer under 6")


def fails(loss, *arguments):
    try:
        loss(*arguments)
    except Exception as error:
        if "is not done yet" in str(error):
            raise
        return True
    return False


def test_exercise_3_mean_over_pairs(work):
    torch.manual_seed(0)
    student, teacher = ([torch.randn(2, 3, n, n) for n in (4, 4)] for _ in "st")
    each = [(s - t).square().mean() for s, t in zip(student, teacher, strict=True)]
    hints = {
        "a sum over the pairs grows with the number of layers": sum(each),
        "only the last pair was compared": each[1],
        "a sum over every number, not a mean": sum(96 * e for e in each),
    }
    expect(work.attention_loss(tuple(student), tuple(teacher)), sum(each) / 2, hints, "the loss of two pairs")


def test_exercise_3_nothing_is_an_error(work):
    assert fails(work.attention_loss, (), ()), "nothing was compared, and no error raised: this loss is 0 for ever"


def test_exercise_3_a_missing_table_is_an_error(work):
    table = torch.ones(1, 1, 2, 2)
    assert fails(work.attention_loss, (table,), (table, table)), (
        "a table without a partner was dropped: the student has 1, the teacher 2, and there was no error"
    )
    assert fails(work.attention_loss, (table, table), (table,)), (
        "a table without a partner was dropped: the student has 2, the teacher 1, and there was no error"
    )


def test_exercise_3_the_student_can_learn_from_it(work):
    student = torch.ones(1, 1, 2, 2, requires_grad=True)
    expect_gradient(work.attention_loss((student,), (torch.zeros(1, 1, 2, 2),)), student)
