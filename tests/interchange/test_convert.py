"""From graph to integers: every kind of node, exactly where nothing has to be rounded."""

from __future__ import annotations

import numpy as np
import pytest

nir = pytest.importorskip("nir", reason="the nir package is missing")

from interchange.graphs import (  # noqa: E402
    DT,
    EXACT,
    chain,
    cuba_node,
    if_node,
    lif_node,
    whole,
    write,
)
from spikeloom.compile import prove_no_overflow  # noqa: E402
from spikeloom.nir.agreement import compare  # noqa: E402
from spikeloom.nir.calibrate import calibrate_on, convert  # noqa: E402
from spikeloom.nir.interpret import Interpreter  # noqa: E402
from spikeloom.nir.meaning import choose  # noqa: E402
from spikeloom.nir.reading import read_graph  # noqa: E402
from spikeloom.spec.errors import NetworkError  # noqa: E402
from spikeloom_sim.golden import GoldenModel  # noqa: E402


def interpreter(path, **choices):
    graph = read_graph(path)
    return Interpreter(graph, choose(graph, None, {**EXACT, **choices}))


def spikes_of(rng, *shape, greatest=1):
    draws = rng.random((3, 12, *shape)) < 0.4
    return draws * rng.integers(1, greatest + 1, draws.shape)


def check_exact(path, inputs, bits=8, **choices):
    """The golden model of the converted graph fires as the graph does in float64."""
    run = interpreter(path, **choices)
    samples = calibrate_on(run, inputs)
    converted = convert(run, bits, samples, max_magnitude=int(inputs.max(initial=1)))
    trace = GoldenModel(converted.network).run({converted.real.input_name: samples.events})
    fired = 0
    for population in converted.real.populations:
        target = population.target(samples.trace)
        if population.threshold is None:
            got = trace.potentials[population.name] * converted.steps[population.name]
            np.testing.assert_allclose(got, target, rtol=1e-9, atol=1e-9)
        else:
            got = trace.spikes[population.name]
            np.testing.assert_array_equal(got, target)
            fired += got.sum()
    assert fired > 0
    return converted


def conv(rng, n_in, n_out, kernel, **options):
    given = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1, **options}
    weight = whole(rng, n_out, n_in // given["groups"], *kernel)
    return nir.Conv2d((1, 1), weight, bias=np.zeros(n_out), **given)


CHAINS = {
    "affine": lambda r: ((7,), [nir.Affine(whole(r, 9, 7), whole(r, 9)), if_node((9,))]),
    "scale": lambda r: ((6,), [nir.Scale(np.arange(1.0, 7.0)), if_node((6,))]),
    "threshold": lambda r: (
        (7,), [nir.Linear(whole(r, 9, 7)), nir.Threshold(np.full(9, 2.0))],
    ),
    "delay": lambda r: (
        (7,), [nir.Linear(whole(r, 9, 7)), nir.Delay(np.full(9, 3 * DT)), if_node((9,))],
    ),
    "late bias": lambda r: (
        (7,), [nir.Affine(whole(r, 9, 7), whole(r, 9) * 50), nir.Delay(np.full(9, 2 * DT)),
               if_node((9,), 90.0)],
    ),
    "conv2d": lambda r: ((2, 6, 5), [conv(r, 2, 4, (3, 2), padding=1), if_node((4, 6, 6))]),
    "strided": lambda r: (
        (4, 7, 6),
        [conv(r, 4, 6, (3, 3), stride=(2, 1), dilation=(1, 2), groups=2, padding=(0, 1)),
         if_node((6, 3, 4))],
    ),
    "same": lambda r: ((1, 5, 5), [conv(r, 1, 2, (2, 3), padding="same"), if_node((2, 5, 5))]),
    "conv1d": lambda r: (
        (3, 9),
        [nir.Conv1d(1, whole(r, 4, 3, 3), 2, 1, 1, 1, np.zeros(4)), if_node((4, 5)),
         nir.Flatten({"input": np.array([4, 5])}, 0, -1), nir.Linear(whole(r, 5, 20)),
         if_node((5,))],
    ),
    "sum pool": lambda r: (
        (2, 6, 6), [nir.SumPool2d(np.array([2, 2]), np.array([2, 2]), np.array([0, 0])),
                    if_node((2, 3, 3), 3.0)],
    ),
    "average pool and conv": lambda r: (
        (2, 8, 8),
        [conv(r, 2, 3, (3, 3), padding=1), if_node((3, 8, 8)),
         nir.AvgPool2d(np.array([2, 2]), np.array([2, 2]), np.array([0, 0])),
         conv(r, 3, 4, (3, 3), padding=1), if_node((4, 4, 4), 2.0)],
    ),
    "pool of an odd size and conv": lambda r: (
        (2, 7, 7),
        [nir.SumPool2d(np.array([2, 2]), np.array([2, 2]), np.array([0, 0])),
         conv(r, 2, 3, (3, 3), padding=1), if_node((3, 3, 3), 7.0)],
    ),
    "flatten": lambda r: (
        (3, 4, 5),
        [nir.Flatten({"input": np.array([3, 4, 5])}, 0, -1), nir.Linear(whole(r, 8, 60)),
         if_node((8,))],
    ),
    "two linear nodes": lambda r: (
        (6,), [nir.Linear(whole(r, 4, 6)), nir.Scale(np.full(4, 0.5)),
               nir.Linear(whole(r, 5, 4)), if_node((5,), 11.0)],
    ),
    "current without memory": lambda r: (
        (7,), [nir.Linear(whole(r, 9, 7)), cuba_node((9,), 9 - 2.0**-6, DT, DT * 2.0**40)],
    ),
    "current of an integrator": lambda r: (
        (7,), [nir.Affine(whole(r, 9, 7), whole(r, 9)), cuba_node((9,), 39.5, DT * 2.0**40, DT)],
    ),
    "integrator read as a potential": lambda r: (
        (7,), [nir.Linear(whole(r, 9, 7)), if_node((9,)), nir.Linear(whole(r, 8, 9)),
               nir.I(np.full(8, 1 / DT))],
    ),
    "weights read as a potential": lambda r: (
        (7,), [nir.Linear(whole(r, 9, 7)), if_node((9,)), nir.Linear(whole(r, 8, 9))],
    ),
}  # fmt: skip


def shape_behind(items):
    for item in reversed(items):
        for name in ("v_threshold", "threshold", "r"):
            if hasattr(item, name):
                return getattr(item, name).shape
        if hasattr(item, "weight"):
            return item.weight.shape[:1]
    raise AssertionError


@pytest.mark.parametrize("name", CHAINS)
def test_a_chain_is_the_same_in_integers(name, tmp_path, rng):
    shape, items = CHAINS[name](rng)
    path = chain(tmp_path / "g.nir", shape, *items, out=shape_behind(items))
    check_exact(path, spikes_of(rng, *shape))


@pytest.mark.parametrize("choices", [
    {}, {"reset": "zero"}, {"fires": "gt", "reset": "zero"}, {"multi_spike": True},
    {"clamp": "all"}, {"reset_order": "after-decay"}, {"multi_spike": True, "clamp": "if"},
])  # fmt: skip
def test_every_reset_is_the_same_in_integers(choices, tmp_path, rng):
    items = [nir.Linear(whole(rng, 20, 9)), if_node((20,), 6.0), nir.Linear(whole(rng, 8, 20)),
             if_node((8,), 13.0)]  # fmt: skip
    path = chain(tmp_path / "g.nir", (9,), *items, out=(8,))
    converted = check_exact(path, spikes_of(rng, 9, greatest=3), **choices)
    assert converted.network.populations[0].multi_spike == choices.get("multi_spike", False)


def test_a_threshold_that_must_be_exceeded_costs_a_fraction_of_a_step(tmp_path, rng):
    items = [nir.Linear(whole(rng, 20, 9)), if_node((20,), 6.0)]
    path = chain(tmp_path / "g.nir", (9,), *items, out=(20,))
    run = interpreter(path, fires="gt")
    samples = calibrate_on(run, spikes_of(rng, 9))
    (found,) = compare(convert(run, 8, samples), samples).populations
    assert found.spikes_real > 5
    assert found.agreement > 0.99


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("at_start", [False, True])
def test_recurrence_is_the_same_in_both_forms(nested, at_start, tmp_path, rng):
    inner = {"lif": if_node((8,), 7.0), "w_rec": nir.Affine(whole(rng, 8, 8), whole(rng, 8))}
    wires = [("lif", "w_rec"), ("w_rec", "lif")]
    nodes = {"input": nir.Input(np.array([5])), "fc": nir.Linear(whole(rng, 8, 5))}
    end = {"output": nir.Output(np.array([8]))}
    if nested:
        ports = {"input": nir.Input(np.array([8])), "output": nir.Output(np.array([8]))}
        sub = nir.NIRGraph(
            {**inner, **ports}, [("input", "lif"), *wires, ("lif", "output")], type_check=False
        )
        nodes |= {"rec": sub, **end}
        edges = [("input", "fc"), ("fc", "rec"), ("rec", "output")]
    else:
        nodes |= {f"rec.{k}": v for k, v in inner.items()} | end
        edges = [("input", "fc"), ("fc", "rec.lif"), ("rec.lif", "output")]
        edges += [(f"rec.{a}", f"rec.{b}") for a, b in wires]
    path = write(tmp_path / "g.nir", nodes, edges)
    converted = check_exact(path, spikes_of(rng, 5), bias_at_start=at_start)
    (back,) = [p for p in converted.network.projections if p.source == p.destination]
    assert back.delay == 1
    always = [p.name for p in converted.network.populations if p.name.startswith("always_")]
    assert bool(always) == (not at_start)


@pytest.mark.parametrize("choices", [{"current_first": False}, {"decay": "exp"}])
def test_a_current_and_a_leak_stay_near(choices, tmp_path, rng):
    items = [nir.Affine(rng.normal(0, 1.0, (30, 9)), rng.normal(0.2, 0.1, 30)),
             cuba_node((30,), 3.0, 3e-4, 8e-4)]  # fmt: skip
    path = chain(tmp_path / "g.nir", (9,), *items, out=(30,))
    run = interpreter(path, **choices)
    samples = calibrate_on(run, spikes_of(rng, 9))
    converted = convert(run, 8, samples)
    (found,) = compare(converted, samples).populations
    assert found.spikes_real > 5
    assert found.agreement > 0.98


def test_leaks_with_parameters_of_every_granularity_stay_near(tmp_path, rng):
    node = lif_node((4, 5, 5), 1.0)
    node.tau = np.repeat(rng.uniform(3e-4, 2e-3, 4), 25).reshape(4, 5, 5)
    node.v_threshold = rng.uniform(0.5, 1.5, (4, 5, 5))
    node.v_leak = np.full((4, 5, 5), 0.1)
    kernel = nir.Conv2d((1, 1), rng.normal(0, 3, (4, 1, 3, 3)), 1, 1, 1, 1, rng.normal(0, 0.3, 4))
    path = chain(tmp_path / "g.nir", (1, 5, 5), kernel, node, out=(4, 5, 5))
    run = interpreter(path)
    samples = calibrate_on(run, spikes_of(rng, 1, 5, 5))
    converted = convert(run, 8, samples, bias_correction=True)
    (population,) = converted.network.populations
    assert population.threshold.shape == (100,)
    assert population.decay.shape == (4,)
    (found,) = compare(converted, samples).populations
    assert found.spikes_real > 5
    assert found.agreement > 0.98


def test_a_neuron_that_fires_without_input_does_so_in_integers(tmp_path):
    node = lif_node((3,), 1.0, v_leak=1.2)
    path = chain(tmp_path / "g.nir", (1,), nir.Linear(np.ones((3, 1))), node, out=(3,))
    inputs = np.zeros((1, 100, 1), np.int64)
    run = interpreter(path, reset="zero")
    samples = calibrate_on(run, inputs)
    converted = convert(run, 8, samples)
    assert samples.trace.spikes["n1"].sum() > 9
    assert compare(converted, samples).populations[0].agreement == 1


def test_plain_means_one_step_and_no_shift(tmp_path, rng):
    weight = rng.normal(0, 1, (9, 7)) * np.arange(1, 10)[:, None]
    path = chain(tmp_path / "g.nir", (7,), nir.Linear(weight), lif_node((9,), 3.0), out=(9,))
    run = interpreter(path)
    samples = calibrate_on(run, spikes_of(rng, 7))
    plain = convert(run, 8, samples, plain=True).network
    other = convert(run, 8, samples).network
    assert plain.populations[0].threshold.shape == ()
    assert plain.projections[0].shift == 0
    assert other.populations[0].threshold.shape == (9,)


def test_fit_makes_steps_coarser_until_no_accumulator_can_overflow(tmp_path, rng):
    items = [nir.Linear(rng.normal(0, 3, (200, 30))), if_node((200,), 0.5),
             nir.Linear(rng.normal(0, 3, (20, 200))), if_node((20,), 9.0)]  # fmt: skip
    path = chain(tmp_path / "g.nir", (30,), *items, out=(20,))
    run = interpreter(path, multi_spike=True)
    samples = calibrate_on(run, spikes_of(rng, 30))
    with pytest.raises(NetworkError, match="accumulators of population n3 must stay"):
        prove_no_overflow(convert(run, 8).network)
    for given in (None, samples):
        converted = convert(run, 8, given, fit=True)
        bounds = prove_no_overflow(converted.network)
        assert max(bounds["n3"].high, -bounds["n3"].low) > 1 << 16
        for found in compare(converted, samples).populations:
            assert 0.8 < found.spikes_whole / found.spikes_real < 1.2


REFUSED = {
    "a potential sent on": (
        lambda r: [nir.Linear(whole(r, 4, 3)), nir.LI(*[np.ones(4)] * 3),
                   nir.Linear(whole(r, 4, 4)), if_node((4,))],
        r"n3: it takes the potential of n1, but only spikes can be sent on \(let n1 be an output",
    ),
    "delays that differ": (
        lambda r: [nir.Linear(whole(r, 4, 3)), nir.Delay(np.arange(4) * DT), if_node((4,))],
        r"n1: its delay must be one for all elements \(split the population by delay\)",
    ),
    "a long delay": (
        lambda r: [nir.Linear(whole(r, 4, 3)), nir.Delay(np.full(4, 64 * DT)), if_node((4,))],
        r"n2: its input from input must come at most 63 ticks late, not 64 \(use a larger dt\)",
    ),
    "part of a tick": (
        lambda r: [nir.Linear(whole(r, 4, 3)), nir.Delay(np.full(4, 1.5 * DT)), if_node((4,))],
        r"n1: its delay must be a whole number of ticks, not 1.5",
    ),
    "a threshold of 0": (
        lambda r: [nir.Linear(whole(r, 4, 3)), if_node((4,), 0.0)],
        r"n1: its threshold must be positive, not 0 \(shift v_threshold",
    ),
    "a short time constant": (
        lambda r: [nir.Linear(whole(r, 4, 3)), lif_node((4,), 1.0, tau=DT / 2)],
        r"n1: the time constant must be at least dt = 0.0001 s with Euler \(use a smaller dt",
    ),
    "a reset value that is not used": (
        lambda r: [nir.Linear(whole(r, 4, 3)), lif_node((4,), 1.0, v_reset=-0.5)],
        r"n1: its v_reset is not 0, which the reset subtract does not use",
    ),
    "shapes": (
        lambda r: [nir.Linear(whole(r, 4, 5)), if_node((4,))],
        r"n0: it takes 5 values in one dimension, not \(3,\)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_mapped_is_refused_with_the_reason(name, tmp_path, rng):
    make, message = REFUSED[name]
    path = chain(tmp_path / "g.nir", (3,), *make(rng), out=(4,))
    with pytest.raises(NetworkError, match=message):
        convert(interpreter(path), 8)


def test_all_reasons_come_at_once(tmp_path, rng):
    items = [nir.Linear(whole(rng, 4, 3)), nir.Delay(np.arange(4) * DT), if_node((4,), -1.0),
             nir.Linear(whole(rng, 4, 4)), nir.LI(*[np.ones(4)] * 3), nir.Linear(whole(rng, 4, 4)),
             if_node((4,))]  # fmt: skip
    path = chain(tmp_path / "g.nir", (3,), *items, out=(4,))
    with pytest.raises(NetworkError) as caught:
        convert(interpreter(path), 8)
    text = str(caught.value)
    assert "for 3 reasons: [1]" in text
    for part in ("n1: its delay", "n2: its threshold", "n6: it takes the potential"):
        assert part in text


def test_a_cycle_without_a_neuron_is_refused(tmp_path, rng):
    nodes = {
        "input": nir.Input(np.array([4])), "a": nir.Linear(whole(rng, 4, 4)),
        "b": nir.Linear(whole(rng, 4, 4)), "n": if_node((4,)), "output": nir.Output(np.array([4])),
    }  # fmt: skip
    edges = [("input", "a"), ("a", "b"), ("b", "a"), ("a", "n"), ("n", "output")]
    path = write(tmp_path / "g.nir", nodes, edges)
    with pytest.raises(NetworkError, match="lies on a cycle without a neuron"):
        convert(interpreter(path), 8)


def test_a_population_that_falls_silent_is_warned_of(tmp_path, rng):
    weight = np.full((4, 300), 0.01)
    weight[:, 0] = 100.0  # never used, but it decides the step
    path = chain(tmp_path / "g.nir", (300,), nir.Linear(weight), if_node((4,), 1.0), out=(4,))
    run = interpreter(path)
    inputs = (rng.random((2, 9, 300)) < 0.9).astype(np.int64)
    inputs[:, :, 0] = 0
    samples = calibrate_on(run, inputs)
    report = compare(convert(run, 2), samples)
    (warning,) = report.warnings()
    assert "population n1 HAS FALLEN SILENT: 0.0 spikes" in warning
