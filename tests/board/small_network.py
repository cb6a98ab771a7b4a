"""A small network, its artefact packed by hand, and its arithmetic written out."""

import numpy as np

from spikeloom.artefact import write_artefact
from spikeloom.spec.build import build_id
from spikeloom.spec.config import BuildConfig
from spikeloom.spec.manifest import BuildFacts, InputFacts, PlacedInput, PlacedPopulation
from spikeloom.spec.memmap import memory_map
from spikeloom.spec.network import InputPopulation, Network, Population, Projection, Reset
from spikeloom.spec.tables import POPULATIONS, PROJECTIONS, FireSelect, pack_row

CONFIG = BuildConfig("test", lanes=4, state_rows=16, weight_rows=64, populations=4, projections=4)
INPUT_SHAPE = (2, 1, 4)  # channels, height, width
INPUT = InputFacts(INPUT_SHAPE, 5, "channels_first")
MAX_MAGNITUDE = 3
N_HIDDEN, N_OUT = 6, 3
THETA_HIDDEN, THETA_OUT, DECAY = 60, 80, 29000


def network(fires=True):
    rng = np.random.default_rng(7)
    return Network(
        inputs=(InputPopulation("pixels", INPUT.population_shape, MAX_MAGNITUDE),),
        populations=(
            Population("hidden", (N_HIDDEN,), THETA_HIDDEN, DECAY, bias=3),
            Population(
                "out", (N_OUT,), THETA_OUT, DECAY, reset=Reset.SUBTRACT if fires else Reset.NONE
            ),
        ),
        projections=(
            Projection("pixels", "hidden", rng.integers(-40, 60, (N_HIDDEN, 8))),
            Projection("hidden", "out", rng.integers(-40, 80, (N_OUT, N_HIDDEN))),
        ),
        outputs=("out",),
    )


def images(net):
    memories = memory_map(CONFIG)
    banks = np.zeros((2, 16, CONFIG.lanes), np.int8)
    layout = ((0, 0, 2, 4, net.projections[0]), (8, 2, 1, 3, net.projections[1]))
    projection_rows = []
    for base, row_base, n_rows, stride, projection in layout:
        padded = np.zeros((n_rows * CONFIG.lanes, projection.weights.shape[1]), np.int8)
        padded[: len(projection.weights)] = projection.weights
        for source in range(padded.shape[1]):
            for r in range(n_rows):
                lanes = padded[r * CONFIG.lanes : (r + 1) * CONFIG.lanes, source]
                banks[source % 2, base + r * stride + source // 2] = lanes
        projection_rows.append(
            pack_row(
                PROJECTIONS,
                {
                    "row_base": row_base,
                    "n_rows": n_rows,
                    "weight_base": base,
                    "stride": stride,
                    "lanes_last": len(projection.weights) - (n_rows - 1) * CONFIG.lanes,
                },
            )
        )
    shared = {
        "decay": DECAY,
        "floor": -32768,
        "fire_select": FireSelect.H_MINUS_THETA,
        "clip_before": 1,
    }
    rows = [
        {"n_neurons": 8, "first_projection": 0, "n_projections": 1},
        shared
        | {"n_rows": 2, "n_neurons": N_HIDDEN, "threshold": THETA_HIDDEN, "bias": 3, "fires": 1}
        | {"always_visit": 1, "lanes_last": 2, "first_projection": 1, "n_projections": 1}
        | {"opens_input": 1},
        shared
        | {"row_base": 2, "n_rows": 1, "n_neurons": N_OUT, "threshold": THETA_OUT}
        | {"fires": int(net.population("out").reset is not Reset.NONE), "lanes_last": 3}
        | {"emit_spikes": 1, "probe_end": 1, "first_projection": 2},
    ]
    words = memories["weights_even"].row_words
    return {
        "populations": np.stack([pack_row(POPULATIONS, row) for row in rows]),
        "projections": np.stack(projection_rows),
        "weights_even": banks[0].view("<u4").reshape(-1, words),
        "weights_odd": banks[1].view("<u4").reshape(-1, words),
    }


def build_facts():
    return BuildFacts(
        build_id(CONFIG),
        CONFIG,
        (
            PlacedPopulation("pixels", 8, INPUT.population_shape, True, False),
            PlacedPopulation("hidden", N_HIDDEN, (N_HIDDEN,), False, False, 0, 2),
            PlacedPopulation("out", N_OUT, (N_OUT,), False, True, 2, 1),
        ),
        (PlacedInput("pixels", INPUT.population_shape, 8, max_magnitude=MAX_MAGNITUDE),),
    )


def make_artefact(path, fires=True, build=None, edit=None):
    net = network(fires)
    parts = images(net)
    if edit is not None:
        edit(parts)
    return write_artefact(path, net, INPUT, build=build or build_facts(), images=parts)


def samples(n, ticks=5, seed=3):
    rng = np.random.default_rng(seed)
    return rng.integers(0, MAX_MAGNITUDE + 1, (n, ticks, *INPUT_SHAPE)) * (
        rng.random((n, ticks, *INPUT_SHAPE)) < 0.4
    )


def expected(inputs, fires=True):
    """Return spikes, H and final V by population, from the network's own numbers."""
    net = network(fires)
    flat = np.moveaxis(inputs, 2, -1).reshape(*inputs.shape[:2], -1)
    shapes = {p.name: (*inputs.shape[:2], p.n_neurons) for p in net.populations}
    spikes = {name: np.zeros(shape, np.uint8) for name, shape in shapes.items()}
    h_all = {name: np.zeros(shape, np.int32) for name, shape in shapes.items()}
    final = {p.name: np.zeros((len(inputs), p.n_neurons), np.int32) for p in net.populations}
    for s in range(len(inputs)):
        v = {p.name: np.zeros(p.n_neurons, np.int64) for p in net.populations}
        for t in range(inputs.shape[1]):
            source = flat[s, t].astype(np.int64)
            for projection, p in zip(net.projections, net.populations, strict=True):
                h = v[p.name] + projection.weights.astype(np.int64) @ source + int(p.bias)
                fired = (h >= int(p.threshold)) & (p.reset is not Reset.NONE)
                kept = (h - int(p.threshold) * fired) * DECAY
                v[p.name] = np.sign(kept) * (abs(kept) // 32768)
                spikes[p.name][s, t], h_all[p.name][s, t] = fired, h
                source = fired.astype(np.int64)
        for p in net.populations:
            final[p.name][s] = v[p.name]
    return spikes, h_all, final


def assert_works(board, n=3):
    """Check that a board with the network gives the right bits."""
    inputs = samples(n)
    spikes, _, final = expected(inputs)
    result = board.run(inputs)
    np.testing.assert_array_equal(result.spikes, spikes["out"])
    np.testing.assert_array_equal(result.potential, final["out"])
