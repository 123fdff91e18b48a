import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tinykd.errors import SettingError
from tinykd.quantization import blockwise, fake_quantize, scale_and_zero_point
from tinykd.quantization.rounding import BLOCK

matrices = arrays.arrays(
    np.float32,
    st.tuples(st.integers(1, 5), st.integers(1, 6)),
    elements=st.floats(-100, 100, width=32, allow_subnormal=False),
).map(torch.from_numpy)
grids = st.fixed_dictionaries(
    {"bits": st.integers(2, 9), "channel_dim": st.sampled_from([None, 0, 1, -1]), "symmetric": st.booleans()}
)


@given(matrices, grids)
def test_no_value_moves_over_half_a_scale(tensor, grid):
    scale, _ = scale_and_zero_point(tensor, **grid)
    moved = (fake_quantize(tensor, **grid) - tensor).abs()
    assert (moved <= scale / 2 + 1e-5 * tensor.abs().amax()).all()


@given(matrices, grids)
def test_values_on_the_grid_stay_and_zero_is_one_of_them(tensor, grid):
    scale, zero_point = scale_and_zero_point(tensor, **grid)
    once = fake_quantize(tensor, **grid)
    integers = once / scale + zero_point
    torch.testing.assert_close(integers, integers.round(), atol=1e-2, rtol=0)
    assert len(integers.round().unique()) <= 2 ** grid["bits"]
    assert (once[tensor == 0] == 0).all()
    if grid["symmetric"]:  # here the largest value is on the grid, so that the grid stays too
        torch.testing.assert_close(fake_quantize(once, **grid), once, atol=1e-4, rtol=1e-5)


@given(matrices, st.integers(2, 9), st.sampled_from([0, 1]))
def test_a_scale_for_each_channel_is_never_coarser(tensor, bits, channel_dim):
    apart, _ = scale_and_zero_point(tensor, bits, channel_dim)
    together, _ = scale_and_zero_point(tensor, bits)
    filled = tensor.abs().amax(1 - channel_dim, keepdim=True) > 1e-30
    assert apart.numel() == tensor.shape[channel_dim]
    assert (apart <= together)[filled].all()


def test_each_number_of_a_vector_can_have_a_scale_of_its_own():
    scale, zero_point = scale_and_zero_point(torch.tensor([1.27, -127.0, 0.0]), channel_dim=0)
    torch.testing.assert_close(scale, torch.tensor([0.01, 1.0, 1.0]))
    assert zero_point.tolist() == [0, 0, 0]
    assert scale_and_zero_point(torch.tensor(2.54))[0].item() == pytest.approx(0.02)


def test_scale_and_zero_point_by_hand():
    symmetric = scale_and_zero_point(torch.tensor([-2.54, 0.5]))
    assert [round(float(value), 6) for value in symmetric] == [0.02, 0]
    shifted = scale_and_zero_point(torch.tensor([-1.0, 0.5, 4.1]), symmetric=False)
    assert [round(float(value), 6) for value in shifted] == [0.02, 50]
    positive = scale_and_zero_point(torch.tensor([2.0, 5.1]), symmetric=False)  # stretched to take in 0
    assert [round(float(value), 6) for value in positive] == [0.02, 0]


def test_each_further_bit_halves_the_error():
    weights = torch.randn(64, 64, generator=torch.Generator().manual_seed(0))
    errors = [(fake_quantize(weights, bits) - weights).square().mean().sqrt().item() for bits in range(3, 11)]
    for more, fewer in itertools.pairwise(errors):
        assert 0.4 < fewer / more < 0.6
    apart = (fake_quantize(weights, 8, channel_dim=0) - weights).square().mean().sqrt().item()
    assert apart < errors[8 - 3]


def test_the_gradient_goes_straight_through():
    tensor = torch.randn(4, 5, requires_grad=True)
    weight = torch.randn(4, 5)
    (fake_quantize(tensor, 2, channel_dim=0) * weight).sum().backward()
    torch.testing.assert_close(tensor.grad, weight)


def test_bfloat16_is_rounded_in_float32():
    tensor = torch.linspace(-1, 3, 200)
    rounded = fake_quantize(tensor.bfloat16(), symmetric=False)
    assert rounded.dtype == torch.bfloat16
    assert (rounded.float() - tensor).abs().max() < 3 / 2**8 + 4 / 255


@given(
    arrays.arrays(
        np.float32,
        st.tuples(st.integers(1, 4), st.integers(1, 70)),
        # An eighth of a subnormal number may be 0 in float32, and then a block has no scale; no weight is so small.
        elements=st.floats(-9, 9, width=32, allow_subnormal=False),
    )
)
def test_blocks_of_4_bits_are_those_of_the_runtime(matrix):
    from onnxruntime.quantization.matmul_nbits_quantizer import DefaultWeightOnlyQuantizer as Runtime

    found = blockwise(torch.tensor(matrix)).numpy()
    for start in range(0, matrix.shape[1], BLOCK):
        block = matrix[:, start : start + BLOCK]
        largest = np.abs(block).max(1, keepdims=True)
        assert (np.abs(found[:, start : start + BLOCK] - block) <= largest / 8 * (1 + 1e-5)).all()
        # of two numbers as large, one above and one below zero, the runtime takes the lower for its scale, we the first
        if not np.isin(-largest, block[block != 0]).any() or not np.isin(largest, block[block != 0]).any():
            integers, scale = Runtime.quant_slice_symmetric(block)
            np.testing.assert_allclose(found[:, start : start + BLOCK], integers * scale, rtol=1e-5, atol=1e-30)


@given(
    arrays.arrays(np.float32, (3, 40), elements=st.floats(-9, 9, width=32).filter(lambda x: x == 0 or abs(x) > 1e-6))
)
def test_what_4_bits_hold_stays(matrix):
    once = blockwise(torch.tensor(matrix))
    torch.testing.assert_close(blockwise(once), once, rtol=1e-6, atol=0)


@pytest.mark.parametrize("bits", [1, 17, 8.5])
def test_impossible_bits_are_refused(bits):
    with pytest.raises(SettingError, match=f"bits is {bits}; it must lie between 2 and 16"):
        fake_quantize(torch.ones(2), bits)


def test_what_has_no_grid_is_refused():
    with pytest.raises(SettingError, match=r"int32 is not of floating point"):
        fake_quantize(torch.ones(2, dtype=torch.int32))
    assert scale_and_zero_point(torch.ones(3, 4).bfloat16())[0].dtype == torch.float32
