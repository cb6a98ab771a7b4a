"""The choices that NIR leaves open: asked for, taken from a dialect, never made in silence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from spikeloom.nir.graph import Graph, Node, evaluation_order
from spikeloom.nir.interpret import Interpreter
from spikeloom.nir.meaning import CHOICES, DIALECTS, MEANS, choose
from spikeloom.spec.errors import DataError, UsageError

LEAK = {"tau": np.array(1e-3), "r": np.array(1.0), "v_leak": np.array(0.0)}
CURRENT = {"tau_syn": np.array(5e-4), "tau_mem": np.array(1e-3), "r": np.array(10.0),
           "v_leak": np.array(0.0), "w_in": np.array(5.0)}  # fmt: skip


def graph_of(kind, **fields):
    nodes = [Node("input", "Input", {"shape": (1,)}), Node("n", kind, fields),
             Node("output", "Output", {"shape": (1,)})]  # fmt: skip
    return Graph({n.name: n for n in nodes}, (("input", "n"), ("n", "output")))


LIF = graph_of("LIF", **LEAK, v_threshold=np.array(1.0))
IF = graph_of("IF", r=np.array(1e4), v_threshold=np.array(1.0))
CUBA = graph_of("CubaLIF", **CURRENT, v_threshold=np.array(1.0))
ALL = {"dt": 1e-4, "decay": "euler", "reset": "zero", "reset_order": "before-decay",
       "fires": "ge", "current_first": True}  # fmt: skip


def potentials(graph, inputs, **choices):
    """Return what a graph without threshold does, by giving it one out of reach."""
    node = graph.nodes["n"]
    kind = node.kind.removesuffix("F")
    fields = {k: v for k, v in node.fields.items() if k != "v_threshold"}
    run = graph_of(kind, **fields)
    meaning = choose(run, None, {**ALL, **choices})
    return Interpreter(run, meaning).run(np.array(inputs, float).reshape(1, -1, 1)).potentials["n"]


@pytest.mark.parametrize(("graph", "asked"), [
    (IF, {"dt", "reset", "fires"}),
    (LIF, {"dt", "reset", "reset-order", "fires", "decay"}),
    (CUBA, {"dt", "reset", "reset-order", "fires", "decay", "current-first"}),
    (graph_of("Threshold", threshold=np.array(1.0)), {"fires"}),
    (graph_of("Delay", delay=np.array(1.0)), {"dt"}),
    (graph_of("LI", **LEAK), {"dt", "decay"}),
])  # fmt: skip
def test_only_what_matters_is_asked_for(graph, asked):
    with pytest.raises(UsageError) as caught:
        choose(graph, None, {})
    text = str(caught.value)
    for name in MEANS:
        name = name.replace("_", "-")
        assert (f"--{name} (" in text) == (name in asked)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_dialect_makes_every_choice_that_nir_does_not(dialect):
    meaning = choose(CUBA, dialect, {})
    assert set(meaning.sources.values()) <= {f"dialect {dialect}", "NIR"}
    for name, value in DIALECTS[dialect].items():
        assert getattr(meaning, name) == value
        assert name == "dt" or value in CHOICES[name]


def test_an_option_goes_before_the_dialect_and_both_are_recorded():
    facts = choose(LIF, "snntorch", {"reset": "zero", "dt": None}).facts()
    assert facts["reset"] == {"value": "zero", "from": "option"}
    assert facts["reset_order"] == {"value": "after-decay", "from": "dialect snntorch"}
    assert facts["multi_spike"] == {"value": False, "from": "NIR"}
    assert "current_first" not in facts


@pytest.mark.parametrize(("options", "message"), [
    ({"dt": -1.0}, "dt must be a positive number of seconds, not -1.0"),
    ({"dt": float("nan")}, "dt must be a positive number"),
    ({"reset": "none"}, "reset must be one of subtract, zero, not 'none'"),
    ({"tick": 1}, "tick is no choice of an import; there are dt, reset"),
    ({"multi_spike": True}, "multi_spike must be no with the reset zero"),
])  # fmt: skip
def test_a_wrong_choice_is_refused(options, message):
    with pytest.raises(UsageError, match=message):
        choose(LIF, None, {**ALL, **options})


def test_an_unknown_dialect_is_refused():
    with pytest.raises(UsageError, match=r"dialect must be one of snntorch, .*, not 'brian'"):
        choose(LIF, "brian", {})


def test_a_leak_is_nirs_equation():
    x = [1, 0, 2]
    np.testing.assert_allclose(potentials(LIF, x)[0, :, 0], [0.1, 0.09, 0.081 + 0.2], rtol=1e-12)
    e = np.exp(-0.1)
    np.testing.assert_allclose(
        potentials(LIF, x, decay="exp")[0, :, 0],
        [1 - e, e * (1 - e), e * e * (1 - e) + 2 * (1 - e)], rtol=1e-12,
    )  # fmt: skip
    np.testing.assert_allclose(potentials(LIF, x, gain="unit")[0, :2, 0], [1, 0.9], rtol=1e-12)


def test_a_potential_starts_at_zero_or_at_rest():
    resting = graph_of("LI", **{**LEAK, "v_leak": np.array(0.5)})
    np.testing.assert_allclose(potentials(resting, [0, 0])[0, :, 0], [0.05, 0.095], rtol=1e-12)
    np.testing.assert_allclose(
        potentials(resting, [0, 0, 1], start="leak")[0, :, 0], [0.5, 0.5, 0.6], rtol=1e-12
    )
    lower = graph_of("LIF", **LEAK, v_threshold=np.array(1.0), v_reset=np.array(-1.0))
    assert spikes(lower, [10.5, 20.5], start="zero") == [1, 1]
    assert spikes(lower, [10.5, 20.5], start="reset") == [0, 1]


def test_a_current_comes_before_or_after_the_potential():
    first = potentials(CUBA, [1, 0, 0])[0, :, 0]  # current 1, .8, .64
    np.testing.assert_allclose(first, [1, 0.9 + 0.8, 0.9 * 1.7 + 0.64], rtol=1e-12)
    after = potentials(CUBA, [1, 0, 0, 0], current_first=False)[0, :, 0]
    np.testing.assert_allclose(after, [0, *first], rtol=1e-12)


def spikes(graph, inputs, **choices):
    run = Interpreter(graph, choose(graph, None, {**ALL, **choices}))
    return run.run(np.array(inputs, float).reshape(1, -1, 1)).spikes["n"][0, :, 0].tolist()


def test_resets_comparisons_and_clamps_by_hand():
    x = [1, 0.5, 0.5, -3, 1, 1.5]
    assert spikes(IF, x) == [1, 0, 1, 0, 0, 0]
    assert spikes(IF, x, fires="gt") == [0, 1, 0, 0, 0, 0]
    assert spikes(IF, x, clamp="all") == [1, 0, 1, 0, 0, 1]
    assert spikes(IF, [2.5, 0, 0, 0], reset="subtract") == [1, 1, 0, 0]
    assert spikes(IF, [2.5, 0, 0.5, 0], reset="subtract", multi_spike=True) == [2, 0, 1, 0]
    # after a leak of one half, what is left of 3 is 1.5, less the threshold 0.5
    slow = graph_of("LIF", **{**LEAK, "tau": np.array(2e-4)}, v_threshold=np.array(1.0))
    late = {"reset": "subtract", "gain": "unit"}
    assert spikes(slow, [3, 0.5, 0], **late, reset_order="after-decay") == [1, 1, 0]
    assert spikes(slow, [3, 0.0, 0], **late, reset_order="after-decay") == [1, 0, 0]
    assert spikes(slow, [3, 0.0, 0], **late, reset_order="before-decay") == [1, 1, 0]


def test_discarding_input_after_a_spike_needs_a_late_reset_to_zero():
    x = [10, 10, 10, 10]
    late = {"reset_order": "after-decay", "discard_after_spike": "recurrent-and-current"}
    assert spikes(CUBA, x, **late) == [1, 0, 1, 0]
    assert spikes(CUBA, x) == [1, 1, 1, 1]
    assert spikes(CUBA, x, **{**late, "discard_after_spike": "recurrent"}) == [1, 1, 1, 1]


def test_the_edge_that_closes_a_cycle_ends_at_its_first_neuron():
    nodes = {
        name: Node(name, kind)
        for name, kind in (("w", "Linear"), ("lif", "LIF"), ("input", "Input"), ("out", "Output"))
    }
    edges = (("input", "lif"), ("lif", "w"), ("w", "lif"), ("lif", "out"))
    order = evaluation_order(Graph(nodes, edges))
    assert order.feedback == {("w", "lif")}
    assert order.names.index("lif") < order.names.index("w")


def test_of_two_nodes_that_the_input_reaches_the_neuron_comes_first():
    nodes = {name: Node(name, kind) for name, kind in
             (("input", "Input"), ("a", "Linear"), ("lif", "LIF"), ("out", "Output"))}  # fmt: skip
    edges = (("input", "a"), ("input", "lif"), ("a", "lif"), ("lif", "a"), ("lif", "out"))
    assert evaluation_order(Graph(nodes, edges)).feedback == {("a", "lif")}


@pytest.mark.parametrize(
    "inputs", [np.zeros((2, 3)), np.zeros((2, 3, 2)), np.full((1, 1, 1), np.nan)]
)
def test_inputs_that_do_not_fit_are_refused(inputs):
    run = Interpreter(LIF, choose(LIF, None, ALL))
    with pytest.raises(DataError, match=r"^input must"):
        run.run(inputs)


def test_the_page_of_the_documentation_names_every_choice():
    page = Path(__file__).parents[2] / "docs" / "howto" / "nir.md"
    text = page.read_text("utf-8")
    for name in MEANS:
        assert f"`--{name.replace('_', '-')}`" in text
    for dialect in DIALECTS:
        assert dialect in text
