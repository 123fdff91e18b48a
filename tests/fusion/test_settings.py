import inspect

import pytest

from tinykd.fusion import Cascade, Parallel, logits_by_name, row_macs
from tinykd.fusion.calibration import calibrated
from tinykd.models import inference

READING = inspect.signature(inference.logits).parameters


@pytest.mark.parametrize(
    "function", [Parallel, Parallel.fit, Cascade, calibrated, logits_by_name, row_macs], ids=lambda f: f.__qualname__
)
def test_predictions_and_their_costs_are_of_the_same_windows(function):
    """What is counted with another default than it is predicted with would be the cost of another prediction."""
    assert inspect.signature(function).parameters["max_length"].default == READING["max_length"].default
