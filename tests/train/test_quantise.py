"""Weights to integers: range, rounding, gradient, choice of the step."""

import numpy as np
import pytest
import torch

from spikeloom.spec.errors import CapacityError
from spikeloom.spec.numfmt import ACCUMULATOR_MAX, POTENTIAL_MAX, signed_range
from spikeloom.train.quantise import choose_threshold, quantise_weight, worst_sum

pytestmark = pytest.mark.torch


@pytest.mark.parametrize("bits", [8, 4, 2])
def test_weights_are_rounded_and_clipped(bits):
    weight = torch.tensor([[-9.0, -0.5, -0.13, 0.0, 0.11, 0.15, 9.0]])
    low, high = signed_range(bits)
    got = quantise_weight(weight, 10, bits)
    expected = np.clip(np.rint(weight.numpy() * np.float32(10)), low, high)
    assert got.tolist() == expected.tolist()


def test_gradient_is_the_scale_inside_and_zero_outside():
    weight = torch.tensor([[-1.0, 0.2, 0.74, 0.76, 5.0]], requires_grad=True)
    quantise_weight(weight, 10, 4).sum().backward()
    assert weight.grad.tolist() == [[0, 10, 10, 0, 0]]


@pytest.mark.parametrize("bits", [8, 4, 2])
def test_chosen_step_has_least_error_of_whole_thresholds(bits):
    generator = torch.Generator().manual_seed(2)
    weight = torch.randn(20, 30, generator=generator) * 0.1
    chosen = choose_threshold(weight, bits)
    low, high = signed_range(bits)

    def error(threshold):
        rounded = (weight.double() * threshold).round().clamp(low, high) / threshold
        return float((rounded - weight.double()).square().sum())

    best = min(range(1, 2000), key=error)
    assert error(chosen) <= 1.05 * error(best)


def test_step_grows_until_the_accumulator_is_safe():
    weight = torch.full((2, 3000), 0.5)
    threshold = choose_threshold(weight, 8, magnitude=15)
    assert 0 < threshold < 254
    assert worst_sum(weight, 15) * threshold + POTENTIAL_MAX <= ACCUMULATOR_MAX


def test_weights_that_no_step_can_hold_are_refused():
    with pytest.raises(CapacityError, match=r"^the input of population big may reach 190500000"):
        choose_threshold(torch.full((1, 15000), 100.0), 8, magnitude=127, name="big")


def test_zero_weights_have_a_step():
    assert choose_threshold(torch.zeros(2, 3), 8) >= 1


def test_worst_sum_takes_the_worse_sign():
    weight = torch.tensor([[1.0, 2.0, -9.0], [3.0, 4.0, 0.0]])
    assert worst_sum(weight, 2) == 18
