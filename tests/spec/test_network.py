from __future__ import annotations

import json
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikeloom.spec import numfmt
from spikeloom.spec.errors import NetworkError
from spikeloom.spec.network import (
    InputPopulation,
    Network,
    Population,
    Projection,
    Reset,
    ResetOrder,
    check_identifier,
)


def population(name="p", shape=(4,), **changes):
    return Population(name, shape, **({"threshold": 10, "decay": 32768} | changes))


def projection(source="i", destination="p", shape=(4, 4), **changes):
    return Projection(source, destination, np.ones(shape, np.int8), **changes)


def network(**changes):
    parts = {
        "inputs": (InputPopulation("i", (4,)),),
        "populations": (population(),),
        "projections": (projection(),),
        "outputs": ("p",),
    }
    return Network(**(parts | changes))


def refused(text):
    return pytest.raises(NetworkError, match=f"^{re.escape(text)}$")


# Identifiers and shapes


@pytest.mark.parametrize("name", ["a", "_", "Hidden_1", "x" * 64])
def test_identifiers_are_taken(name):
    assert check_identifier("name", name) == name


@pytest.mark.parametrize(
    "name", ["", "1a", "a b", "a-b", "a\n", "a;b", "../a", "$a", "é", "x" * 65, None, 3, ["a"]]
)
def test_names_that_are_no_identifiers_are_refused(name):
    expected = (
        "population name must be a letter or underscore followed by at most 63 letters, "
        f"digits or underscores, not {name!r}"
    )
    with refused(expected):
        InputPopulation(name, (4,))
    with refused(expected):
        population(name=name)


@pytest.mark.parametrize("shape", [4, (), (2, 2), (1, 2, 3, 4), None, "44"])
def test_shapes_of_the_wrong_rank_are_refused(shape):
    with refused(f"shape of p must be (n,) or (height, width, channels), not {shape!r}"):
        population(shape=shape)


@pytest.mark.parametrize("shape", [(0,), (-1,), (2, 0, 2), (2.0,), (True,), ("4",), (None,)])
def test_shapes_with_dimensions_that_are_not_positive_integers_are_refused(shape):
    with refused(f"shape of p must have positive integer dimensions, not {shape!r}"):
        population(shape=shape)


@pytest.mark.parametrize("shape", [(2**20 + 1,), (2**40, 2**40, 1), (10**400,)])
def test_shapes_past_the_address_are_refused(shape):
    with refused(f"shape of i must have at most 1048576 neurons, not {shape!r}"):
        InputPopulation("i", shape)


def test_a_shape_of_three_dimensions_counts_its_neurons():
    assert InputPopulation("i", [2, 3, 5]).n_neurons == 30
    assert population(shape=[2, 3, 5]).shape == (2, 3, 5)


# Scalar parameters


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("floor", -32768, 0),
        ("initial", -32768, 32767),
        ("refractory", 0, 15),
        ("reset_value", -32768, 32767),
    ],
)
def test_scalar_parameters_hold_their_range_and_nothing_else(name, low, high):
    for value in (low, high):
        p = population(reset="value", **{name: np.int64(value)})
        assert type(getattr(p, name)) is int
    for value in (low - 1, high + 1):
        with refused(f"{name} of p must be from {low} to {high}, not {value}"):
            population(reset="value", **{name: value})
    for value in (1.0, True, "1", None):
        with refused(f"{name} of p must be an integer, not {value!r}"):
            population(reset="value", **{name: value})


def test_initial_below_floor_is_refused():
    with refused("initial of p must be from -5 to 32767, not -6"):
        population(floor=-5, initial=-6)


@pytest.mark.parametrize("value", [0, 128, -1])
def test_max_magnitude_out_of_range_is_refused(value):
    with refused(f"max_magnitude of i must be from 1 to 127, not {value}"):
        InputPopulation("i", (4,), max_magnitude=value)


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("reset", "subtract, zero, value, none"),
        ("reset_order", "before_decay, after_decay"),
    ],
)
@pytest.mark.parametrize("value", ["soft", None, 1, []])
def test_unknown_choices_are_refused(name, known, value):
    with refused(f"{name} of p must be one of {known}, not {value!r}"):
        population(**{name: value})


def test_choices_are_taken_as_text():
    p = population(reset="zero", reset_order="after_decay")
    assert (p.reset, p.reset_order) == (Reset.ZERO, ResetOrder.AFTER_DECAY)


def test_a_reset_value_without_its_reset_is_refused():
    with refused("reset_value of p must be 0 unless reset is value, not 3 with reset zero"):
        population(reset="zero", reset_value=3)


# Parameters per population, channel or neuron


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [("threshold", 1, 32767), ("decay", 0, 32768), ("bias", -32768, 32767)],
)
def test_array_parameters_hold_their_range_and_nothing_else(name, low, high):
    for value in (low, high):
        assert population(**{name: value}).per_neuron(name).tolist() == [value] * 4
    with refused(f"{name} of p must be from {low} to {high}, not from {low - 1} to {high}"):
        population(**{name: np.array([low - 1, high, low, low])})
    with refused(f"{name} of p must be from {low} to {high}, not from {low} to {high + 1}"):
        population(**{name: np.array([low, high + 1, low, low])})


@pytest.mark.parametrize("name", ["threshold", "decay", "bias"])
def test_array_parameters_of_other_types_and_shapes_are_refused(name):
    with refused(f"{name} of p must be integers, not float64"):
        population(**{name: 1.0})
    with refused(f"{name} of p must be integers, not bool"):
        population(**{name: True})
    with refused(
        f"{name} of p must have shape (), (channels,) or (n_neurons,) = [(), (2,), (12,)], not (3,)"
    ):
        population(shape=(2, 3, 2), **{name: np.ones(3, int)})


def test_parameters_per_channel_repeat_channels_last():
    p = population(shape=(2, 1, 3), threshold=np.array([1, 2, 3]), bias=np.arange(6))
    assert p.per_neuron("threshold").tolist() == [1, 2, 3, 1, 2, 3]
    assert p.per_neuron("decay").tolist() == [32768] * 6
    assert p.per_neuron("bias").tolist() == list(range(6))


def test_parameters_are_copies_that_cannot_be_written():
    given_array = np.full(4, 10)
    p = population(threshold=given_array)
    given_array[0] = 99
    assert p.threshold.tolist() == [10] * 4
    with pytest.raises(ValueError, match=r"^assignment destination is read-only$"):
        p.threshold[0] = 1


# Projections


@pytest.mark.parametrize("bits", numfmt.WEIGHT_BITS)
def test_weights_hold_their_width_and_nothing_else(bits):
    low, high = numfmt.signed_range(bits)
    weights = np.array([[low, high]])
    assert Projection("i", "p", weights, weight_bits=np.int64(bits)).weights.dtype == np.int8
    for wrong in (low - 1, high + 1):
        found = sorted([wrong, 0])
        with refused(
            f"weights of projection i->p must be from {low} to {high} for {bits} bits, "
            f"not from {found[0]} to {found[1]}"
        ):
            Projection("i", "p", np.array([[0, wrong]]), weight_bits=bits)


@pytest.mark.parametrize("bits", [0, 3, 16, 8.0, "8", None])
def test_other_weight_widths_are_refused(bits):
    with refused(f"weight_bits of projection i->p must be one of (8, 4, 2), not {bits!r}"):
        projection(weight_bits=bits)


@pytest.mark.parametrize(("name", "high"), [("shift", 7), ("delay", 63)])
def test_shift_and_delay_hold_their_range_and_nothing_else(name, high):
    assert type(getattr(projection(**{name: np.int64(high)}), name)) is int
    for value in (-1, high + 1):
        with refused(f"{name} of projection i->p must be from 0 to {high}, not {value}"):
            projection(**{name: value})
    with refused(f"{name} of projection i->p must be an integer, not 1.0"):
        projection(**{name: 1.0})


def test_weights_that_are_no_integer_matrix_are_refused():
    for weights, found in ((np.ones((2, 2)), "2-dimensional float64"), ([1], "1-dimensional int")):
        with pytest.raises(
            NetworkError,
            match=r"^weights of projection i->p must be a two-dimensional integer array, "
            f"not {found}",
        ):
            Projection("i", "p", weights)


def test_an_unknown_projection_kind_is_refused():
    known = "dense, conv2d, pool, sparse, one_to_one, uniform"
    with refused(f"kind of projection i->p must be one of {known}, not 'lstm'"):
        projection(kind="lstm")


@pytest.mark.parametrize(
    ("field", "names"), [("source", ("a b", "p")), ("destination", ("i", None))]
)
def test_projection_ends_that_are_no_identifiers_are_refused(field, names):
    with pytest.raises(NetworkError, match=f"^projection {field} must be a letter or underscore"):
        projection(*names)


# The graph


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"inputs": ()}, "a network must have at least one input population, not 0"),
        ({"populations": ()}, "a network must have at least one population, not 0"),
        ({"outputs": ()}, "a network must have at least one output population, not 0"),
        ({"outputs": ("q",)}, "output q is not a population of the network"),
        ({"outputs": ("i",)}, "output i is not a population of the network"),
        ({"outputs": ("p", "p")}, "output p is there twice"),
        (
            {"populations": (population("i"),)},
            "population names must be unique, but i is there twice",
        ),
        (
            {"projections": (projection("q", "p"),)},
            "projection q->p starts at an unknown population",
        ),
        (
            {"projections": (projection("p", "i"),)},
            "projection p->i must end at a population of neurons",
        ),
        ({"projections": (projection(), projection())}, "projection i->p is there twice"),
        (
            {"projections": (projection(shape=(4, 5)),)},
            "weights of projection i->p must have shape (destination, source) = (4, 4), not (4, 5)",
        ),
    ],
)
def test_graphs_that_break_a_rule_are_refused(changes, text):
    with refused(text):
        network(**changes)


def test_a_cycle_without_delay_is_refused_and_one_with_delay_is_taken():
    populations = (population("p"), population("q"))
    around = [("p", "q", 0), ("q", "p", 0)]
    with refused(
        "populations p, q form a cycle without delay; give at least one of its projections "
        "a delay of 1 tick or more"
    ):
        network(
            populations=populations,
            projections=[projection(a, b, delay=d) for a, b, d in around],
        )
    taken = network(
        populations=populations,
        projections=[projection("p", "q"), projection("q", "p", delay=1)],
    )
    assert [p.name for p in taken.order()] == ["p", "q"]


def test_a_population_that_feeds_itself_needs_a_delay():
    with pytest.raises(NetworkError, match=r"^populations p form a cycle without delay; "):
        network(projections=(projection("p", "p"),))
    assert network(projections=(projection("p", "p", delay=1),)).fan_in("p")


def test_order_is_topological_and_ties_keep_the_given_order():
    names = ["z", "y", "x", "w"]
    got = network(
        populations=[population(n) for n in names],
        projections=[projection("w", "z"), projection("i", "x"), projection("x", "y")],
        outputs=["z"],
    ).order()
    assert [p.name for p in got] == ["x", "y", "w", "z"]


def test_look_ups_find_populations_and_refuse_others():
    n = network()
    assert n.source("i") is n.inputs[0]
    assert n.source("p") is n.population("p") is n.populations[0]
    assert n.fan_in("p") == n.fan_out("i") == n.projections
    for look_up in (n.source, n.population):
        with refused("population q is not in the network"):
            look_up("q")
    with refused("population i is not in the network"):
        n.population("i")


# Taking apart and putting together


@st.composite
def networks(draw):
    sizes = draw(st.lists(st.integers(1, 6), min_size=2, max_size=4))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    populations, projections = [], []
    for i, n in enumerate(sizes[1:], 1):
        reset = draw(st.sampled_from(list(Reset)))
        floor = draw(st.integers(-32768, 0))
        populations.append(
            Population(
                f"p{i}",
                (n,),
                threshold=rng.integers(1, 32768, draw(st.sampled_from([(), (n,)]))),
                decay=draw(st.integers(0, 32768)),
                bias=draw(st.integers(-32768, 32767)),
                reset=reset,
                reset_order=draw(st.sampled_from(list(ResetOrder))),
                reset_value=draw(st.integers(-9, 9)) if reset is Reset.VALUE else 0,
                initial=draw(st.integers(floor, 32767)),
                floor=floor,
                refractory=draw(st.integers(0, 15)),
            )
        )
        bits = draw(st.sampled_from(numfmt.WEIGHT_BITS))
        low, high = numfmt.signed_range(bits)
        projections.append(
            Projection(
                f"p{i - 1}",
                f"p{i}",
                rng.integers(low, high + 1, (n, sizes[i - 1])),
                weight_bits=bits,
                shift=draw(st.integers(0, 7)),
                delay=draw(st.integers(0, 63)),
            )
        )
    return Network(
        inputs=[InputPopulation("p0", (sizes[0],), draw(st.integers(1, 127)))],
        populations=draw(st.permutations(populations)),
        projections=draw(st.permutations(projections)),
        outputs=[f"p{len(sizes) - 1}"],
    )


@given(networks())
def test_a_network_comes_back_from_its_parts(expected):
    description = json.loads(json.dumps(expected.describe()))
    got = Network.from_parts(description, expected.tensors())
    assert got == expected
    assert all(v.dtype in (np.int32, np.int8) for v in got.tensors().values())


def test_networks_differ_when_a_tensor_or_a_fact_differs():
    assert network() == network()
    assert network() != network(populations=(population(threshold=11),))
    assert network() != network(populations=(population(floor=-1),))
    assert network() != network(projections=(projection(shift=1),))
    other = Projection("i", "p", np.zeros((4, 4), np.int8))
    assert network() != network(projections=(other,))


def parts():
    n = network()
    return n.describe(), dict(n.tensors())


@pytest.mark.parametrize("key", ["population/p/decay", "projection/i/p/weights"])
def test_a_missing_tensor_is_named(key):
    description, tensors = parts()
    del tensors[key]
    with refused(f"tensor {key} is missing"):
        Network.from_parts(description, tensors)


def test_a_tensor_too_many_is_named():
    description, tensors = parts()
    tensors["population/q/decay"] = np.ones(1, np.int32)
    with refused("tensor population/q/decay belongs to no part of the network"):
        Network.from_parts(description, tensors)


@pytest.mark.parametrize("key", ["population/p/threshold", "projection/i/p/weights"])
def test_a_tensor_of_floats_is_refused(key):
    description, tensors = parts()
    tensors[key] = tensors[key].astype(np.float32)
    with pytest.raises(NetworkError, match=r" integer.*float32$"):
        Network.from_parts(description, tensors)


@pytest.mark.parametrize(
    ("part", "what"),
    [
        ("inputs", "input population"),
        ("populations", "population"),
        ("projections", "projection"),
    ],
)
def test_missing_and_unknown_fields_are_named(part, what):
    description, tensors = parts()
    first = sorted(description[part][0])[0]
    del description[part][0][first]
    with refused(f"{what} lacks the field {first}"):
        Network.from_parts(description, tensors)
    description, tensors = parts()
    description[part][0]["colour"] = 1
    with refused(f"{what} has an unknown field colour"):
        Network.from_parts(description, tensors)
    description[part] = [3]
    with refused(f"{what} must be an object, not int"):
        Network.from_parts(description, tensors)
    description[part] = {}
    with refused(f"network field {part} must be a list"):
        Network.from_parts(description, tensors)
    del description[part]
    with refused(f"network lacks the field {part}"):
        Network.from_parts(description, tensors)
