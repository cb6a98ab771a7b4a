"""Networks whose cycles are counted: each leans on another part of the core."""

import numpy as np

from spikeloom.spec.network import Conv2d, InputPopulation, Network, Pool, Population, Projection


def _weights(rng, *shape, low=-20, high=28):
    return rng.integers(low, high, shape)


def dense(rng):
    """Three layers of 8 lanes' rows, one of them a readout."""
    return Network(
        (InputPopulation("input", (60,)),),
        (
            Population("a", (40,), 150, 29491),
            Population("b", (24,), 100, 29491),
            Population("out", (10,), 1, 32768, reset="none"),
        ),
        (
            Projection("input", "a", _weights(rng, 40, 60)),
            Projection("a", "b", _weights(rng, 24, 40)),
            Projection("b", "out", _weights(rng, 10, 24)),
        ),
        ("out",),
    )


def conv(rng):
    """A convolution, a pool and a dense layer."""
    return Network(
        (InputPopulation("input", (10, 10, 2)),),
        (
            Population("conv", (10, 10, 8), 90, 29491),
            Population("pool", (5, 5, 8), 2, 0),
            Population("out", (10,), 200, 32768),
        ),
        (
            Projection("input", "conv", _weights(rng, 8, 3, 3, 2), kind=Conv2d(padding=1)),
            Projection("conv", "pool", kind=Pool((2, 2))),
            Projection("pool", "out", _weights(rng, 10, 200)),
        ),
        ("out",),
    )


def recurrent(rng):
    """Recurrence of one tick, feedback of three, and a path around a layer."""
    return Network(
        (InputPopulation("input", (40,)),),
        (Population("a", (32,), 200, 29491), Population("b", (16,), 120, 26214)),
        (
            Projection("input", "a", _weights(rng, 32, 40)),
            Projection("input", "b", _weights(rng, 16, 40, low=-30)),
            Projection("a", "a", _weights(rng, 32, 32, low=-20, high=20), delay=1),
            Projection("a", "b", _weights(rng, 16, 32)),
            Projection("b", "a", _weights(rng, 32, 16, low=-20, high=20), delay=3),
        ),
        ("b",),
    )


def multi_spike(rng):
    """Two layers that fire several times a tick."""
    return Network(
        (InputPopulation("input", (40,)),),
        (
            Population("a", (32,), 60, 16384, multi_spike=True),
            Population("b", (16,), 100, 16384, multi_spike=True),
            Population("out", (10,), 300, 32768),
        ),
        (
            Projection("input", "a", _weights(rng, 32, 40)),
            Projection("a", "b", _weights(rng, 16, 32)),
            Projection("b", "out", _weights(rng, 10, 16)),
        ),
        ("out",),
    )


NETWORKS = {f.__name__: f for f in (dense, conv, recurrent, multi_spike)}


def spike_trains(rng, network, samples=2, ticks=20):
    """Return spikes of a density that is drawn, uint8 of shape (samples, ticks, *shape)."""
    density = rng.choice([0.03, 0.15, 0.4])
    source = network.inputs[0]
    return (rng.random((samples, ticks, *source.shape)) < density).astype(np.uint8)
