"""From a trained model to the network that every engine runs."""

from __future__ import annotations

import numpy as np

from ..spec.errors import NetworkError, UsageError
from ..spec.manifest import InputFacts
from ..spec.network import InputPopulation, Network, Population, Projection
from .config import TrainConfig
from .encoders import input_count
from .model import SpikingLayer, SpikingNetwork

INPUT = "input"
"""Name of the input population."""


def _population(layer: SpikingLayer) -> Population:
    p, bias = layer.lif_parameters(), layer.effective_bias()
    return Population(
        name=layer.name,
        shape=(layer.weight.shape[0],),
        threshold=np.int32(p.threshold),
        decay=np.int32(p.decay),
        bias=np.int32(0 if bias is None else int(bias)),
        reset=p.reset,
        reset_order=p.reset_order,
        reset_value=int(p.reset_value),
        initial=int(p.initial),
        floor=int(p.floor),
        refractory=p.refractory,
    )


def export_network(model: SpikingNetwork) -> Network:
    """Return the quantised model as a network of integers.

    Raises
    ------
    UsageError
        If the model is not quantised.
    NetworkError
        If a field breaks the contract, naming it.
    """
    if not model.quantised:
        raise UsageError("the model must be quantised before it is exported: model.quantise()")
    populations, projections, source = [], [], INPUT
    for layer in model.populations():
        weights = layer.effective_weight().detach().numpy()
        if not np.isfinite(weights).all():
            raise NetworkError(f"weights of population {layer.name} must be finite")
        populations.append(_population(layer))
        projections.append(
            Projection(source, layer.name, weights.astype(np.int8), layer.weight_bits)
        )
        source = layer.name
    inputs = (InputPopulation(INPUT, (model.sizes[0],), model.max_magnitude),)
    return Network(inputs, tuple(populations), tuple(projections), (source,))


def export_input(config: TrainConfig, n_values: int) -> InputFacts:
    """Return how the user's arrays of ``n_values`` values map to the input.

    Raises :class:`DataError` if the encoder cannot take so many values.
    """
    encoder = config.encoder_facts()
    n_inputs = input_count(encoder, n_values, config.ticks)
    return InputFacts((n_inputs,), config.ticks, "flat", encoder)
