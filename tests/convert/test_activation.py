"""The activation that spike counts can carry."""

import numpy as np
import pytest
import torch

from spikeloom.convert.activation import ClipFloorShift
from spikeloom.spec.errors import UsageError
from spikeloom.spec.network import InputPopulation, Network, Population, Projection
from spikeloom_sim.golden import GoldenModel

pytestmark = pytest.mark.torch


@pytest.mark.parametrize("ticks", [1, 4, 16])
def test_values_are_the_spikes_of_the_golden_model(ticks):
    """Threshold 64, initial potential 32, soft reset, constant input: counts, not almost."""
    weights = np.arange(-128, 128)
    network = Network(
        (InputPopulation("input", (1,)),),
        (Population("neurons", (256,), 64, 32768, initial=32),),
        (Projection("input", "neurons", weights[:, None]),),
        ("neurons",),
    )
    counts = GoldenModel(network).run(np.ones((1, ticks, 1), np.uint8)).counts["neurons"][0]
    with torch.no_grad():
        value = ClipFloorShift(ticks, 64.0)(torch.arange(-128.0, 128.0)[None])[0]
    assert (value * (ticks / 64)).tolist() == counts.tolist()
    assert counts.max() == ticks


def test_gradient_passes_between_the_ends_and_reaches_the_limit():
    activation = ClipFloorShift(4, 2.0)
    x = torch.tensor([[-1.0, 0.3, 1.1, 5.0]], requires_grad=True)
    activation(x).sum().backward()
    assert x.grad.tolist() == [[0, 1, 1, 0]]
    # where the value is clipped it is the limit itself
    clipped = torch.tensor([[5.0]])
    activation.limit.grad = None
    activation(clipped).sum().backward()
    assert float(activation.limit.grad) == 1


def test_limit_may_be_one_per_channel():
    activation = ClipFloorShift(8, torch.tensor([1.0, 4.0]))
    out = activation(torch.full((1, 2, 3, 3), 9.0))
    assert out[0, :, 0, 0].tolist() == [1, 4]


@pytest.mark.parametrize(
    ("levels", "limit", "match"),
    [
        (0, 1.0, r"^levels must be an integer from 1 to 1024, not 0"),
        (2.5, 1.0, r"^levels must be an integer"),
        (4, 0.0, r"^limit must be one number above 0"),
        (4, torch.tensor([1.0, -1.0]), r"^limit must be one number above 0"),
        (4, torch.ones(2, 2), r"^limit must be one number above 0"),
        (4, float("nan"), r"^limit must be one number above 0"),
    ],
)
def test_wrong_arguments_are_named(levels, limit, match):
    with pytest.raises(UsageError, match=match):
        ClipFloorShift(levels, limit)
