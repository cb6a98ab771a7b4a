"""Convolution and pooling of both models against PyTorch, on integers in float64."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikeloom.spec.network import Conv2d, InputPopulation, Network, Pool, Population, Projection
from spikeloom_sim.golden import GoldenModel
from spikeloom_sim.matrix import MatrixModel

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch


def potentials(kind, weights, events):
    """Return H of one tick, (samples, height, width, channels), from both models."""
    projection = Projection("input", "n", weights, kind=kind)
    source = InputPopulation("input", events.shape[1:], 5, signed=True)
    shape = kind.destination_shape("it", source.shape, projection.weights)
    population = Population("n", shape, threshold=1, decay=0, reset="none")
    network = Network((source,), (population,), (projection,), ("n",))
    found = [model(network).run(events[:, None]) for model in (GoldenModel, MatrixModel)]
    golden, matrix = (t.potentials["n"].reshape(len(events), *shape) for t in found)
    np.testing.assert_array_equal(golden, matrix)
    return golden


def channels_first(array):
    return torch.from_numpy(np.moveaxis(array, -1, 1).astype(np.float64))


def pairs(low, high):
    return st.tuples(st.integers(low, high), st.integers(low, high))


@settings(max_examples=200, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    kernel=pairs(1, 4),
    stride=pairs(1, 3),
    padding=pairs(0, 3),
    dilation=pairs(1, 3),
    groups=st.integers(1, 3),
    per_group=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    spare=pairs(0, 4),
)
def test_convolution_equals_pytorch(
    seed, kernel, stride, padding, dilation, groups, per_group, spare
):
    rng = np.random.default_rng(seed)
    spans = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
    size = [max(s - 2 * p, 1) + e for s, p, e in zip(spans, padding, spare, strict=True)]
    channels, outputs = groups * per_group[0], groups * per_group[1]
    weights = rng.integers(-128, 128, (outputs, *kernel, per_group[0]))
    events = rng.integers(-5, 6, (2, *size, channels)) * (rng.random((2, *size, channels)) < 0.5)
    expected = torch.nn.functional.conv2d(
        channels_first(events), channels_first(weights), None, stride, padding, dilation, groups
    )
    got = potentials(Conv2d(stride, padding, dilation, groups), weights, events)
    np.testing.assert_array_equal(got, np.moveaxis(expected.numpy(), 1, -1))


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    kernel=pairs(1, 4),
    stride=pairs(1, 4),
    spare=pairs(0, 4),
    channels=st.integers(1, 3),
    weight=st.sampled_from([1, -7]),
)
def test_pool_equals_the_average_of_pytorch_times_its_size(
    seed, kernel, stride, spare, channels, weight
):
    rng = np.random.default_rng(seed)
    padding = (kernel[0] // 2, kernel[1] // 2)  # PyTorch allows no more
    size = [k + e for k, e in zip(kernel, spare, strict=True)]
    events = rng.integers(-5, 6, (2, *size, channels))
    expected = torch.nn.functional.avg_pool2d(
        channels_first(events), kernel, stride, padding, divisor_override=1
    )
    got = potentials(Pool(kernel, stride, padding), np.array(weight), events)
    np.testing.assert_array_equal(got, weight * np.moveaxis(expected.numpy(), 1, -1))
