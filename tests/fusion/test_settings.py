import inspect

import pytest

from tinykd import inference
from tinykd.fusion import Cascade, Parallel, logits_by_name, row_macs

READING = inspect.signature(inference.logits).parameters


@pytest.mark.parametrize(
    "function",
    [
        *(getattr(Parallel, name) for name in ("fit", "logits", "predict", "cost")),
        *(getattr(Cascade, name) for name in ("fit", "ask", "logits", "predict", "cost")),
        logits_by_name,
        row_macs,
    ],
    ids=lambda function: function.__qualname__,
)
def test_answers_and_their_costs_are_of_the_same_windows(function):
    """What is counted with other defaults than it is answered with would be the cost of another answer."""
    asked = inspect.signature(function).parameters
    for name in ("max_length", "batch_size"):
        assert name not in asked or asked[name].default == READING[name].default
    assert "max_length" in asked
