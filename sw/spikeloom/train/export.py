"""From a trained model to the network that every engine runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ..spec.errors import NetworkError, UsageError
from ..spec.network import InputPopulation, Network, Population, Projection
from ..spec.sparse import Sparse
from .layer import SpikingLayer
from .model import SpikingNetwork
from .plan import INPUT, OUTPUT
from .synapses import Synapses


@dataclass(frozen=True)
class _Relay:
    """Neurons that hold events back: whose, and the projection that leads to them."""

    sources: NDArray[np.int64]
    population: Population
    inward: Projection


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


def _relays(layer: SpikingLayer, synapses: Synapses, graded: bool) -> Iterator[_Relay]:
    """Yield the neurons that hold back the events of each delay, the least delay first.

    They repeat what reaches them: a projection has one delay, so that source neurons of
    different delays reach the population by different ways.
    """
    assert synapses.learnt is not None
    ticks = synapses.learnt.ticks().numpy()
    for delay in np.unique(ticks):
        chosen = np.flatnonzero(ticks == delay)
        population = Population(
            f"{layer.name}_{synapses.source}_{delay}", (len(chosen),), threshold=np.int32(1),
            decay=np.int32(0), multi_spike=graded,
        )  # fmt: skip
        indptr = np.concatenate([[0], np.cumsum(ticks == delay)])
        kind = Sparse(indptr, np.arange(len(chosen)))
        one = np.ones(len(chosen), np.int8)
        inward = Projection(synapses.source, population.name, one, 8, 0, int(delay), kind)
        yield _Relay(chosen, population, inward)


def _with_relays(
    layer: SpikingLayer, graded: set[str]
) -> tuple[list[Population], list[Projection]]:
    """Return the population and its projections, and before them what holds events back.

    ``graded`` are the sources whose events may have a magnitude above 1.
    """
    populations, projections = [], []
    for synapses in layer.projections():
        whole = _projection(layer, synapses)
        if not synapses.axonal:
            projections.append(whole)
            continue
        for relay in _relays(layer, synapses, synapses.source in graded):
            populations.append(relay.population)
            weights = np.ascontiguousarray(whole.weights[:, relay.sources])
            onward = replace(whole, source=relay.population.name, weights=weights, delay=0)
            projections += [relay.inward, onward]
    return [*populations, _population(layer)], projections


def _projection(layer: SpikingLayer, synapses: Synapses) -> Projection:
    weights = layer.effective_weight(synapses).detach().numpy()
    if not np.isfinite(weights).all():
        raise NetworkError(f"weights of population {layer.name} must be finite")
    delay = synapses.delay
    if synapses.learnt is not None and not synapses.axonal:
        delay = int(synapses.learnt.ticks())
    return Projection(
        synapses.source, layer.name, weights.astype(np.int8), synapses.weight_bits,
        int(synapses.shift), delay, synapses.kind,
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
    graded = {layer.name for layer in model.populations() if layer.graded}
    if model.max_magnitude > 1:
        graded.add(INPUT)
    parts = [_with_relays(layer, graded) for layer in model.populations()]
    return Network(
        (InputPopulation(INPUT, model.plan.input_shape, model.max_magnitude),),
        tuple(p for populations, _ in parts for p in populations),
        tuple(q for _, projections in parts for q in projections),
        (OUTPUT,),
    )
