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
(:func:`~.cases.option_builds`), each with networks that it can run; with ``--compact`` on compact
cores; with ``--everything`` these four in turn; with ``--least`` networks as those of ``--options``
on the least builds that hold them, whose memories are as good as full.

Exit code 0 if everything is equal, 1 if not, 2 for bad use; a failure is named with the
arguments that repeat it alone (``--seed S --first N --networks 1``).  ``--shrink FOLDER`` makes the
first failing case as small as it can (:mod:`.shrink`) and writes it to a folder, which
``--replay FOLDER`` runs.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from spikeloom.artefact import Artefact, check_target
from spikeloom.board.driver import Board
from spikeloom.files import write_atomically
from spikeloom.report import to_json
from spikeloom.spec.errors import EngineError, SpikeLoomError, UsageError

from .cases import Case, Scope, draw, read_case, write_artefact_of, write_case
from .compare import first_difference
from .golden import GoldenModel
from .run import as_trace
from .shrink import shrink
from .transports import open_transport


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
    failing: list[int] = field(default_factory=list)


@contextmanager
def _artefact(case: Case) -> Iterator[Artefact]:
    with tempfile.TemporaryDirectory(prefix="spikeloom-campaign-") as folder:
        yield write_artefact_of(case, Path(folder) / "artefact")


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
        wrong = failure_of(case, engine, outcome)
        outcome.networks += 1
        if wrong is not None:
            whole = "" if scope is Scope.DENSE else f" --{scope.value}"
            repeat = f"--engine {engine} --seed {seed} --first {number} --networks 1{whole}"
            outcome.failing.append(number)
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


def failure_of(case: Case, engine: str, outcome: Outcome) -> str | None:
    """Run the case and return what is wrong, None if nothing is.

    :class:`UsageError` and :class:`EngineError` are raised; other errors are failures.
    """
    try:
        return run_case(case, engine, outcome)
    except (EngineError, UsageError):
        raise
    except SpikeLoomError as error:
        return f"{type(error).__name__}: {error}"


def shrink_to(folder: Path, case: Case, engine: str) -> str:
    """Shrink a failing case, write it to ``folder`` and return a line about it."""
    unused = Outcome(engine, 0, 0)
    small = shrink(case, lambda other: failure_of(other, engine, unused))
    found = failure_of(small, engine, unused) or "nothing"
    write_case(small, folder, found)
    events = sum(int((array != 0).sum()) for array in small.inputs.values())
    network, samples = small.network, len(next(iter(small.inputs.values())))
    return (
        f"shrunk to {samples} samples of {small.n_ticks} ticks, {events} events, "
        f"{len(network.populations)} populations, {len(network.projections)} projections: {found}; "
        f"repeat: --engine {engine} --replay {folder}"
    )


def _parser() -> argparse.ArgumentParser:
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
        (Scope.COMPACT, "networks of what a build without options takes, on compact cores"),
        (Scope.LEAST, "networks as of --options, each on the least build that holds it"),
        (Scope.EVERYTHING, "contract, cluster, options and compact in turn"),
    ):
        kinds.add_argument(
            f"--{scope.value}", help=text,
            dest="scope", action="store_const", const=scope, default=Scope.DENSE,
        )  # fmt: skip
    parser.add_argument("--json", metavar="FILE", help="write the outcome as JSON")
    parser.add_argument(
        "--shrink", metavar="FOLDER", help="write the first failing case, as small as it gets"
    )
    parser.add_argument("--replay", metavar="FOLDER", help="run the case of that folder alone")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    args = _parser().parse_args(argv)
    try:
        return _replay(args) if args.replay else _campaign(args)
    except SpikeLoomError as error:
        print(f"campaign: {' '.join(str(error).split())}", file=sys.stderr)
        return 2


def _replay(args: argparse.Namespace) -> int:
    case = read_case(Path(args.replay))
    wrong = failure_of(case, args.engine, Outcome(args.engine, 0, 0))
    print(f"{args.replay} on {args.engine}: {wrong or 'equal to the golden model'}")
    return 1 if wrong else 0


def _campaign(args: argparse.Namespace) -> int:
    if args.shrink:
        check_target(args.shrink)
    print(f"seed {args.seed}, networks {args.first} to {args.first + args.networks - 1}")
    outcome = campaign(
        args.engine, args.seed, args.first, args.networks, progress=True, scope=args.scope
    )
    if args.json:
        write_atomically(args.json, to_json(asdict(outcome)).encode())
    print(
        f"{outcome.networks} networks, {outcome.runs} runs, {outcome.samples} samples: "
        f"{outcome.values} spikes and potentials compared ({outcome.spikes} spikes, "
        f"{outcome.cycles} cycles, {outcome.sops} synaptic operations), "
        f"{len(outcome.failures)} networks differ; {outcome.seconds} s"
    )
    if args.shrink and outcome.failing:
        case = draw(args.seed, outcome.failing[0], args.scope)
        print(shrink_to(Path(args.shrink), case, args.engine))
    return 1 if outcome.failures else 0


if __name__ == "__main__":
    sys.exit(main())
