"""From a trained model to the network that every engine runs."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from ..spec.errors import NetworkError, UsageError
from ..spec.network import InputPopulation, Network, Population, Projection
from .layer import SpikingLayer
from .model import SpikingNetwork
from .plan import INPUT, OUTPUT
from .synapses import Synapses


def _integers(value: Tensor | float) -> np.ndarray[tuple[int, ...], np.dtype[np.int32]]:
    array = value.detach().numpy() if isinstance(value, Tensor) else np.asarray(value)
    return array.astype(np.int32)


def _population(layer: SpikingLayer) -> Population:
    p, bias = layer.lif_parameters(), None if layer.relay else layer.effective_bias()
    current = p.current_decay
    return Population(
        name=layer.name,
        shape=layer.shape,
        threshold=_integers(p.threshold),
        decay=np.int32(p.decay),
        bias=np.int32(0) if bias is None else _integers(bias),
        reset=p.reset,
        reset_order=p.reset_order,
        reset_value=int(p.reset_value),
        initial=int(p.initial),
        floor=int(p.floor),
        refractory=p.refractory,
        current_decay=None if current is None else np.int32(current),
        multi_spike=p.multi_spike,
    )


def _projection(layer: SpikingLayer, synapses: Synapses) -> Projection:
    weights = layer.effective_weight(synapses).detach().numpy()
    if not np.isfinite(weights).all():
        raise NetworkError(f"weights of population {layer.name} must be finite")
    return Projection(
        synapses.source, layer.name, weights.astype(np.int8), synapses.weight_bits,
        int(synapses.shift), synapses.delay, synapses.kind,
    )  # fmt: skip


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
    layers = list(model.populations())
    return Network(
        (InputPopulation(INPUT, model.plan.input_shape, model.max_magnitude),),
        tuple(_population(layer) for layer in layers),
        tuple(_projection(layer, s) for layer in layers for s in layer.projections()),
        (OUTPUT,),
    )
