"""Surrogate gradients against their formulas, written out once more."""

import math

import numpy as np
import pytest
import torch

from spikeloom.spec.errors import UsageError
from spikeloom.train.choices import SURROGATE_NAMES
from spikeloom.train.surrogates import SURROGATES, make_surrogate

pytestmark = pytest.mark.torch


def _triangle_area(y):
    return (1 + y) ** 2 / 2 if y < 0 else 1 - (1 - y) ** 2 / 2


FORMULAS = {
    "arctan": lambda x, a: (a / 2) / (1 + (math.pi / 2 * a * x) ** 2),
    "superspike": lambda x, a: 1 / (1 + a * abs(x)) ** 2,
    "rectangular": lambda x, a: a if abs(x) < 1 / a / 2 else 0.0,
    "triangle": lambda x, a: a * max(0.0, 1 - a * abs(x)),
    "sigmoid": lambda x, a: a * math.exp(-a * x) / (1 + math.exp(-a * x)) ** 2,
}
PRIMITIVES = {
    "arctan": lambda x, w: math.atan(math.pi / 2 * x / w) / math.pi + 0.5,
    "superspike": lambda x, w: x / (1 + abs(x) / w),
    "rectangular": lambda x, w: min(max(x / w + 0.5, 0.0), 1.0),
    "triangle": lambda x, w: _triangle_area(min(max(x / w, -1.0), 1.0)),
    "sigmoid": lambda x, w: 1 / (1 + math.exp(-x / w)),
}
POINTS = [-3.0, -1.01, -0.46, -0.1, -0.013, 0.007, 0.2, 0.37, 0.97, 2.5]


@pytest.mark.parametrize("name", FORMULAS)
@pytest.mark.parametrize("width", [0.1, 0.5, 1.0, 2.0])
def test_gradient_equals_formula_at_points(name, width):
    got = make_surrogate(name, width).gradient(torch.tensor(POINTS, dtype=torch.float64))
    expected = [FORMULAS[name](x, 1 / width) for x in POINTS]
    np.testing.assert_allclose(got.numpy(), expected, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("name", PRIMITIVES)
@pytest.mark.parametrize("width", [0.3, 1.0])
def test_gradient_equals_finite_difference_of_smooth_spike(name, width):
    f, eps = PRIMITIVES[name], 1e-6
    got = make_surrogate(name, width).gradient(torch.tensor(POINTS, dtype=torch.float64))
    expected = [(f(x + eps, width) - f(x - eps, width)) / (2 * eps) for x in POINTS]
    np.testing.assert_allclose(got.numpy(), expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", SURROGATES)
def test_gradient_leaves_its_input_alone_and_peaks_at_zero(name):
    x = torch.linspace(-2, 2, 101)
    before = x.clone()
    out = make_surrogate(name).gradient(x)
    assert torch.equal(x, before)
    assert out[50] == out.max()
    assert out.dtype == x.dtype


def test_every_surrogate_is_checked_here():
    assert set(FORMULAS) == set(PRIMITIVES) == set(SURROGATES)


def test_names_match_the_configuration():
    assert tuple(SURROGATES) == SURROGATE_NAMES


def test_width_zero_takes_the_default():
    assert make_surrogate("arctan").width == 0.5
    assert make_surrogate("sigmoid").width == 0.25


def test_unknown_name_is_refused():
    with pytest.raises(UsageError, match=r"^surrogate must be one of arctan.* not 'tanh'$"):
        make_surrogate("tanh")


@pytest.mark.parametrize("width", [-1.0, 1e9, float("nan")])
def test_width_out_of_range_is_refused(width):
    with pytest.raises(UsageError, match=r"^surrogate width must be from 0.001 to 1000, not"):
        make_surrogate("arctan", width)
