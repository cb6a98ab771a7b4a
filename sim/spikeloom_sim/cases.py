"""Cases of campaigns: random networks, inputs and stalls, each with the build that runs it.

A case is drawn from (seed, number), and kept in a folder with an artefact that every command takes.
"""

from __future__ import annotations

import itertools
import json
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloom.artefact import Artefact, read_artefact, staged_folder, write_artefact
from spikeloom.compile import Arrangement, compile_network
from spikeloom.files import DAMAGED_NPZ
from spikeloom.report import to_json
from spikeloom.spec.config import BuildConfig
from spikeloom.spec.errors import CapacityError, DataError
from spikeloom.spec.manifest import InputFacts
from spikeloom.spec.network import Network
from spikeloom.tailor import needed_build

from .random_contract import random_contract_input, random_contract_network
from .random_networks import random_input, random_network

BUILDS = (
    BuildConfig("campaign-4", lanes=4, state_rows=128, weight_rows=8192),
    BuildConfig("campaign-8", lanes=8, state_rows=64, weight_rows=4096),
    BuildConfig("campaign-16", lanes=16, state_rows=32, weight_rows=2048),
)
"""Geometries that the networks are spread over: many rows, or few."""

_WHOLE: dict[str, Any] = {
    **{"weight_rows": 8192, "groups": 4096, "runs": 16384, "history_rows": 16384},
    **dict.fromkeys(("graded", "refractory", "current", "multi_spike"), True),
}

CONTRACT_BUILDS = (
    BuildConfig("contract-4", lanes=4, state_rows=256, parameter_rows=256, **_WHOLE),
    BuildConfig("contract-8", lanes=8, state_rows=128, parameter_rows=128, **_WHOLE),
)
"""Builds of the whole contract, with room for what :mod:`.random_contract` draws."""

CLUSTER_BUILDS = (
    replace(
        CONTRACT_BUILDS[0],
        name="cluster-4",
        state_rows=64,
        parameter_rows=64,
        cores=4,
        link_beats=4096,
    ),
)
"""The whole contract on four cores, with links for some long delays, though not for all."""

COMPACT_BUILDS = (
    BuildConfig("compact-4", lanes=4, state_rows=128, weight_rows=8192, compact=True),
    BuildConfig("compact-8", lanes=8, state_rows=64, weight_rows=4096, weight_bits=4, compact=True),
    BuildConfig("compact-16", 16, state_rows=16, weight_rows=2048, weight_bits=2, compact=True),
)
"""Compact cores, one for each width of weights; of four, two and a half block of rows."""

_OPTIONS: tuple[tuple[dict[str, Any], ...], ...] = (
    tuple({"lanes": lanes, "state_rows": 512 // lanes} for lanes in (4, 16)),
    tuple({"weight_bits": bits} for bits in (8, 4, 2)),
    ({}, {"groups": 4096, "runs": 16384}),
    ({}, {"parameter_rows": 128}),
    ({}, {"history_rows": 16384}),
    ({}, {"graded": True}, {"graded": True, "multi_spike": True}),
    ({}, {"refractory": True}),
    ({}, {"current": True}),
    ({}, {"cores": 2}, {"cores": 3, "link_beats": 4096}),
)


@cache
def option_builds() -> tuple[BuildConfig, ...]:
    """Return builds that have, among them, every mixture of every three of :data:`_OPTIONS`.

    Each has the most mixtures of three that none before it has.
    """

    def threes(mixture: tuple[int, ...]) -> set[Any]:
        return set(itertools.combinations(enumerate(mixture), 3))

    mixtures = list(itertools.product(*(range(len(choices)) for choices in _OPTIONS)))
    left = set().union(*map(threes, mixtures))
    builds: list[BuildConfig] = []
    while left:
        best = max(mixtures, key=lambda mixture: len(threes(mixture) & left))
        left -= threes(best)
        values: dict[str, Any] = {"weight_rows": 8192}
        for choices, choice in zip(_OPTIONS, best, strict=True):
            values |= choices[choice]
        builds.append(BuildConfig(f"options-{len(builds)}", **values))
    return tuple(builds)


STALLS = (0.0, 0.1, 0.5, 0.9)


class Scope(str, Enum):
    """Which networks a campaign draws, and on which builds."""

    DENSE = "dense"
    """Fully connected networks, on builds without options."""

    CONTRACT = "contract"
    """Networks of the whole contract, on builds with all options."""

    CLUSTER = "cluster"
    """Networks of the whole contract, on 1 to 4 cores, three of four times as a chain."""

    OPTIONS = "options"
    """Networks of a part of the contract, each on a build with the options for that part."""

    COMPACT = "compact"
    """Networks of what a build without options takes, on compact cores."""

    LEAST = "least"
    """Networks as those of ``OPTIONS``, each on the least build of one core that holds it: a
    simulator is built for each."""

    EVERYTHING = "everything"
    """``CONTRACT``, ``CLUSTER``, ``OPTIONS`` and ``COMPACT`` in turn."""


_PARTS = (Scope.CONTRACT, Scope.CLUSTER, Scope.OPTIONS, Scope.COMPACT)
BUILDS_OF = {
    Scope.DENSE: BUILDS,
    Scope.CONTRACT: CONTRACT_BUILDS,
    Scope.CLUSTER: CLUSTER_BUILDS,
    Scope.COMPACT: COMPACT_BUILDS,
}
"""The builds of scopes that draw one; others take those of :func:`option_builds` in turn."""


@dataclass(frozen=True)
class Case:
    """One random network with its input and its stalls."""

    number: int
    config: BuildConfig
    network: Network
    inputs: dict[str, NDArray[Any]]
    stalls: dict[str, Any]
    again: str
    arrangement: Arrangement = Arrangement.AUTO
    n_cores: int | None = None

    @property
    def n_ticks(self) -> int:
        """Ticks of each sample."""
        return next(iter(self.inputs.values())).shape[1]


def draw(seed: int, number: int, scope: Scope = Scope.DENSE) -> Case:
    """Return case ``number`` of the campaign ``seed``."""
    if scope is Scope.EVERYTHING:
        number, turn = divmod(number, len(_PARTS))
        return replace(draw(seed, number, _PARTS[turn]), number=len(_PARTS) * number + turn)
    rng = np.random.default_rng([seed, number])
    if scope in (Scope.OPTIONS, Scope.LEAST):
        config = option_builds()[number % len(option_builds())]
    else:
        builds = BUILDS_OF[scope]
        config = builds[int(rng.integers(len(builds)))]
    how: dict[str, Any] = {}
    if config.cores > 1 and scope is not Scope.LEAST:
        chain = config.link_beats and rng.random() < 0.75
        how["arrangement"] = Arrangement.CHAIN if chain else Arrangement.SIDE_BY_SIDE
        how["n_cores"] = int(rng.integers(1, config.cores + 1))
    dense = scope is Scope.DENSE
    whole = scope in (Scope.CONTRACT, Scope.CLUSTER)
    network = random_network(rng, config) if dense else _fitting(rng, config, not whole, **how)
    if scope is Scope.LEAST:
        config = needed_build(network, config.lanes, scope.value)
    samples, ticks = int(rng.integers(1, 5)), int(rng.integers(1, 13))
    inputs: dict[str, NDArray[Any]]
    if dense:
        inputs = {network.inputs[0].name: random_input(rng, network, samples, ticks)}
    else:
        inputs = {**random_contract_input(rng, network, samples, ticks)}
    stalls = {
        "stall_in": float(rng.choice(STALLS)),
        "stall_out": float(rng.choice(STALLS)),
        "seed": int(rng.integers(1 << 32)),
    }
    again = str(rng.choice(["", "twice", "reset"]))
    return Case(number, config, network, inputs, stalls, again, **how)


def _fitting(rng: np.random.Generator, config: BuildConfig, suited: bool, **how: Any) -> Network:
    """Draw networks of the contract, or of what the build has of it, until one fits the build."""
    while True:
        network = random_contract_network(rng, config if suited else None)
        with suppress(CapacityError):
            compile_network(network, config, **how)
            return network


def write_artefact_of(case: Case, folder: Path) -> Artefact:
    """Compile the case for its build and write the artefact."""
    compiled = compile_network(case.network, case.config, case.arrangement, case.n_cores)
    facts = InputFacts(case.network.inputs[0].shape, case.n_ticks)
    return write_artefact(folder, case.network, facts, build=compiled.build, images=compiled.images)


CASE_FILE, INPUT_FILE, ARTEFACT_FOLDER = "case.json", "input.npz", "artefact"
_SAVED = ("number", "stalls", "again", "arrangement", "n_cores")


def write_case(case: Case, folder: Path, found: str) -> None:
    """Write the case to a new folder: artefact, input, and how it was run with what was ``found``.

    With one input population the file of the input is as ``spikeloom run`` takes it.
    """
    facts = {name: getattr(case, name) for name in _SAVED}
    names = ["input"] if len(case.inputs) == 1 else list(case.inputs)
    arrays: dict[str, Any] = {
        name: array.reshape(*array.shape[:2], *case.network.source(source).shape)
        for name, (source, array) in zip(names, case.inputs.items(), strict=True)
    }
    with staged_folder(folder) as staging:
        write_artefact_of(case, staging / ARTEFACT_FOLDER)
        np.savez_compressed(staging / INPUT_FILE, **arrays)
        text = to_json({**facts, "arrangement": case.arrangement.value, "found": found})
        (staging / CASE_FILE).write_text(text, "utf-8")


def read_case(folder: Path) -> Case:
    """Return the case that :func:`write_case` wrote.

    Raises :class:`~spikeloom.spec.errors.SpikeLoomError` naming what is missing or damaged.
    """
    artefact = read_artefact(folder / ARTEFACT_FOLDER)
    network, build = artefact.network(), artefact.manifest.build
    if build is None:
        raise DataError(f"{folder / ARTEFACT_FOLDER} must be compiled for a build")
    try:
        facts = json.loads((folder / CASE_FILE).read_text("utf-8"))
        known = {name: facts[name] for name in _SAVED}
        known["arrangement"] = Arrangement(known["arrangement"])
        with (
            (folder / INPUT_FILE).open("rb") as stream,
            np.load(stream, allow_pickle=False) as arrays,
        ):
            names = [p.name for p in network.inputs]
            keys = ["input"] if len(names) == 1 else names
            inputs = {
                name: arrays[key].reshape(*arrays[key].shape[:2], -1)
                for name, key in zip(names, keys, strict=True)
            }
    except (*DAMAGED_NPZ, TypeError) as error:
        raise DataError(f"{folder} must hold a case as the campaign writes it: {error}") from None
    return Case(config=build.config, network=network, inputs=inputs, **known)
