"""The proof against every input: no potential and no partial sum leaves its bound."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.networks import one_neuron
from spikeloom.compile import prove_no_overflow
from spikeloom.compile.proof import Bound, population_bound
from spikeloom.spec import numfmt
from spikeloom.spec.errors import NetworkError
from spikeloom.spec.network import InputPopulation, Network, Population, Projection, Reset
from spikeloom_sim.golden import GoldenModel
from spikeloom_sim.matrix import MatrixModel

RESETS = ("subtract", "zero", "value", "none")
ORDERS = ("before_decay", "after_decay")


def integers(*edges):
    """Small numbers and the edges of the range."""
    return st.integers(-60, 60) | st.sampled_from(edges)


@st.composite
def populations(draw, name, n):
    reset = draw(st.sampled_from(RESETS))
    floor = draw(st.sampled_from([0, -1, -30, numfmt.POTENTIAL_MIN]))
    value = draw(integers(32767, -32768)) if reset == "value" else 0
    each = st.lists(st.integers(1, 120) | st.just(32767), min_size=n, max_size=n)
    return Population(
        name,
        (n,),
        threshold=np.array(draw(each), np.int32),
        decay=np.array(draw(st.sampled_from([0, 1, 16384, 30000, 32767, 32768])), np.int32),
        bias=np.array(draw(st.just(0) | integers(32767, -32768)), np.int32),
        reset=reset,
        reset_order=draw(st.sampled_from(ORDERS)),
        reset_value=value,
        initial=max(draw(st.just(0) | integers(32767, -32768)), floor),
        floor=floor,
        refractory=draw(st.sampled_from([0, 0, 1, 3])),
    )


@st.composite
def projections(draw, source, destination, n_source, n_destination, delay=0):
    bits = draw(st.sampled_from([8, 4, 2]))
    weights = st.integers(*numfmt.signed_range(bits))
    flat = draw(st.lists(weights, min_size=n_source * n_destination,
                         max_size=n_source * n_destination))  # fmt: skip
    return Projection(
        source,
        destination,
        np.array(flat).reshape(n_destination, n_source),
        weight_bits=bits,
        shift=draw(st.sampled_from([0, 0, 1, 7])),
        delay=delay,
    )


@st.composite
def networks(draw):
    """Two populations, recurrence included, behind an input of one or two neurons."""
    n_input, n_a, n_b = (draw(st.integers(1, 2)) for _ in range(3))
    magnitude = draw(st.integers(1, 2)) if n_input == 1 else 1
    parts = [
        draw(projections("input", "a", n_input, n_a, delay=draw(st.integers(0, 1)))),
        draw(projections("a", "b", n_a, n_b)),
    ]
    if draw(st.booleans()):
        parts.append(draw(projections("b", "a", n_b, n_a, delay=1)))
    return Network(
        (InputPopulation("input", (n_input,), magnitude),),
        (draw(populations("a", n_a)), draw(populations("b", n_b))),
        tuple(parts),
        ("b",),
    )


def every_input(network, ticks):
    source = network.inputs[0]
    values = product(range(source.max_magnitude + 1), repeat=ticks * source.n_neurons)
    return np.array(list(values), np.int64).reshape(-1, ticks, source.n_neurons)


def assert_within(network, trace, bounds):
    for name, bound in bounds.items():
        potentials = trace.potentials[name]
        assert bound.low <= potentials.min(), (name, bound)
        assert potentials.max() <= bound.high, (name, bound)


@settings(max_examples=150)
@given(networks())
def test_no_input_drives_a_potential_out_of_its_bound(network):
    try:
        bounds = prove_no_overflow(network)
    except NetworkError:
        return
    assert_within(network, GoldenModel(network).run(every_input(network, 3)), bounds)


def partial_sums(network, inputs, tick):
    """Return the least and greatest sum of V, bias and the events, in any order."""
    population = network.populations[0]
    (projection,) = network.projections
    v = GoldenModel(network).run(inputs[:, :tick]).final["a"].astype(np.int64)
    parts = projection.weights.astype(np.int64) << projection.shift
    parts = parts[None] * inputs[:, tick, None, :]
    bias = population.per_neuron("bias").astype(np.int64)
    low = v + np.minimum(bias, 0) + np.minimum(parts, 0).sum(axis=2)
    high = v + np.maximum(bias, 0) + np.maximum(parts, 0).sum(axis=2)
    return int(low.min()), int(high.max())


@settings(max_examples=100)
@given(st.data())
def test_no_partial_sum_leaves_the_bound(data):
    n = data.draw(st.integers(1, 2))
    network = Network(
        (InputPopulation("input", (2,)),),
        (data.draw(populations("a", n)),),
        (data.draw(projections("input", "a", 2, n)),),
        ("a",),
    )
    bound = population_bound(network, network.populations[0])
    if bound.low < numfmt.ACCUMULATOR_MIN or bound.high > numfmt.ACCUMULATOR_MAX:
        return
    inputs = every_input(network, 3)
    for tick in range(3):
        low, high = partial_sums(network, inputs, tick)
        assert bound.low <= low
        assert high <= bound.high


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("reset", RESETS)
def test_long_adversarial_input_stays_within_the_bound(reset, order, rng):
    """Every weight of one sign at full magnitude, one sign after the other, and at random."""
    for decay, floor in ((32768, -32768), (32767, -500), (29491, -32768), (9000, -50)):
        weights = rng.integers(-128, 128, (4, 6))
        network = Network(
            (InputPopulation("input", (6,), 5),),
            (
                Population("n", (4,), rng.integers(1, 900, 4).astype(np.int32), np.int32(decay),
                           rng.integers(-90, 90, 4).astype(np.int32), reset, order,
                           reset_value=700 if reset == "value" else 0, floor=floor),
            ),
            (Projection("input", "n", weights),),
            ("n",),
        )  # fmt: skip
        bound = prove_no_overflow(network)["n"]
        chosen = [(sign * row > 0) * 5 for row in weights for sign in (1, -1)]
        held = np.repeat(np.array(chosen)[:, None, :], 300, axis=1)
        turning = np.where(np.arange(300)[None, :, None] < 150, held, held[[1, 0, *range(2, 8)]])
        noise = rng.integers(0, 6, (8, 300, 6))
        trace = MatrixModel(network).run(np.concatenate([held, turning, noise]))
        assert_within(network, trace, {"n": bound})


def unit_network(**facts):
    """A neuron with the weights 1 and -1, so that any sum from -100 to 100 can arrive."""
    facts = {"threshold": np.int32(50), "decay": np.int32(16384), "floor": -40, **facts}
    return Network(
        (InputPopulation("input", (2,), 100),),
        (Population("n", (1,), **facts),),
        (Projection("input", "n", np.array([[1, -1]])),),
        ("n",),
    )


@pytest.mark.parametrize(
    ("reset", "order", "low", "high"),
    [
        # halved from a clip at -40: V from -20; the greatest V is that of the comment
        ("subtract", "before_decay", -120, 149),  # (49 + 100 - 50) / 2 = 49
        ("zero", "before_decay", -120, 124),  # 49 / 2 = 24
        ("value", "before_decay", -120, 130),  # 60 / 2 = 30
        ("none", "before_decay", -120, 199),  # (99 + 100) / 2 = 99
        # clipped behind the decay: V from -40
        ("subtract", "after_decay", -140, 124),  # 49 / 2 = 24 beats (24 + 100) / 2 - 50 = 12
        ("zero", "after_decay", -140, 124),
        ("value", "after_decay", -140, 160),  # the reset value does not decay
        ("none", "after_decay", -140, 199),
    ],
)
def test_bounds_of_hand_examples(reset, order, low, high):
    network = unit_network(
        reset=reset, reset_order=order, reset_value=60 if reset == "value" else 0
    )
    assert prove_no_overflow(network) == {"n": Bound(low, high)}


def decayed(value, decay):
    """Round towards zero, as Python's int() of a fraction does."""
    return int(value * decay / 32768)


def reached(network):
    """Return the range of H over every sequence of inputs, by search over all potentials."""
    p = network.populations[0]
    threshold, decay = int(p.threshold), int(p.decay)
    v_seen, fresh, h_seen = {p.initial}, {p.initial}, set()
    while fresh:
        h_new = {v + d + int(p.bias) for v in fresh for d in range(-100, 101)} - h_seen
        h_seen |= h_new
        fresh = set()
        for h in h_new:
            x = decayed(h, decay) if p.reset_order.value == "after_decay" else h
            if p.reset is not Reset.NONE and h >= threshold:
                x = {"subtract": x - threshold, "zero": 0, "value": p.reset_value}[p.reset.value]
            x = min(max(x, p.floor), 32767)
            fresh.add(decayed(x, decay) if p.reset_order.value == "before_decay" else x)
        fresh -= v_seen
        v_seen |= fresh
    return min(h_seen), max(h_seen)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("reset", RESETS)
@pytest.mark.parametrize(
    "facts",
    [
        {},
        {"decay": np.int32(30000), "floor": -32768},
        {"decay": np.int32(0)},
        {"decay": np.int32(29491), "initial": 3000, "threshold": np.int32(2000)},
        {"floor": 0, "threshold": np.int32(1)},
    ],
    ids=str,
)
def test_bounds_are_reached_where_every_sum_can_arrive(reset, order, facts):
    network = unit_network(
        reset=reset, reset_order=order, reset_value=-7 if reset == "value" else 0, **facts
    )
    bound = population_bound(network, network.populations[0])
    assert (bound.low, bound.high) == reached(network)


def test_an_integrator_is_bounded_by_the_clip():
    """It moves by 100 a tick, so that its range does not settle soon."""
    network = unit_network(reset="none", decay=np.int32(32768), floor=-30000)
    assert prove_no_overflow(network)["n"] == Bound(-30100, 32867)


@pytest.mark.parametrize("magnitude", [1, 2, 3, 127])
def test_bounds_follow_max_magnitude(magnitude):
    network = one_neuron(weight=10, magnitude=magnitude, n_inputs=3, shift=1, decay=0)
    assert prove_no_overflow(network)["n"] == Bound(0, 60 * magnitude)


def test_a_population_counts_as_one_spike_per_tick():
    """The magnitude belongs to the input alone."""
    network = Network(
        (InputPopulation("input", (1,), 100),),
        (Population("a", (3,), 5, 0), Population("b", (1,), 5, 0)),
        (Projection("input", "a", np.full((3, 1), 2)), Projection("a", "b", np.full((1, 3), 7))),
        ("b",),
    )
    assert prove_no_overflow(network) == {"a": Bound(0, 200), "b": Bound(0, 21)}


def brimful(bias):
    """An integrator whose H reaches 32767 + 8 * (96 << 7) = 131071 without a bias."""
    return Network(
        (InputPopulation("input", (8,)),),
        (Population("calm", (1,), 1, 0), Population("brim", (1,), 1, 32768, bias, "none")),
        (Projection("input", "brim", np.full((1, 8), 96), shift=7),),
        ("brim",),
    )


def test_the_last_value_of_the_accumulator_is_allowed():
    assert prove_no_overflow(brimful(0))["brim"] == Bound(-0, numfmt.ACCUMULATOR_MAX)


def test_refusal_names_population_bound_and_ways_out():
    with pytest.raises(NetworkError) as raised:
        prove_no_overflow(brimful(1))
    assert str(raised.value) == (
        "accumulators of population brim must stay from -131072 to 131071, but may reach 0 to "
        "131072; use smaller weights (a larger step or fewer bits), fewer inputs or a smaller "
        "max_magnitude, or raise floor"
    )


def test_refusal_of_the_lower_end():
    facts = {"weight": -96, "shift": 7, "n_inputs": 8, "reset": "none"}
    at_the_end = one_neuron(**facts, floor=-32768)
    assert prove_no_overflow(at_the_end)["n"].low == numfmt.ACCUMULATOR_MIN
    with pytest.raises(NetworkError, match=r"population n must .* may reach -131073 to"):
        prove_no_overflow(one_neuron(**facts, floor=-32768, bias=-1))


@pytest.mark.parametrize("order", ORDERS)
def test_a_refractory_neuron_holds_its_reset_value(order):
    """It is held at the undecayed value, and the next H starts there."""
    network = unit_network(
        reset="value", reset_value=20000, reset_order=order, decay=np.int32(0), refractory=2
    )
    bound = population_bound(network, network.populations[0])
    events = np.zeros((1, 5, 2), np.int64)
    events[0, [0, 3], 0] = 100
    assert GoldenModel(network).run(events).potentials["n"].max() == 20100 == bound.high


def test_a_refractory_neuron_may_rest_below_what_it_reaches_otherwise():
    network = one_neuron(weight=0, bias=300, threshold=100, initial=100, decay=16384, refractory=1)
    bound = population_bound(network, network.populations[0])
    trace = GoldenModel(network).run(np.zeros((1, 4, 1), np.int64))
    assert trace.potentials["n"].min() == 0
    assert bound.low <= 0
