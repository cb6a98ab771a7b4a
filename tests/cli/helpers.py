"""What the tests of the command line share."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from spikeloom.artefact import Artefact, write_artefact
from spikeloom.cli import main
from spikeloom.compile import compile_network
from spikeloom.spec.config import preset
from spikeloom.spec.manifest import InputFacts
from spikeloom.spec.network import InputPopulation, Network, Population, Projection
from spikeloom_sim.golden import GoldenModel

PRESET = "small"
TICKS = 5
FACTS = InputFacts((6,), TICKS, encoder={"kind": "rate", "maximum": 255})


def network(seed: int = 11, shape: tuple[int, ...] = (6,)) -> Network:
    """Return 6-18-3 with two outputs and up to 3 events per input neuron."""
    rng = np.random.default_rng(seed)
    return Network(
        (InputPopulation("pixels", shape, 3),),
        (
            Population("hidden", (18,), 60, 29491, -1),
            Population("out", (3,), 90, 30000, reset="zero", reset_order="after_decay", initial=5),
        ),
        (
            Projection("pixels", "hidden", rng.integers(-40, 60, (18, 6))),
            Projection("hidden", "out", rng.integers(-60, 90, (3, 18))),
        ),
        ("hidden", "out"),
    )


def write(path: Path, net: Network | None = None, facts: InputFacts = FACTS, **edits) -> Artefact:
    """Write a compiled artefact; ``images_of`` packs the images of another network."""
    net = net or network()
    done = compile_network(edits.get("images_of", net), preset(edits.get("preset", PRESET)))
    build = replace(done.build, id=edits.get("build_id", done.build.id))
    return write_artefact(path, net, facts, build=build, images=done.images)


def samples(n: int = 3, ticks: int = TICKS, shape: tuple[int, ...] = (6,), seed: int = 2):
    """Return random input of magnitudes 0 to 3."""
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 4, (n, ticks, *shape))
    return (values * (rng.random(values.shape) < 0.6)).astype(np.uint8)


def save(path: Path, array) -> str:
    """Write an input file and return its name."""
    np.savez(path, input=array)
    return str(path)


def run(*argv) -> int:
    """Run the command in this process."""
    return main([str(a) for a in argv])


def refused(capsys: pytest.CaptureFixture[str], *argv) -> str:
    """Return the one line of a command that is refused with exit code 2."""
    capsys.readouterr()
    try:
        code = run(*argv)
    except SystemExit as stop:
        code = stop.code
    out, err = capsys.readouterr()
    assert code == 2
    assert out == ""
    assert err.startswith("spikeloom: ")
    assert err.count("\n") == 1
    assert err.endswith("\n")
    return err.removeprefix("spikeloom: ").removesuffix("\n")


def printed_json(capsys: pytest.CaptureFixture[str]):
    """Return what a command printed with --json."""
    out, err = capsys.readouterr()
    assert err == ""
    return json.loads(out)


def listing(folder: Path) -> dict[str, bytes | None]:
    """Return every file below ``folder`` with its bytes."""
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() if p.is_file() else None
        for p in folder.rglob("*")
    }


def expected(inputs, net: Network | None = None):
    """Return the golden model's spikes, potentials and operations of the outputs joined."""
    net = net or network()
    trace = GoldenModel(net).run(np.asarray(inputs))
    spikes = np.concatenate([trace.spikes[name] for name in net.outputs], axis=2)
    potential = np.concatenate([trace.final[name] for name in net.outputs], axis=1)
    return spikes, potential, trace.sops
