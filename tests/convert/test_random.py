"""Random chains of layers: stages equal to the model, integers equal to the golden model."""

import numpy as np
import pytest
import torch
from torch import nn

from convert import models
from convert.test_run import assert_equal_runs
from spikeloom.convert.balance import Limits, stage_values
from spikeloom.convert.run import convert_model
from spikeloom.convert.simulate import Simulator
from spikeloom.convert.stages import read_stages
from spikeloom_sim.matrix import MatrixModel

pytestmark = pytest.mark.torch


def random_model(rng):
    """Return a model of random layers and its input shape."""
    shape = (int(rng.integers(1, 4)), *map(int, rng.integers(9, 16, 2)))
    channels = shape[0]
    layers = []
    x = torch.zeros(2, *shape)

    def grow(layer):
        nonlocal x
        try:
            out = layer.eval()(x)
        except RuntimeError:  # a window that does not fit
            return False
        x = out
        layers.append(layer)
        return True

    for _ in range(int(rng.integers(1, 4))):
        groups = int(rng.choice([1, channels]))
        out = groups * int(rng.integers(1, 4))
        made = nn.Conv2d(
            channels, out, tuple(map(int, rng.integers(1, 5, 2))),
            stride=tuple(map(int, rng.integers(1, 3, 2))),
            padding=tuple(map(int, rng.integers(0, 3, 2))),
            dilation=tuple(map(int, rng.integers(1, 3, 2))), groups=groups,
            bias=bool(rng.integers(2)),
        )  # fmt: skip
        if not grow(made):
            continue
        channels = out
        for part in rng.permutation(["norm", "pool"]):
            if rng.random() < 0.5:
                grow(nn.BatchNorm2d(channels) if part == "norm" else pool(rng))
        grow(nn.ReLU())
        if rng.random() < 0.5:
            grow(pool(rng))
    grow(nn.Flatten())
    grow(nn.Linear(x.shape[1], 5))
    return nn.Sequential(*layers), shape


def pool(rng):
    return nn.AvgPool2d(tuple(map(int, rng.integers(1, 4, 2))),
                        stride=tuple(map(int, rng.integers(1, 3, 2))))  # fmt: skip


@pytest.mark.parametrize("seed", range(25))
def test_random_models(seed):
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    model, shape = random_model(rng)
    models.settled(model, shape, seed)
    samples = models.images(shape, 8, seed)
    x = torch.from_numpy(samples / 255)
    with torch.no_grad():
        expected = model.double()(x)
        for stage in read_stages(model, shape):
            x = stage_values(stage, x)
    assert torch.allclose(x, expected, rtol=1e-8, atol=1e-8)
    encoder = {"kind": "direct", "maximum": 255, "max_magnitude": int(rng.integers(1, 9))}
    limits = Limits(float(rng.uniform(50, 100)), bool(rng.integers(2)))
    bits = int(rng.choice([2, 4, 8]))
    converted = convert_model(model.float(), samples, 5, encoder, bits, limits)
    inputs = converted.encoded(samples)
    assert_equal_runs(
        Simulator(converted.network).run(inputs), MatrixModel(converted.network).run(inputs)
    )
