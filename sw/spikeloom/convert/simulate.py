"""The integers of a converted network in PyTorch: fast, and the golden model's to the bit.

Whole numbers are carried in float32.  Every sum stays within the accumulator of 18 bits,
for any input (rule G4), so that it is exact in any order.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..compile.proof import prove_no_overflow
from ..spec import numfmt
from ..spec.errors import DataError, NetworkError
from ..spec.network import Conv2d, Dense, Network, Pool, Population, Projection, Reset

BATCH = 100
"""Samples computed together."""


@dataclass(frozen=True)
class Run:
    """What the populations did: dictionaries by population name, neurons channels last.

    ``spikes`` (uint8) and ``potentials`` (int32, H) are [S, T, n]; ``final`` (int32, V after
    the last tick) is [S, n].
    """

    spikes: dict[str, NDArray[np.uint8]]
    potentials: dict[str, NDArray[np.int32]]
    final: dict[str, NDArray[np.int32]]


class _Layer:
    """A population with the projection that ends at it, channels first."""

    def __init__(self, network: Network, population: Population) -> None:
        (self.projection,) = network.fan_in(population.name)
        self.population = population
        self.threshold = int(population.threshold)
        self.bias = torch.from_numpy(np.array(population.bias, np.float32))
        if len(population.shape) == 3:
            self.bias = self.bias.reshape(-1, 1, 1)
        weights = torch.from_numpy(self.projection.weights.astype(np.float32))
        source = network.source(self.projection.source).shape
        kind = self.projection.kind
        if isinstance(kind, Conv2d):
            weights = weights.permute(0, 3, 1, 2)
        elif isinstance(kind, Dense) and len(source) == 3:
            weights = weights.reshape(-1, *source).permute(0, 3, 1, 2).flatten(1)
        self.weights = weights.contiguous()

    def current(self, events: Tensor) -> Tensor:
        """Return the input of a tick, with the bias, of events [N, *source]."""
        kind = self.projection.kind
        if isinstance(kind, Dense):
            return nn.functional.linear(events.flatten(1), self.weights) + self.bias
        if isinstance(kind, Pool):
            sums = nn.functional.avg_pool2d(
                events, kind.kernel, kind.stride, kind.padding, divisor_override=1
            )
            return sums * self.weights + self.bias
        assert isinstance(kind, Conv2d)
        return self.bias + nn.functional.conv2d(
            events, self.weights, None, kind.stride, kind.padding, kind.dilation, kind.groups
        )

    def fire(self, h: Tensor) -> tuple[Tensor, Tensor]:
        """Return the spikes and the potential for the next tick (rules D2 to D4)."""
        if self.population.reset is Reset.NONE:
            return torch.zeros_like(h), h.clamp(self.population.floor, numfmt.POTENTIAL_MAX)
        spikes = (h >= self.threshold).float()
        v = (h - spikes * self.threshold).clamp_(self.population.floor, numfmt.POTENTIAL_MAX)
        return spikes, v


def _last(value: Tensor, dtype: type) -> NDArray[np.generic]:
    """Return [N, c, h, w] or [N, n] as an array [N, n] with the channels last."""
    if value.ndim == 4:
        value = value.permute(0, 2, 3, 1)
    return value.flatten(1).numpy().astype(dtype)


def _check(projection: Projection, population: Population) -> None:
    simple = (
        isinstance(projection.kind, (Dense, Conv2d, Pool))
        and not projection.shift
        and not projection.delay
        and population.reset in (Reset.SUBTRACT, Reset.NONE)
        and population.current_decay is None
        and not population.refractory
        and not population.multi_spike
        and population.threshold.ndim == 0
        and bool((population.decay == numfmt.DECAY_ONE).all())
    )
    if not simple:
        raise NetworkError(
            f"population {population.name} must be one of integrate-and-fire neurons with soft "
            "reset behind a dense, conv2d or pool projection; run others on the golden model"
        )


class Simulator:
    """Runs a converted network.

    Raises :class:`NetworkError` for a network that :func:`.run.convert_model` does not make,
    or whose accumulators might overflow.
    """

    def __init__(self, network: Network) -> None:
        self.network = network
        prove_no_overflow(network)
        for population in network.order():
            for projection in network.fan_in(population.name):
                _check(projection, population)
        self._layers = [_Layer(network, population) for population in network.order()]

    @torch.no_grad()
    def ticks(self, inputs: NDArray[np.uint8]) -> Iterator[dict[str, tuple[Tensor, Tensor]]]:
        """Yield, for each tick, (S, H) by population, [N, c, h, w] or [N, n].

        ``inputs`` is [N, T, *input shape], channels last.
        """
        shape = self.network.inputs[0].shape
        arrays = inputs.reshape(*inputs.shape[:2], *shape)
        v = {
            layer.population.name: torch.full((), float(layer.population.initial))
            for layer in self._layers
        }
        source = self.network.inputs[0].name
        before: NDArray[np.uint8] | None = None
        first: Tensor | None = None
        for tick in range(arrays.shape[1]):
            array = arrays[:, tick]
            if before is None or not np.array_equal(array, before):
                before, first = array, None
            out: dict[str, tuple[Tensor, Tensor]] = {}
            events = {source: _first(array)}
            for layer in self._layers:
                name, fed_by = layer.population.name, layer.projection.source
                current = first if fed_by == source else None
                if current is None:
                    current = layer.current(events[fed_by])
                    first = current if fed_by == source else first
                h = v[name] + current
                events[name], v[name] = layer.fire(h)
                out[name] = events[name], h
            self._final = v
            yield out

    def run(self, inputs: NDArray[np.uint8]) -> Run:
        """Return what every population does on ``inputs``, [S, T, *input shape]."""
        self._check_inputs(inputs)
        n_samples, n_ticks = inputs.shape[:2]
        sizes = {p.name: p.n_neurons for p in self.network.order()}
        out = Run(
            {k: np.empty((n_samples, n_ticks, n), np.uint8) for k, n in sizes.items()},
            {k: np.empty((n_samples, n_ticks, n), np.int32) for k, n in sizes.items()},
            {k: np.empty((n_samples, n), np.int32) for k, n in sizes.items()},
        )
        for start in range(0, n_samples, BATCH):
            part = slice(start, start + BATCH)
            for tick, populations in enumerate(self.ticks(inputs[part])):
                for name, (s, h) in populations.items():
                    out.spikes[name][part, tick] = _last(s, np.uint8)
                    out.potentials[name][part, tick] = _last(h, np.int32)
            for name in sizes:
                out.final[name][part] = _last(self._final[name], np.int32)
        return out

    def _check_inputs(self, inputs: NDArray[np.uint8]) -> None:
        population = self.network.inputs[0]
        array = np.asarray(inputs)
        if array.ndim < 3 or int(np.prod(array.shape[2:])) != population.n_neurons:
            raise DataError(
                f"inputs must have shape (samples, ticks, {', '.join(map(str, population.shape))})"
                f", not {array.shape}"
            )
        if not array.shape[1]:
            raise DataError("inputs must have at least 1 tick, not 0")
        if array.size and array.max() > population.max_magnitude:
            raise DataError(f"inputs must be at most {population.max_magnitude}, not {array.max()}")


def _first(array: NDArray[np.uint8]) -> Tensor:
    """Return events [N, h, w, c] or [N, n] as float32 with the channels first."""
    events = torch.from_numpy(np.ascontiguousarray(array, np.float32))
    return events.permute(0, 3, 1, 2).contiguous() if events.ndim == 4 else events
