"""What does not fit is named in numbers, with a way out."""

import numpy as np
import pytest

from sim.networks import one_neuron
from spikeloom.compile import capacity_report, check_supported, compile_network
from spikeloom.compile.placement import state_rows
from spikeloom.compile.support import MAX_STRIDE
from spikeloom.spec.config import PRESETS, BuildConfig
from spikeloom.spec.errors import CapacityError
from spikeloom.spec.network import InputPopulation, Network, Population, Projection


def chain(*sizes):
    """A network of dense layers; the first size is the input's."""
    names = ["input", *(f"layer{i}" for i in range(1, len(sizes)))]
    return Network(
        (InputPopulation("input", (sizes[0],)),),
        tuple(Population(n, (s,), 9, 0) for n, s in zip(names[1:], sizes[1:], strict=True)),
        tuple(
            Projection(a, b, np.ones((m, n), np.int8))
            for a, b, n, m in zip(names, names[1:], sizes, sizes[1:], strict=False)
        ),
        (names[-1],),
    )


def build(**facts):
    sizes = {"lanes": 4, "state_rows": 4, "weight_rows": 16, "populations": 4, "projections": 4}
    return BuildConfig("test", **{**sizes, **facts})


def message(network, config):
    with pytest.raises(CapacityError) as raised:
        compile_network(network, config)
    return str(raised.value)


def test_uses_are_counted_by_hand():
    report = capacity_report(chain(5, 9, 3), build())
    # 9 neurons take 3 rows of 4 lanes, 3 take 1; 5 sources take 3 rows of a bank, 9 take 5
    assert {u.resource: (u.used, u.available) for u in report.uses} == {
        "state_rows": (4, 4),
        "weight_rows": (3 * 3 + 1 * 5, 16),
        "populations": (3, 4),
        "projections": (2, 4),
    }
    assert report.fits
    assert report.lane_use == 12 / 16
    report.check()
    compile_network(chain(5, 9, 3), build())


@pytest.mark.parametrize(
    ("sizes", "config", "needs"),
    [
        ((4, 17), {}, "needs 5 state rows of 4 neurons (1 more than the 4 there are); "),
        ((35, 1), {}, "needs 18 weight rows of 4 per bank (2 more than the 16 there are); "),
        (
            (1, 1, 1, 1, 1),
            {},
            "needs 5 population table rows (1 more than the 4 there are); ",
        ),
        (
            (300, 40),
            {},
            "needs 10 state rows of 4 neurons (6 more than the 4 there are); "
            "1500 weight rows of 4 per bank (1484 more than the 16 there are); ",
        ),
    ],
)
def test_shortages_are_named_in_numbers(sizes, config, needs):
    found = message(chain(*sizes), build(**config))
    assert found.startswith(f"network does not fit build test: {needs}preset ")


def test_projection_table_rows_are_counted():
    network = chain(1, 1, 1, 1, 1)
    skips = [Projection("input", f"layer{i}", np.ones((1, 1), np.int8)) for i in (2, 3, 4)]
    full = Network(network.inputs, network.populations, (*network.projections, *skips), ("layer4",))
    found = message(full, build(populations=8))
    assert "needs 7 projection table rows (3 more than the 4 there are); preset" in found


def test_the_last_row_of_everything_can_be_used():
    full = chain(4, 8, 4, 4)
    uses = capacity_report(full, build(populations=4, projections=4)).uses
    assert [(u.used, u.available) for u in uses[:3]] == [(4, 4), (4 + 4 + 2, 16), (4, 4)]
    compile_network(full, build())
    compile_network(chain(32, 1), build())
    assert "needs 17 weight rows" in message(chain(33, 1), build())


def test_presets_that_would_do_are_named():
    # 2049 neurons: 512 rows of 4, 129 of 16, 65 of 32, 17 of 128
    assert message(chain(1, 2049), build()).endswith(
        "; preset pynq-z2 or pynq-z2-full or zu3 would hold it"
    )
    assert message(chain(1, 1000), build()).endswith(
        "; preset medium or pynq-z2 or pynq-z2-full or zu3 would hold it"
    )


def test_every_named_preset_holds_the_network():
    for sizes in ((784, 128, 10), (64, 32, 10), (8, 300), (3, 1000), (2000, 100), (1, 4096)):
        network = chain(*sizes)
        named = capacity_report(network, build()).fitting_presets
        for name, config in PRESETS.items():
            if name in named:
                assert compile_network(network, config).report.fits
            else:
                message(network, config)


def test_no_preset_is_named_when_none_holds_it():
    found = message(chain(1, 16385), PRESETS["pynq-z2"])
    assert found == (
        "network does not fit build pynq-z2: needs 129 state rows of 128 neurons (65 more than "
        "the 64 there are); no preset would hold it: use fewer neurons, or a build with more "
        "state_rows"
    )


def test_report_as_dict():
    report = capacity_report(chain(4, 17), build()).to_dict()
    assert report["build"] == "test"
    assert report["fits"] is False
    assert report["resources"][0] == {
        "resource": "state_rows",
        "used": 5,
        "available": 4,
        "unit": "state rows of 4 neurons",
        "fits": False,
    }
    assert report["fitting_presets"] == list(PRESETS)


def test_everything_that_is_not_supported_is_listed_at_once():
    network = Network(
        (InputPopulation("one", (2,)), InputPopulation("two", (2,))),
        (
            Population("a", (2,), np.array([3, 4]), 9, refractory=2),
            Population("b", (2,), 5, np.array([1, 2]), np.array([0, -1])),
        ),
        (
            Projection("one", "a", np.ones((2, 2), np.int8), shift=3),
            Projection("two", "b", np.ones((2, 2), np.int8), delay=5),
        ),
        ("b",),
    )
    full = "pynq-z2-full or zu3"
    rows = f"one per neuron needs the build option parameter_rows, as in pynq-z2 or {full}"
    assert message(network, PRESETS["tiny"]) == "build tiny cannot run this network: " + "; ".join(
        [
            f"threshold of a must be the same for the whole population: {rows}",
            "refractory of a must be 0, not 2: it needs the build option refractory, as in " + full,
            f"decay of b must be the same for the whole population: {rows}",
            f"bias of b must be the same for the whole population: {rows}",
            f"shift of one->a must be 0, not 3: it needs the build option graded, as in {full}",
            *(
                f"{name} must start at the only input, without other delays, not at one of 2 "
                f"ranges of addresses: it needs the build option groups, as in pynq-z2 or {full}"
                for name in ("one->a", "two->b")
            ),
        ]
    )


def test_parameters_per_neuron_that_are_all_the_same_are_supported():
    network = Network(
        (InputPopulation("input", (1,)),),
        (Population("n", (3,), np.full(3, 7), np.full(3, 100)),),
        (Projection("input", "n", np.ones((3, 1), np.int8)),),
        ("n",),
    )
    compile_network(network, PRESETS["tiny"])


def test_the_most_sources():
    weights = np.zeros((1, 2 * MAX_STRIDE + 2), np.int8)
    for n, fine in ((2 * MAX_STRIDE, True), (2 * MAX_STRIDE + 1, False)):
        network = Network(
            (InputPopulation("input", (n,)),),
            (Population("n", (1,), 7, 0),),
            (Projection("input", "n", weights[:, :n]),),
            ("n",),
        )
        if fine:
            check_supported(network, PRESETS["tiny"])
        else:
            with pytest.raises(CapacityError, match="input->n must have at most 131070 sources"):
                check_supported(network, PRESETS["tiny"])


@pytest.mark.parametrize("n", [(1 << 20) - 1, 1 << 20])
def test_an_input_that_feeds_nothing_may_be_too_large_for_its_table_row(n):
    network = Network(
        (InputPopulation("input", (n,)),), (Population("n", (1,), 7, 0, 7),), (), ("n",)
    )
    if n < 1 << 20:
        compile_network(network, PRESETS["tiny"])
    else:
        assert message(network, PRESETS["tiny"]) == (
            "build tiny cannot run this network: input must have at most 1048575 neurons, "
            "not 1048576"
        )


def test_an_overflow_is_found_before_the_capacity():
    with pytest.raises(Exception, match="accumulators of population n must stay"):
        compile_network(one_neuron(weight=127, shift=7, n_inputs=50, refractory=1), build())


@pytest.mark.parametrize("preset", PRESETS.values(), ids=lambda p: p.name)
def test_every_preset_compiles_a_network_that_fills_its_neurons(preset):
    network = chain(2, preset.neurons)
    done = compile_network(network, preset)
    assert done.report.lane_use == 1.0
    assert done.build.config == preset
    assert state_rows(preset.neurons, preset.lanes) == preset.state_rows
