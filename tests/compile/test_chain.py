import itertools
import re

import numpy as np
import pytest

from spikeloom.compile import Arrangement, compile_network
from spikeloom.compile.chain import loads, plan_chain
from spikeloom.spec.config import BuildConfig
from spikeloom.spec.errors import CapacityError, UsageError
from spikeloom.spec.network import InputPopulation, Network, Population, Projection
from spikeloom.spec.tables import FEEDS, ROUTES, TARGETS, unpack_row

BUILD = BuildConfig(
    "chained", 4, 16, 256, groups=64, runs=256, history_rows=64, cores=4, link_beats=64
)


def layers(*sizes, feedback=None):
    """A network of dense layers; ``feedback`` joins the last to the first with that delay."""
    populations = [
        Population(f"p{i}", (n,), np.asarray(5, np.int32), np.asarray(32768, np.int32))
        for i, n in enumerate(sizes)
    ]
    names = ["in", *(p.name for p in populations)]
    rng = np.random.default_rng(1)
    projections = [
        Projection(a, b, rng.integers(-3, 4, (n, m)).astype(np.int8))
        for (a, b), (m, n) in zip(
            itertools.pairwise(names), itertools.pairwise((6, *sizes)), strict=True
        )
    ]
    if feedback is not None:
        weights = rng.integers(-3, 4, (sizes[0], sizes[-1])).astype(np.int8)
        projections.append(Projection(names[-1], "p0", weights, delay=feedback))
    outputs = (populations[-1].name,)
    inputs = (InputPopulation("in", (6,)),)
    return Network(inputs, tuple(populations), tuple(projections), outputs)


@pytest.mark.parametrize("n_cores", [1, 2, 3, 4])
def test_the_heaviest_load_is_the_least_that_cuts_can_have(n_cores):
    network = layers(12, 3, 20, 5, 9)
    chain = plan_chain(network, BUILD, n_cores)
    work = [loads(network, BUILD.lanes)[p.name] for p in network.order()]
    best = min(
        max(sum(work[a:b]) for a, b in itertools.pairwise((0, *inner, 5)))
        for inner in itertools.combinations(range(1, 5), n_cores - 1)
    )
    assert max(plan.load for plan in chain.cores) == pytest.approx(best, rel=1e-12)
    assert [p for core in range(n_cores) for p in chain.cut.on_core(core)] == list(network.order())


def test_the_report_names_loads_and_bottleneck():
    report = compile_network(layers(4, 40, 4), BUILD, Arrangement.CHAIN, 3).report
    assert len(report.loads) == 3
    assert report.bottleneck == 1
    assert {use.resource for use in report.uses} >= {"core0_state_rows", "core2_link_beats"}
    assert report.to_dict()["loads"] == list(report.loads)


def test_feeds_targets_and_routes_join_source_and_destination():
    network = layers(5, 6, 7, feedback=3)
    compiled = compile_network(network, BUILD, Arrangement.CHAIN, 3)
    rows = {
        (table.name, core): [unpack_row(table, r) for r in compiled.images[name]]
        for table in (ROUTES, FEEDS, TARGETS)
        for core in range(3)
        for name in [f"core{core}_{table.name}" if core else table.name]
    }
    feed, end = rows["feeds", 0]
    assert (feed["source"], feed["delay"], feed["keep"], end["valid"]) == (2, 3, 3, 0)
    target = rows["targets", 0][feed["first_target"] + 1]
    assert target == {"address": 8, "wanted": 1}  # behind the six addresses of the host
    assert [rows["routes", core][1]["cores"] for core in range(3)] == [0b010, 0b100, 0b001]
    assert [rows["routes", core][1]["host"] for core in range(3)] == [0, 0, 1]
    assert [rows["routes", core][1]["population"] for core in range(3)] == [1, 2, 3]
    assert compiled.build.takes_input == (True, False, False)
    assert [p.core for p in compiled.build.populations[1:]] == [0, 1, 2]


def test_a_network_that_fits_one_core_runs_side_by_side():
    assert compile_network(layers(5, 5), BUILD).build.side_by_side
    big = compile_network(layers(40, 40), BUILD).build  # 20 state rows
    assert not big.side_by_side
    assert big.n_cores == 2


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (layers(70, 5), "core 0 needs 18 state rows of 4 neurons, but has 16"),
        (layers(5, 5, feedback=40), "core 0 needs 168 beats of spikes that wait between core 1"),
        (layers(60, 60, 4), "core 1 needs 480 weight rows of 4 per bank, but has 256"),
    ],
)
def test_what_does_not_fit_is_named(network, message):
    with pytest.raises(CapacityError, match=re.escape(message)):
        compile_network(network, BUILD, Arrangement.CHAIN, 2)


def test_arrangements_that_the_build_lacks_are_refused():
    single = BuildConfig("single", 4, 16, 256)
    with pytest.raises(UsageError, match=r"^n_cores must be from 1 to 1, not 2$"):
        compile_network(layers(5), single, n_cores=2)
    with pytest.raises(UsageError, match=r"^a chain needs the build option link_beats, which s"):
        compile_network(layers(5), single, Arrangement.CHAIN)
