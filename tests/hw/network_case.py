"""A random network with its inputs and the golden model's answer, ready for a core."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spikeloom.board.probes import patch_rows, probes_for
from spikeloom.compile import Compiled, compile_network
from spikeloom.spec import aer
from spikeloom.spec.config import BuildConfig
from spikeloom.spec.network import Network
from spikeloom_sim.compare import first_difference
from spikeloom_sim.golden import GoldenModel, Trace
from spikeloom_sim.random_networks import random_input, random_network
from spikeloom_sim.words import Shown, decode_answer, encode_inputs

Beats = NDArray[np.uint64]


@dataclass(frozen=True)
class Case:
    """What a core is given and what it must answer; every population shows everything."""

    seed: int
    network: Network
    compiled: Compiled
    inputs: NDArray[np.uint8]
    expected: Trace

    @property
    def images(self) -> dict[str, NDArray[np.uint32]]:
        """The memory images, with every probe of the population table on."""
        images = dict(self.compiled.images)
        probes = probes_for("all", self.compiled.build.populations)
        images["populations"] = patch_rows(images["populations"], probes)
        return images

    @property
    def n_populations(self) -> int:
        """Rows of the population table in use."""
        return len(self.compiled.build.populations)

    def beats(self) -> Beats:
        """The whole input in one packet."""
        return encode_inputs(self.network, self.inputs)

    def packets(self) -> list[Beats]:
        """The input in one packet per sample; the samples are numbered on."""
        return [
            encode_inputs(self.network, self.inputs[k : k + 1], first_sample=k)
            for k in range(len(self.inputs))
        ]

    def check(self, beats: Beats) -> None:
        """Compare the core's beats with the golden model, spike by spike."""
        names = [p.name for p in self.network.order()]
        n_samples, n_ticks = self.inputs.shape[:2]
        shown = Shown.of(names, names, names)
        found = decode_answer(self.network, np.array(beats, np.uint64), n_samples, n_ticks, shown)
        difference = first_difference(self.expected, found)
        assert difference is None, f"seed {self.seed}: {difference}"
        assert np.array_equal(found.sops, self.expected.sops), f"seed {self.seed}"
        words = aer.to_words(np.array(beats, np.uint64))
        ends = aer.payload_of(words[aer.kind_of(words) == int(aer.Kind.END)])
        assert ends.tolist() == list(range(n_samples)), f"seed {self.seed}"


def case_of(network: Network, inputs: NDArray[np.uint8], config: BuildConfig) -> Case:
    """Return the case of a given network."""
    compiled = compile_network(network, config)
    return Case(0, network, compiled, inputs, GoldenModel(network).run(inputs))


def make_case(seed: int, config: BuildConfig, n_samples: int = 2, n_ticks: int = 4) -> Case:
    """Return a random case in which some neurons fire and some do not."""
    for attempt in range(1000):
        rng = np.random.default_rng([seed, attempt])
        network = random_network(rng, config)
        inputs = random_input(rng, network, n_samples, n_ticks)
        expected = GoldenModel(network).run(inputs)
        spikes = np.concatenate([s.ravel() for s in expected.spikes.values()])
        # large magnitudes make long packets, which slow simulators have no time for
        if 0.1 < spikes.mean() < 0.9 and inputs.sum() < 60 * n_samples * n_ticks:
            compiled = compile_network(network, config)
            return Case(seed, network, compiled, inputs, expected)
    raise AssertionError(f"no network of seed {seed} spikes")
