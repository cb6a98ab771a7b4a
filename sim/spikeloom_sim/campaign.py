"""Campaign: random networks and spike trains, gateware against the golden model.

Every network is drawn from (seed, number), compiled for one of several small builds,
run on the gateware with every population probed and random stalls on both streams, and
compared with ``==``: every spike and potential at every tick, every final potential,
every count of synaptic operations.  Part of the networks is run a second time in the
same core, and part after a reset, so that nothing may be left behind.

::

    python -m spikeloom_sim.campaign --networks 1000 --seed 1 --json campaign.json

With ``--contract`` the networks are those of :mod:`.random_contract`, on builds that can run all
of them; with ``--cluster`` as well, on builds of several cores, of which 1 to 4 are in use, as a
chain or side by side; with ``--options`` on builds in turn that have some of the options
(:func:`option_builds`), each with networks that it can run.
Exit code 0 if everything is equal, 1 if not, 2 for bad use; a failure is named with the
arguments that repeat it alone (``--seed S --first N --networks 1``).
"""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikeloom.artefact import Artefact, write_artefact
from spikeloom.board.driver import Board
from spikeloom.compile import Arrangement, compile_network
from spikeloom.files import write_atomically
from spikeloom.report import to_json
from spikeloom.spec.config import BuildConfig
from spikeloom.spec.errors import CapacityError, EngineError, SpikeLoomError, UsageError
from spikeloom.spec.manifest import InputFacts
from spikeloom.spec.network import Network

from .compare import first_difference
from .golden import GoldenModel
from .random_contract import random_contract_input, random_contract_network
from .random_networks import random_input, random_network
from .run import as_trace
from .transports import open_transport

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

_OPTIONS: tuple[tuple[dict[str, Any], ...], ...] = (
    tuple({"lanes": lanes, "state_rows": 512 // lanes} for lanes in (4, 16)),
    tuple({"weight_bits": bits} for bits in (8, 4, 2)),
    ({}, {"groups": 4096, "runs": 16384}),
    ({}, {"parameter_rows": 128}),
    ({}, {"history_rows": 16384}),
    ({}, {"graded": True}, {"graded": True, "multi_spike": True}),
    ({}, {"refractory": True}),
    ({}, {"current": True}),
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


@dataclass
class Outcome:
    """What a campaign did and found."""

    engine: str
    seed: int
    first: int
    scope: Scope = Scope.DENSE
    networks: int = 0
    runs: int = 0
    samples: int = 0
    values: int = 0
    cycles: int = 0
    sops: int = 0
    spikes: int = 0
    seconds: float = 0.0
    failures: list[str] = field(default_factory=list)


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
    rng = np.random.default_rng([seed, number])
    builds = {
        Scope.DENSE: BUILDS,
        Scope.CONTRACT: CONTRACT_BUILDS,
        Scope.CLUSTER: CLUSTER_BUILDS,
        Scope.OPTIONS: option_builds(),
    }[scope]
    turn = number % len(builds) if scope is Scope.OPTIONS else int(rng.integers(len(builds)))
    config = builds[turn]
    how: dict[str, Any] = {}
    if scope is Scope.CLUSTER:
        chain = rng.random() < 0.75
        how["arrangement"] = Arrangement.CHAIN if chain else Arrangement.SIDE_BY_SIDE
        how["n_cores"] = int(rng.integers(1, config.cores + 1))
    dense = scope is Scope.DENSE
    network = random_network(rng, config) if dense else _fitting(rng, config, scope, **how)
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


def _fitting(rng: np.random.Generator, config: BuildConfig, scope: Scope, **how: Any) -> Network:
    """Draw networks of the contract until the delays of one fit the build."""
    while True:
        network = random_contract_network(rng, config if scope is Scope.OPTIONS else None)
        with suppress(CapacityError):
            compile_network(network, config, **how)
            return network


@contextmanager
def _artefact(case: Case) -> Iterator[Artefact]:
    compiled = compile_network(case.network, case.config, case.arrangement, case.n_cores)
    facts = InputFacts(case.network.inputs[0].shape, case.n_ticks)
    with tempfile.TemporaryDirectory(prefix="spikeloom-campaign-") as folder:
        yield write_artefact(
            Path(folder) / "artefact",
            case.network,
            facts,
            build=compiled.build,
            images=compiled.images,
        )


def run_case(case: Case, engine: str, outcome: Outcome) -> str | None:
    """Run one case and return what differs, None if nothing does."""
    expected = GoldenModel(case.network).run(case.inputs)
    with (
        _artefact(case) as artefact,
        Board(open_transport(engine, artefact, options=case.stalls)) as board,
    ):
        board.load(artefact, probe="all")
        for attempt in range(2 if case.again else 1):
            if attempt and case.again == "reset":
                board.reset()
            result = board.run(case.inputs)
            difference = first_difference(expected, as_trace(result, expected))
            if difference is not None:
                return f"run {attempt + 1}: {difference}"
            outcome.runs += 1
            outcome.samples += len(result.sops)
            outcome.cycles += int(result.cycles.sum())
            outcome.sops += int(result.sops.sum())
            for name, spikes in expected.spikes.items():
                outcome.values += spikes.size + expected.potentials[name].size
                outcome.values += expected.final[name].size
                outcome.spikes += int(spikes.sum())
    return None


def campaign(
    engine: str,
    seed: int,
    first: int,
    networks: int,
    progress: bool,
    scope: Scope = Scope.DENSE,
) -> Outcome:
    """Run ``networks`` cases from number ``first`` on; stops at no failure.

    Raises :class:`UsageError` for numbers that make no campaign and :class:`EngineError` for
    an engine that is unknown, not installed or does not build.
    """
    for name, value, least in (("networks", networks, 1), ("seed", seed, 0), ("first", first, 0)):
        if value < least:
            raise UsageError(f"{name} must be at least {least}, not {value}")
    outcome = Outcome(engine, seed, first, scope)
    start = time.perf_counter()
    for number in range(first, first + networks):
        case = draw(seed, number, scope)
        try:
            wrong = run_case(case, engine, outcome)
        except (EngineError, UsageError):
            raise
        except SpikeLoomError as error:
            wrong = f"{type(error).__name__}: {error}"
        outcome.networks += 1
        if wrong is not None:
            whole = "" if scope is Scope.DENSE else f" --{scope.value}"
            repeat = f"--engine {engine} --seed {seed} --first {number} --networks 1{whole}"
            outcome.failures.append(f"network {number} ({repeat}): {wrong}")
            print(outcome.failures[-1], file=sys.stderr, flush=True)
        if progress and outcome.networks % 50 == 0:
            rate = outcome.networks / (time.perf_counter() - start)
            print(
                f"{outcome.networks}/{networks} networks, {len(outcome.failures)} failures, "
                f"{rate:.1f} networks/s",
                flush=True,
            )
    outcome.seconds = round(time.perf_counter() - start, 1)
    return outcome


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m spikeloom_sim.campaign",
        description="Random networks on the gateware against the golden model.",
        epilog="example: python -m spikeloom_sim.campaign --networks 1000 --seed 1",
    )
    parser.add_argument("--networks", type=int, default=1000, help="how many (1000)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the campaign (1)")
    parser.add_argument("--first", type=int, default=0, help="number of the first network (0)")
    parser.add_argument(
        "--engine", default="verilator", help="pysim, cxxrtl or verilator (verilator)"
    )
    kinds = parser.add_mutually_exclusive_group()
    for scope, text in (
        (Scope.CONTRACT, "networks of the whole contract"),
        (Scope.CLUSTER, "networks of the whole contract on 1 to 4 cores"),
        (Scope.OPTIONS, "builds that have some options of the contract"),
    ):
        kinds.add_argument(
            f"--{scope.value}", help=text,
            dest="scope", action="store_const", const=scope, default=Scope.DENSE,
        )  # fmt: skip
    parser.add_argument("--json", metavar="FILE", help="write the outcome as JSON")
    args = parser.parse_args(argv)
    print(f"seed {args.seed}, networks {args.first} to {args.first + args.networks - 1}")
    try:
        outcome = campaign(
            args.engine, args.seed, args.first, args.networks, progress=True, scope=args.scope
        )
    except (EngineError, UsageError) as error:
        print(f"campaign: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    if args.json:
        write_atomically(args.json, to_json(asdict(outcome)).encode())
    print(
        f"{outcome.networks} networks, {outcome.runs} runs, {outcome.samples} samples: "
        f"{outcome.values} spikes and potentials compared ({outcome.spikes} spikes, "
        f"{outcome.cycles} cycles, {outcome.sops} synaptic operations), "
        f"{len(outcome.failures)} networks differ; {outcome.seconds} s"
    )
    return 1 if outcome.failures else 0


if __name__ == "__main__":
    sys.exit(main())
