"""Sizing of builds: what a network needs, what reaches a target, what does not."""

import numpy as np
import pytest

from spikeloom.compile import compile_network
from spikeloom.spec.config import BuildConfig
from spikeloom.spec.errors import CapacityError, UsageError
from spikeloom.spec.network import InputPopulation, Network, Pool, Population, Projection
from spikeloom.synth.features import COMPACT_LANES
from spikeloom.tailor import LANES, candidates, needed_build, random_run, tailor
from spikeloom.tailor.area import DEVICES, area, measured

RATES = {"input": 0.1, "hidden": 0.1, "out": 0.1}
XC7 = DEVICES["xc7z020"]


def layers(rng, high=100, **hidden):
    return Network(
        (InputPopulation("input", (64,)),),
        (
            Population("hidden", (100,), 500, 29491, **hidden),
            Population("out", (10,), 500, 29491),
        ),
        (
            Projection("input", "hidden", rng.integers(-high, high, (100, 64))),
            Projection("hidden", "out", rng.integers(-high, high, (10, 100))),
        ),
        ("out",),
    )


def test_a_plain_network_needs_no_feature(rng):
    config = needed_build(layers(rng), 16)
    # 7 + 1 rows of 16; 7 * 32 + 50 weight rows
    assert (config.state_rows, config.weight_rows, config.weight_bits) == (8, 512, 8)
    assert not any((config.groups, config.runs, config.parameter_rows, config.history_rows))
    assert not any((config.graded, config.refractory, config.current, config.multi_spike))


@pytest.mark.parametrize(
    ("change", "option"),
    [
        ({"refractory": 2}, "refractory"),
        ({"current_decay": 3}, "current"),
        ({"multi_spike": True}, "multi_spike"),
        ({"bias": np.arange(100)}, "parameter_rows"),
    ],
)
def test_a_feature_is_in_the_build_if_the_network_has_it(rng, change, option):
    network = layers(rng, high=5, **change)
    config = needed_build(network, 16)
    assert getattr(config, option)
    compile_network(network, config)


def test_small_weights_make_narrow_memories(rng):
    assert needed_build(layers(rng, high=7), 16).weight_bits == 4
    assert needed_build(layers(rng, high=1), 16).weight_bits == 2


def test_groups_delays_and_shifts(rng):
    network = Network(
        (InputPopulation("input", (8, 8, 2)),),
        (Population("pool", (4, 4, 2), 3, 0), Population("out", (10,), 9, 0)),
        (
            Projection("input", "pool", kind=Pool((2, 2))),
            Projection("pool", "out", rng.integers(-5, 5, (10, 32)), delay=2, shift=1),
        ),
        ("out",),
    )
    config = needed_build(network, 8)
    assert min(config.groups, config.runs, config.history_rows) > 0
    assert config.graded
    compile_network(network, config)


def run_of(network):
    return random_run(network, RATES, 10)


def test_a_higher_target_takes_more_lanes(rng):
    network = layers(rng)
    run = run_of(network)
    builds = candidates(network, run, XC7, 100)
    shapes = [(b.config.lanes, b.config.compact) for b in builds]
    assert shapes == [(n, False) for n in LANES] + [(n, True) for n in COMPACT_LANES]
    slow, fast = (found(b.samples_per_s for b in builds) for found in (min, max))
    assert slow < fast
    for target in (0.9 * slow, 0.3 * fast, 0.5 * (slow + fast)):
        found = tailor(network, run, XC7, clock_mhz=100, target_fps=target)
        assert found.samples_per_s >= target
        smaller = [b for b in builds if b.area["LUT"] < found.area["LUT"]]
        assert all(b.samples_per_s < target for b in smaller)


def test_a_low_target_takes_a_compact_build_where_the_network_allows_one(rng):
    plain, resting = layers(rng), layers(rng, refractory=2)
    found = tailor(plain, run_of(plain), XC7, clock_mhz=100, target_fps=1)
    assert (found.config.compact, found.config.lanes, found.area["multiplier"]) == (True, 4, 1)
    compile_network(plain, found.config)
    other = tailor(resting, run_of(resting), XC7, clock_mhz=100, target_fps=1)
    assert not other.config.compact
    with pytest.raises(CapacityError, match="needs refractory, which no compact build has"):
        needed_build(resting, 4, compact=True)


def test_without_a_target_it_is_the_fastest_that_fits(rng):
    network = layers(rng)
    run = run_of(network)
    allowed = area(needed_build(network, 32), XC7)["LUT"] + 1
    found = tailor(network, run, XC7, clock_mhz=100, max_luts=allowed)
    assert (found.config.lanes, found.config.compact) == (32, False)


def test_what_is_out_of_reach_says_what_limits(rng):
    network = layers(rng)
    run = run_of(network)
    with pytest.raises(CapacityError, match=r"1e\+09 samples per second are out of reach on xc7z"):
        tailor(network, run, XC7, clock_mhz=100, target_fps=1e9)
    with pytest.raises(CapacityError, match=r"the smallest, of 4 lanes, takes .* LUT of 100"):
        tailor(network, run, XC7, clock_mhz=100, max_luts=100)


@pytest.mark.parametrize(
    ("rates", "message"),
    [
        ({"input": 0.1}, "rates must be given for input, hidden, out, not for input"),
        ({**RATES, "out": 2}, "rate of out must be from 0 to 1, not 2"),
    ],
)
def test_bad_rates(rng, rates, message):
    with pytest.raises(UsageError, match=message):
        random_run(layers(rng), rates, 4)


def test_the_area_model_gives_back_the_measured_builds():
    """Features exactly; lanes lie near a line; blocks and multipliers are counted."""
    rows = measured()
    assert len(rows) >= 10
    for row in rows:
        config, found = BuildConfig(**row["config"]), row["resources"]
        model = area(config, XC7)
        assert model["multiplier"] == found["DSP48E1"], config.name
        assert model["block RAM"] == pytest.approx(found["RAMB36"], abs=1), config.name
        for name in ("LUT", "FF"):
            assert model[name] == pytest.approx(found[name], rel=0.1), (config.name, name)
