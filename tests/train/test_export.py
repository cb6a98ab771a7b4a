"""What the export refuses of weights, and what it takes."""

import pytest
import torch

from spikeloom.spec.errors import NetworkError
from spikeloom.train.export import export_network
from spikeloom.train.quantise import choose_threshold
from train.test_layers import make

pytestmark = pytest.mark.torch


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused_naming_the_population(value, monkeypatch):
    model = make("5")
    model.quantise()
    layer = next(iter(model.populations()))
    weights = torch.full_like(layer.effective_weight(layer.projections()[0]), value)
    monkeypatch.setattr(type(layer), "effective_weight", lambda self, synapses: weights)
    with pytest.raises(NetworkError, match=f"^weights of population {layer.name} must be finite$"):
        export_network(model)


@pytest.mark.parametrize("value", [0.0, 0.5])
def test_weights_that_are_all_the_same_have_a_step(value):
    assert choose_threshold(torch.full((3, 4), value), 8) >= 1
