"""A camera's events at the pins of a small core, and what the core must make of them."""

import numpy as np

from spikeloom.artefact import write_artefact
from spikeloom.compile import compile_network
from spikeloom.events import AddressField, SensorSetup
from spikeloom.spec.config import BuildConfig
from spikeloom.spec.manifest import InputFacts
from spikeloom.spec.network import InputPopulation, Network, Population, Projection

CONFIG = BuildConfig(
    "camera", lanes=4, state_rows=4, weight_rows=64, populations=4, projections=4, sensor=True
)
CLOCK_HZ = 100_000_000
TICK_US, TICKS, LIMIT = 8, 5, 2
TICK_CYCLES = TICK_US * CLOCK_HZ // 1_000_000
SETUP = SensorSetup(
    x=AddressField(1, 4), y=AddressField(5, 4, invert=True), polarity=AddressField(0, 1),
    crop=(2, 3, 8, 12), downscale=4, period_us=TICK_US, n_ticks=TICKS, limit=LIMIT,
)  # fmt: skip


def make_artefact(path, config=CONFIG, shape=SETUP.shape, limit=LIMIT):
    rng = np.random.default_rng(5)
    n = int(np.prod(shape))
    network = Network(
        (InputPopulation("pixels", shape, limit),),
        (Population("out", (4,), threshold=90, decay=30000),),
        (Projection("pixels", "out", rng.integers(-20, 60, (4, n))),),
        ("out",),
    )
    compiled = compile_network(network, config)
    facts = InputFacts(shape, TICKS)
    return write_artefact(path, network, facts, build=compiled.build, images=compiled.images)


def events(n_samples, per_tick=30, seed=8):
    """Return addresses and clock cycles from the first tick on, none near the end of a tick."""
    rng = np.random.default_rng(seed)
    ticks = np.repeat(np.arange(n_samples * TICKS), per_tick)
    inside = np.sort(rng.integers(50, TICK_CYCLES // 2, (n_samples * TICKS, per_tick))).reshape(-1)
    return rng.integers(0, 1 << 9, len(ticks)), ticks * TICK_CYCLES + inside


def inputs(addresses, cycles, n_samples):
    """Return what the core is fed with, by the sensor input's twin in NumPy."""
    times = cycles * 1_000_000 // CLOCK_HZ
    return SETUP.ticks(addresses, times, n_samples * TICKS * TICK_US).reshape(
        n_samples, TICKS, *SETUP.shape
    )
