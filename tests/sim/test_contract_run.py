"""A network beyond the gateware from artefact to result: the models run it, compile refuses it."""

import numpy as np
import pytest

from sim.networks import assert_traces_equal
from spikeloom.artefact import read_artefact, write_artefact
from spikeloom.cli import main
from spikeloom.spec.errors import DataError
from spikeloom.spec.manifest import InputFacts
from spikeloom.spec.network import (
    Conv2d,
    InputPopulation,
    Network,
    Pool,
    Population,
    Projection,
)
from spikeloom_sim.golden import GoldenModel
from spikeloom_sim.run import golden_trace, run_artefact

pytest.importorskip("safetensors")


@pytest.fixture
def network(rng):
    """A convolution of a signed picture with a current, a pool, and a readout."""
    return Network(
        (InputPopulation("picture", (6, 8, 2), 9, signed=True),),
        (
            Population("conv", (3, 4, 3), 60, 30000, current_decay=16384, multi_spike=True),
            Population("pool", (1, 2, 3), 3, 0, multi_spike=True),
            Population("out", (4,), 1, 32768, reset="none"),
        ),
        (
            Projection(
                "picture", "conv", rng.integers(-20, 21, (3, 3, 3, 2)),
                kind=Conv2d(stride=2, padding=1),
            ),
            Projection("conv", "pool", kind=Pool((3, 2))),
            Projection("pool", "out", rng.integers(-20, 21, (4, 6)), delay=2),
        ),
        ("out",),
    )  # fmt: skip


@pytest.fixture
def artefact(network, tmp_path):
    facts = InputFacts((2, 6, 8), ticks=5, axes="channels_first")
    return read_artefact(write_artefact(tmp_path / "artefact", network, facts).path)


def test_the_models_run_it_in_the_axis_order_of_the_user(artefact, network, rng):
    inputs = rng.integers(-9, 10, (3, 5, 2, 6, 8))
    expected = GoldenModel(network).run(np.moveaxis(inputs, 2, -1))
    assert expected.spikes["conv"].max() > 1
    assert expected.potentials["out"].any()
    assert_traces_equal(expected, golden_trace(artefact, inputs))
    result = run_artefact(artefact, "golden", inputs)
    np.testing.assert_array_equal(result.potential, expected.final["out"])
    np.testing.assert_array_equal(result.sops, expected.sops)
    np.testing.assert_array_equal(result.populations["conv"].spikes, expected.spikes["conv"])


def test_values_out_of_the_signed_range_are_refused(artefact):
    inputs = np.zeros((1, 5, 2, 6, 8), int)
    inputs[0, 1, 1, 5, 7] = -10
    with pytest.raises(DataError, match=r"^input\[0, 1, 1, 5, 7\] must be from -9 to 9, not -10;"):
        golden_trace(artefact, inputs)


def test_the_command_line_shows_it_and_refuses_to_compile_it(artefact, tmp_path, capsys):
    assert main(["inspect", str(artefact.path)]) == 0
    assert "picture->conv" in capsys.readouterr().out
    out = tmp_path / "compiled"
    assert main(["compile", str(artefact.path), "--preset", "tiny", "--out", str(out)]) == 2
    error = capsys.readouterr().err
    assert len(error.splitlines()) == 1
    for reason in (
        "signed of picture must be false",
        "current_decay of conv must not be given",
        "multi_spike of pool must be false",
        "kind of picture->conv must be dense, not conv2d",
        "kind of conv->pool must be dense, not pool",
        "delay of pool->out must be 0, not 2: it needs the build option history_rows",
    ):
        assert reason in error
    assert not out.exists()
