"""Small networks for hand-computed examples."""

import numpy as np

from spikeloom.spec.network import InputPopulation, Network, Population, Projection
from spikeloom_sim.golden import GoldenModel
from spikeloom_sim.matrix import MatrixModel


def one_neuron(weight=10, shift=0, delay=0, magnitude=1, n_inputs=1, **facts):
    """Return a network input -> n of one neuron with the same weight from every input."""
    facts = {"threshold": 100, "decay": 32768, **facts}
    return Network(
        inputs=(InputPopulation("input", (n_inputs,), magnitude),),
        populations=(Population("n", (1,), **{k: _array(k, v) for k, v in facts.items()}),),
        projections=(
            Projection(
                "input", "n", np.full((1, n_inputs), weight, np.int8), shift=shift, delay=delay
            ),
        ),
        outputs=("n",),
    )


def _array(name, value):
    return np.array(value, np.int32) if name in ("threshold", "decay", "bias") else value


def column(*values):
    """Return the input of one sample of one neuron, one value per tick."""
    return np.array(values, np.int64).reshape(1, -1, 1)


def assert_traces_equal(expected, found):
    for quantity in ("spikes", "potentials", "final"):
        ours, theirs = getattr(expected, quantity), getattr(found, quantity)
        assert list(ours) == list(theirs)
        for name in ours:
            assert ours[name].dtype == theirs[name].dtype
            np.testing.assert_array_equal(ours[name], theirs[name], f"{quantity} of {name}")
    np.testing.assert_array_equal(expected.sops, found.sops)
    assert expected.sops.dtype == found.sops.dtype == np.int64
    assert list(expected.counts) == list(found.counts) == list(expected.outputs)
    for name in expected.counts:
        np.testing.assert_array_equal(expected.counts[name], found.counts[name])


def run(network, inputs):
    """Return the trace of the golden model; the fast form must give the same one."""
    trace = GoldenModel(network).run(inputs)
    assert_traces_equal(trace, MatrixModel(network).run(inputs))
    return trace


def history(network, *events):
    """Return (H per tick, S per tick, final V) of a network of one neuron."""
    trace = run(network, column(*events))
    return (
        trace.potentials["n"][0, :, 0].tolist(),
        trace.spikes["n"][0, :, 0].tolist(),
        trace.final["n"][0, 0],
    )
