"""Faults on the core itself, compiled: what goes wrong stays where it is."""

from dataclasses import replace

import numpy as np
import pytest

from hw.network_case import make_case
from spikeloom.artefact import write_artefact
from spikeloom.board import Board
from spikeloom.compile import compile_network
from spikeloom.spec import regmap
from spikeloom.spec.config import BuildConfig
from spikeloom.spec.errors import NetworkError
from spikeloom.spec.manifest import InputFacts
from spikeloom.spec.memmap import memory_map
from spikeloom.spec.network import InputPopulation, Network, Population, Projection
from spikeloom_sim.transports import SimOptions
from spikeloom_sim.transports.compiled import open_compiled
from spikeloom_sim.transports.design import gateware
from spikeloom_sim.transports.rtl import Status

pytestmark = [pytest.mark.rtl, pytest.mark.slow]

CONFIG = BuildConfig("faults", lanes=4, state_rows=8, weight_rows=64, populations=4, projections=4)
COMPACT = replace(CONFIG, compact=True)
CONTROL = regmap.BY_NAME["CONTROL"]
STATUS = regmap.BY_NAME["STATUS"]
NEVER = 1 << 16
CAPACITY = 4096
CYCLES = 20000


class Core:
    """A compiled core and what a host does with it."""

    def __init__(self, config):
        self.config = config
        self.transport = open_compiled("cxxrtl", gateware(config), SimOptions())

    def get(self, name):
        return self.transport.read32(regmap.BY_NAME[name].offset)

    def put(self, name, value):
        self.transport.write32(regmap.BY_NAME[name].offset, value)

    def load(self, images):
        self.put("CONTROL", 0)
        for name, memory in memory_map(self.config).items():
            if images[name].size:
                self.transport.write_block(memory.base, images[name].ravel())

    def start(self, case):
        self.put("NETWORK", case.n_populations)
        self.put("CONTROL", CONTROL.mask("RUN"))
        for _ in range(100):
            if self.get("STATUS") & STATUS.mask("READY"):
                return
        raise AssertionError("the core must get ready")

    def exchange(self, beats, cycles=CYCLES, stalls=(0, 0), seed=0):
        beats = np.ascontiguousarray(beats, np.uint64)
        return self.transport._open.exchange(beats, CAPACITY, cycles, stalls, seed)

    def right(self, case):
        """Run a case and compare."""
        done = self.exchange(case.beats())
        assert done.status is Status.DONE
        case.check(done.beats)
        return done.cycles

    def reset(self):
        self.put("CONTROL", CONTROL.mask("RESET"))
        assert self.get("CONTROL") == 0
        assert self.get("STATUS") == 0


@pytest.fixture(params=[CONFIG, COMPACT], ids=["core", "compact"])
def core(engine_cache, request):
    core = Core(request.param)
    yield core
    core.transport.close()


def test_a_million_ticks_without_an_event(core, tmp_path):
    """A potential that is kept is kept exactly, and one that leaks loses 1 in every tick."""
    ticks, start = 1_000_000, -2_000
    network = Network(
        (InputPopulation("in", (1,), 127),),
        (
            Population("keeps", (1,), threshold=32767, decay=32768),
            Population("leaks", (1,), threshold=32767, decay=32767, initial=start),
        ),
        (Projection("in", "keeps", np.array([[77]])), Projection("in", "leaks", np.array([[0]]))),
        ("keeps", "leaks"),
    )
    compiled = compile_network(network, core.config)
    artefact = write_artefact(
        tmp_path / "artefact",
        network,
        InputFacts(shape=(1,), ticks=ticks),
        build=compiled.build,
        images=compiled.images,
    )
    with Board(core.transport) as board:
        board.load(artefact)
        # a potential costs cycles in every tick, so the longest run ends without any
        for n_ticks, n_events in ((ticks, 0), (1_234, 2), (3, 1)):
            inputs = np.zeros((1, n_ticks, 1), np.uint8)
            inputs[0, 0, 0] = n_events
            found = board.run(inputs).populations
            assert found["keeps"].final.tolist() == [[77 * n_events]]
            assert found["leaks"].final.tolist() == [[min(start + n_ticks, 0)]]
        assert core.get("TICKS_LO") == ticks + 1_234 + 3
        assert core.get("ERRORS") == 0


@pytest.mark.parametrize("how", ["RESET", "RUN"])
def test_a_reset_in_every_cycle_and_then_a_right_run(core, how):
    case = make_case(5, core.config, n_samples=1, n_ticks=2)
    core.load(case.images)
    core.start(case)
    length = core.right(case)
    assert length > 60
    for cycles in range(1, length):
        done = core.exchange(case.beats(), cycles)
        assert done.status is Status.TIMEOUT, f"{cycles} of {length} cycles"
        core.put("CONTROL", CONTROL.mask("RESET") if how == "RESET" else 0)
        assert core.get("STATUS") == 0
        core.start(case)
        core.right(case)


def test_an_output_that_is_never_taken(core):
    """The core stands, says so, and comes back by a reset."""
    case = make_case(53, core.config, n_samples=3)
    core.load(case.images)
    core.start(case)
    done = core.exchange(case.beats(), 5000, (0, NEVER))
    assert done.status is Status.TIMEOUT
    assert len(done.beats) == 0
    assert core.get("STALL_OUT_LO") > 4500
    assert core.get("STATUS") == STATUS.mask("READY")
    core.reset()
    core.start(case)
    core.right(case)
    assert core.get("ERRORS") == 0


def test_start_and_writes_while_running_change_nothing(core):
    """A run goes on behind a pause of the input, with RUN and the memories written in it."""
    case = make_case(54, core.config, n_samples=2)
    core.load(case.images)
    core.start(case)
    n_refused = 0
    for cycles in range(5, 40):
        first = core.exchange(case.beats(), cycles)
        assert first.n_sent < len(case.beats())
        core.put("CONTROL", CONTROL.mask("RUN"))
        for memory in memory_map(core.config).values():
            words = np.array([0xFFFFFFFF], np.uint32)
            status, _ = core.transport._open.write(memory.base, words, 100)
            assert status is Status.BUS_ERROR
            n_refused += 1
        second = core.exchange(case.beats()[first.n_sent :])
        assert second.status is Status.DONE
        case.check(np.concatenate([first.beats, second.beats]))
        assert core.get("ERRORS") == regmap.BY_NAME["ERRORS"].mask("BUSY")
        core.put("ERRORS", 0xFFFFFFFF)
    assert n_refused > 100


def test_tables_without_sense_never_stop_the_bus(core):
    """Random memories: anything may come out, but the bus answers and a reset ends it."""
    case = make_case(5, core.config, n_samples=1, n_ticks=3)
    hangs = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        density = rng.choice([0.0, 0.1, 0.5])
        images = {
            name: np.where(
                rng.random(words.shape) < density,
                rng.integers(0, 1 << 32, words.shape, dtype=np.uint32),
                words if seed % 2 else 0,
            ).astype(np.uint32)
            for name, words in case.images.items()
        }
        core.load(images)
        core.put("NETWORK", int(rng.integers(0, 512)) | int(rng.integers(0, 512)) << 16)
        core.put("CONTROL", CONTROL.mask("RUN"))
        done = core.exchange(case.beats(), 2000, (0, 0), seed)
        assert done.status in (Status.DONE, Status.TIMEOUT, Status.OVERRUN), f"seed {seed}"
        hangs += done.status is Status.TIMEOUT
        for register in regmap.REGISTERS:
            core.get(register.name)
        core.reset()
        core.load(case.images)
        core.put("ERRORS", 0xFFFFFFFF)
        core.start(case)
        core.right(case)
        assert core.get("ERRORS") == 0, f"seed {seed}"
    assert hangs > 10


def test_thresholds_of_zero_and_empty_populations_never_get_that_far():
    """What the core does not check is refused in the description already."""
    for values in ({"threshold": 0}, {"threshold": -1}, {"decay": 32769}, {"decay": -1}):
        with pytest.raises(NetworkError):
            Population("out", (1,), **{"threshold": 1, "decay": 1, **values})
    with pytest.raises(NetworkError):
        Population("out", (0,), threshold=1, decay=1)
