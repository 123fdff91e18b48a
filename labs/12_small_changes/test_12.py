"""Grade lab 12: pytest in this folder."""

import torch
from grading import expect, same


def test_exercise_1_one_matrix_does_what_three_did(work):
    torch.manual_seed(0)
    weight, down, up = (torch.randint(-4, 5, shape).float() for shape in ((5, 5), (2, 5), (5, 2)))
    change = torch.einsum("or,ri->oi", up, down)
    hints = {
        "the strength is forgotten": weight + change,
        "the product is transposed": weight + 0.5 * change.T,
        "only the change was returned, without the matrix itself": 0.5 * change,
    }
    expect(work.merged(weight, down, up, 0.5), weight + 0.5 * change, hints, "W + sBA with s = 0.5")


def test_exercise_1_of_any_shape(work):
    weight, down, up = torch.zeros(3, 2), torch.tensor([[1.0, 2]]), torch.tensor([[1.0], [0], [-1]])
    right = torch.tensor([[2.0, 4], [0, 0], [-2, -4]])
    try:
        found = work.merged(weight, down, up, 2.0)
    except NotImplementedError:
        raise
    except RuntimeError as error:
        raise AssertionError(f"the product is transposed: for W (3, 2), A (1, 2) and B (3, 1), {error}") from None
    expect(found, right, {"the strength is forgotten": right / 2}, "0 + sBA of (3, 1) and (1, 2) with s = 2")


def test_exercise_2_by_counting_real_ones(work):
    width, layers, narrow, rank = 12, 3, 4, 5
    adapter = torch.nn.Sequential(torch.nn.Linear(width, narrow), torch.nn.GELU(), torch.nn.Linear(narrow, width))
    adapters = 2 * layers * sum(p.numel() for p in adapter.parameters())
    pairs = 2 * layers * (torch.empty(rank, width).numel() + torch.empty(width, rank).numel())
    hints = {
        "the biases of the adapter are missing": (adapters - 2 * layers * (width + narrow), pairs),
        "both biases of an adapter were taken to be narrow": (adapters - 2 * layers * (width - narrow), pairs),
        "every layer has two of them": (adapters // 2, pairs // 2),
        "a pair has two matrices": (adapters, pairs // 2),
        "the frozen matrices are not new": (adapters, pairs + 2 * layers * width**2),
    }
    expect(work.new_parameters(width, layers, narrow, rank), (adapters, pairs), hints, "the new parameters")


def end(strength: float, rate_of_a: float, rate_of_b: float) -> torch.Tensor:
    """The change sBA after twenty steps of Adam."""
    torch.manual_seed(1)
    x, y, a = (torch.randn(*shape, dtype=torch.float64) for shape in ((32, 8), (32, 8), (2, 8)))
    a, b = a.requires_grad_(), torch.zeros(8, 2, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([{"params": [a], "lr": rate_of_a}, {"params": [b], "lr": rate_of_b}], eps=1e-12)
    for _ in range(20):
        optimizer.zero_grad()
        ((strength * x @ a.T @ b.T - y) ** 2).mean().backward()
        optimizer.step()
    return strength * b.detach() @ a.detach()


def test_exercise_3_twenty_steps_end_in_one_place(work):
    strength, rate = 3.0, 1e-3
    found = work.rates(strength, rate)
    named = {
        "the strength was left out": (rate, rate),
        "A needs no other rate: its gradient is the same in both readings": (3 * rate, 3 * rate),
        "the wrong one of the two was changed": (3 * rate, rate),
        "divided by the strength, not multiplied": (rate, rate / 3),
    }
    pair = hasattr(found, "__len__") and len(found) == 2
    if not pair or not same(end(1.0, *found), end(strength, rate, rate)):
        expect(found, (rate, 3 * rate), named, "BA ends elsewhere after twenty steps: the pair of rates for s = 3")
