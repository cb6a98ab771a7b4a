"""Kinds of projections: shapes, refusals, and one event against all events together."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spikeloom.artefact import read_artefact, write_artefact
from spikeloom.spec.errors import ArtefactError, NetworkError
from spikeloom.spec.manifest import InputFacts
from spikeloom.spec.network import (
    Conv2d,
    Dense,
    Ends,
    InputPopulation,
    Network,
    OneToOne,
    Pool,
    Population,
    Projection,
    ProjectionKind,
    Sparse,
    Uniform,
)
from spikeloom.spec.projection import KINDS
from spikeloom_sim.random_contract import random_contract_network


def refused(text):
    return pytest.raises(NetworkError, match=f"^{re.escape(text)}$")


def network(kind, weights=None, source=(4, 4, 2), destination=(2, 2, 2), **facts):
    given_weights = {} if weights is None else {"weights": np.asarray(weights)}
    return Network(
        (InputPopulation("i", source),),
        (Population("p", destination, threshold=10, decay=0),),
        (Projection("i", "p", kind=kind, **given_weights, **facts),),
        ("p",),
    )


def synapses(kind, ends, weights):
    """Return the synapses as a matrix of weights (source, destination), from fan_out alone."""
    out = np.zeros((ends.n_source, ends.n_destination), np.int64)
    there = np.zeros(out.shape, int)
    for neuron in range(ends.n_source):
        reached, found = kind.fan_out(neuron, ends, weights)
        assert reached.dtype == found.dtype == np.int64
        np.add.at(there[neuron], reached, 1)
        out[neuron, reached] = found
    assert there.max(initial=0) <= 1  # two neurons have at most one synapse
    return out, there.sum(axis=1)


def test_every_kind_has_a_name():
    assert {kind.tag for kind in KINDS.values()} == set(ProjectionKind)
    assert len(KINDS) == len(ProjectionKind) == 6


@settings(max_examples=150)
@given(st.integers(0, 2**32 - 1))
def test_one_event_and_all_events_agree(seed):
    rng = np.random.default_rng(seed)
    n = random_contract_network(rng)
    for p in n.projections:
        ends = n.ends(p)
        matrix, sizes = synapses(p.kind, ends, p.weights)
        np.testing.assert_array_equal(sizes, p.kind.fan_out_sizes(ends, p.weights))
        events = rng.integers(-127, 128, (3, ends.n_source))
        for dtype in (np.int64, np.float64):
            got = p.kind.sums(events.astype(dtype), ends, p.weights.astype(dtype))
            assert got.dtype == dtype
            np.testing.assert_array_equal(got, events @ matrix)


@pytest.mark.parametrize("kind", [Conv2d(padding=1), Sparse([0, 2, 2, 3], [0, 1, 1])])
def test_large_batches_are_worked_in_parts(kind, monkeypatch, rng):
    ends = Ends((1, 3, 1), (1, 3, 1))
    weights = rng.integers(-9, 9, (1, 3, 3, 1) if isinstance(kind, Conv2d) else 3)
    events = rng.integers(0, 9, (7, 3))
    expected = kind.sums(events, ends, weights)
    monkeypatch.setattr("spikeloom.spec.sparse.CHUNK_VALUES", 1)
    monkeypatch.setattr("spikeloom.spec.windows.CHUNK_VALUES", 1)
    np.testing.assert_array_equal(kind.sums(events, ends, weights), expected)


# Examples by hand


def test_a_convolution_by_hand():
    # 1 x 3 inputs, filter (1, 2, 3), padding 1: output x sees inputs x - 1, x, x + 1
    kind, ends = Conv2d(padding=(0, 1)), Ends((1, 3, 1), (1, 3, 1))
    weights = np.array([1, 2, 3]).reshape(1, 1, 3, 1)
    matrix, sizes = synapses(kind, ends, weights)
    assert matrix.tolist() == [[2, 1, 0], [3, 2, 1], [0, 3, 2]]
    assert sizes.tolist() == [2, 3, 2]


def test_stride_leaves_inputs_without_synapses():
    kind, ends = Conv2d(stride=2), Ends((1, 5, 1), (1, 3, 1))
    matrix, sizes = synapses(kind, ends, np.full((1, 1, 1, 1), 7))
    assert sizes.tolist() == [1, 0, 1, 0, 1]
    assert matrix.sum() == 21


def test_groups_keep_channels_apart_and_channels_come_last():
    # two channels, each with its own filter, two outputs per group
    kind, ends = Conv2d(groups=2), Ends((1, 1, 2), (1, 1, 4))
    weights = np.array([1, 2, 3, 4]).reshape(4, 1, 1, 1)
    assert synapses(kind, ends, weights)[0].tolist() == [[1, 2, 0, 0], [0, 0, 3, 4]]


def test_a_pool_sums_each_channel():
    kind, ends = Pool((1, 2)), Ends((1, 4, 2), (1, 2, 2))
    matrix, _ = synapses(kind, ends, np.array(1))
    assert np.argwhere(matrix).tolist() == [
        [0, 0], [1, 1], [2, 0], [3, 1], [4, 2], [5, 3], [6, 2], [7, 3],
    ]  # fmt: skip


def test_rows_of_a_sparse_projection_belong_to_sources():
    kind, ends = Sparse([0, 2, 2, 3], [0, 2, 1]), Ends((3,), (3,))
    matrix, sizes = synapses(kind, ends, np.array([5, 0, -7]))
    assert matrix.tolist() == [[5, 0, 0], [0, 0, 0], [0, -7, 0]]
    assert sizes.tolist() == [2, 0, 1]


def test_lateral_inhibition_spares_the_neuron_itself():
    matrix, sizes = synapses(Uniform(True), Ends((3,), (3,)), np.array(-4))
    assert matrix.tolist() == [[0, -4, -4], [-4, 0, -4], [-4, -4, 0]]
    assert sizes.tolist() == [2, 2, 2]


# Forms of the arguments


def test_pairs_may_be_one_integer_and_a_pool_strides_by_its_kernel():
    assert Conv2d(2, np.int64(1), [1, 3]) == Conv2d((2, 2), (1, 1), (1, 3))
    assert Pool(3) == Pool((3, 3), (3, 3), (0, 0))
    assert Pool((2, 1), 1).stride == (1, 1)


def test_a_kind_without_parameters_may_be_named():
    assert Projection("a", "b", np.ones((1, 1), int), kind="dense").kind == Dense()
    assert Projection("a", "b", kind=ProjectionKind.ONE_TO_ONE).kind == OneToOne()
    assert Projection("a", "b", kind="uniform").weights == 1
    with refused(
        "kind of projection a->b must be given with its parameters, as a Pool, not as the name pool"
    ):
        Projection("a", "b", kind="pool")


def test_networks_differ_when_a_parameter_of_the_kind_differs():
    def conv(dilation):
        weights = np.ones((2, 1, 1, 2), int)
        return network(Conv2d(dilation=dilation), weights, destination=(4, 4, 2))

    def sparse(index):
        return network(Sparse([0, *[1] * 32], [index]), [3])

    assert conv(1) == conv(1) != conv(2)
    assert sparse(1) == sparse(1) != sparse(2)


# What is refused


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Conv2d(stride=0), "stride of kind conv2d must be from 1 to 1048576, not 0"),
        (lambda: Conv2d(padding=-1), "padding of kind conv2d must be from 0 to 1048576, not -1"),
        (
            lambda: Conv2d(dilation=(1, 2, 3)),
            "dilation of kind conv2d must be two integers (vertical, horizontal), not (1, 2, 3)",
        ),
        (lambda: Conv2d(stride=(1, 1.0)), "stride of kind conv2d must be an integer, not 1.0"),
        (
            lambda: Conv2d(padding="same"),
            "padding of kind conv2d must be two integers (vertical, horizontal), not 'same'",
        ),
        (lambda: Conv2d(groups=0), "groups of kind conv2d must be from 1 to 1048576, not 0"),
        (lambda: Pool(0), "kernel of kind pool must be from 1 to 1048576, not 0"),
        (lambda: Uniform(1), "except_partner of kind uniform must be true or false, not 1"),
        (
            lambda: Sparse([0.0], [1]),
            "indptr of kind sparse must be a one-dimensional integer array, "
            "not 1-dimensional float64",
        ),
        (
            lambda: Sparse([0, 1], [-1]),
            "indices of kind sparse must be from 0 to 2147483647, not from -1 to -1",
        ),
        (
            lambda: Sparse([0, 0], np.zeros(0, int)),
            "indices of kind sparse must hold at least one synapse, not 0",
        ),
        (lambda: Sparse([0], [1]), "indptr of kind sparse must have n_source + 1 values, not 1"),
        (
            lambda: Sparse([0, 2], [1]),
            "indptr of kind sparse must rise from 0 to 1, the number of indices, "
            "not go from 0 to 2 or fall in between",
        ),
        (
            lambda: Sparse([0, 2, 1, 2], [1, 2]),
            "indptr of kind sparse must rise from 0 to 2, the number of indices, "
            "not go from 0 to 2 or fall in between",
        ),
        (
            lambda: Sparse([0, 1, 3], [5, 2, 2]),
            "indices of kind sparse must rise within a row, but row 1 has 2 behind 2",
        ),
    ],
)
def test_kinds_that_break_a_rule_are_refused(make, text):
    with refused(text):
        make()


def test_rows_may_start_again_lower_and_may_be_empty_at_the_end():
    assert Sparse([0, 2, 3, 3], [4, 5, 0]).indices.tolist() == [4, 5, 0]


CONV = np.ones((2, 3, 3, 2), int)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((Conv2d(), [[1]]), "weights of projection i->p must be a four-dimensional integer array, "
         "not 2-dimensional int64"),
        ((Pool(2), [1]), "weights of projection i->p must be one integer, not 1-dimensional int64"),
        ((Sparse([0, 1], [0]), [[1]]), "weights of projection i->p must be a one-dimensional "
         "integer array, not 2-dimensional int64"),
        ((OneToOne(), [[1]]), "weights of projection i->p must be one integer or a "
         "one-dimensional integer array, not 2-dimensional int64"),
        ((Conv2d(), CONV, (4, 4, 2), (2, 2, 3)), "destination of projection i->p must have shape "
         "(height, width, channels) = (2, 2, 2), not (2, 2, 3)"),
        ((Conv2d(), CONV, (32,)), "source of projection i->p must have shape (height, width, "
         "channels), not (32,)"),
        ((Conv2d(), CONV, (4, 4, 3)), "weights of projection i->p must have in_channels / groups "
         "= 3 / 1 as their last dimension, not 2"),
        ((Conv2d(groups=2), np.ones((3, 3, 3, 1), int)), "groups of projection i->p must divide "
         "its 3 output channels, not be 2"),
        ((Conv2d(), np.ones((2, 0, 3, 2), int)), "weights of projection i->p must not be empty, "
         "not of (2, 0, 3, 2)"),
        ((Conv2d(dilation=2), CONV), "projection i->p has a window that must fit into its source "
         "of 4 x 4 neurons with padding (0, 0), but leaves 0 x 0 outputs"),
        ((Pool(2), 1, (4, 4, 2), (2, 2, 1)), "destination of projection i->p must have shape "
         "(height, width, channels) = (2, 2, 2), not (2, 2, 1)"),
        ((Sparse([0, 1], [0]), [1]), "indptr of projection i->p must have n_source + 1 = 33 "
         "values, not 2"),
        ((Sparse([0, *[1] * 32], [8]), [1]), "indices of projection i->p must be from 0 to 7, "
         "not 8"),
        ((Sparse([0, *[1] * 32], [7]), [1, 2]), "weights of projection i->p must have shape "
         "(synapses,) = (1,), not (2,)"),
        ((OneToOne(), 1), "one_to_one projection i->p must join populations of the same number "
         "of neurons, not 32 and 8"),
        ((OneToOne(), [1, 2], (4,), (4,)), "weights of projection i->p must have shape () or "
         "(neurons,) = (4,), not (2,)"),
        ((Uniform(True), 1), "uniform projection i->p with except_partner must join populations "
         "of the same number of neurons, not 32 and 8"),
    ],
)  # fmt: skip
def test_projections_that_do_not_fit_are_refused(arguments, text):
    with refused(text):
        network(*arguments)


# Artefacts


def written(tmp_path, n):
    return write_artefact(tmp_path / "a", n, InputFacts(shape=n.inputs[0].shape, ticks=3))


@settings(max_examples=30)
@given(seed=st.integers(0, 2**32 - 1))
def test_an_artefact_brings_any_network_back(tmp_path_factory, seed):
    pytest.importorskip("safetensors")
    n = random_contract_network(np.random.default_rng(seed))
    folder = tmp_path_factory.mktemp("artefact")
    assert read_artefact(written(folder, n).path).network() == n


def test_networks_of_before_are_described_as_before(small_network):
    description = small_network.describe()
    assert set(description["inputs"][0]) == {"name", "shape", "max_magnitude"}
    assert set(description["populations"][0]) == {
        "name", "shape", "reset", "reset_order", "reset_value", "initial", "floor", "refractory",
    }  # fmt: skip
    assert set(description["projections"][0]) == {
        "source", "destination", "kind", "weight_bits", "shift", "delay",
    }  # fmt: skip
    assert not [name for name in small_network.tensors() if "current" in name]


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("stride", None, "projection lacks the field stride"),
        ("colour", 1, "projection has an unknown field colour"),
        ("kind", "pool", "projection lacks the field kernel"),
        ("kind", "dense", "projection has an unknown field dilation"),
        ("kind", ["conv2d"], "kind of projection must be one of dense, conv2d, pool, sparse, "
         "one_to_one, uniform, not ['conv2d']"),
        ("stride", [1, "2"], "stride of kind conv2d must be an integer, not '2'"),
        ("groups", True, "groups of kind conv2d must be an integer, not True"),
    ],
)  # fmt: skip
def test_descriptions_of_kinds_are_read_strictly(field, value, text):
    n = network(Conv2d(), CONV)
    description = n.describe()
    if value is None:
        del description["projections"][0][field]
    else:
        description["projections"][0][field] = value
    with refused(text):
        Network.from_parts(description, n.tensors())


def test_a_missing_or_foreign_tensor_of_a_kind_is_named():
    n = network(Sparse([0, *[1] * 32], [3]), [1])
    tensors = dict(n.tensors())
    del tensors["projection/i/p/indptr"]
    with refused("tensor projection/i/p/indptr is missing"):
        Network.from_parts(n.describe(), tensors)
    conv = network(Conv2d(), CONV)
    with refused("tensor projection/i/p/indices belongs to no part of the network"):
        Network.from_parts(conv.describe(), {**n.tensors(), **conv.tensors()})


def test_a_damaged_kind_in_an_artefact_is_an_error_of_the_artefact(tmp_path, monkeypatch):
    pytest.importorskip("safetensors")
    n = network(Conv2d(), CONV)
    artefact = written(tmp_path, n)
    artefact.manifest.network["projections"][0]["padding"] = [9, 9]
    with pytest.raises(ArtefactError, match=r"destination of projection i->p must have shape"):
        artefact.network()
