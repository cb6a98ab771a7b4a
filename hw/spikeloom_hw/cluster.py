"""Several cores behind one input and one output stream: a chain, or side by side."""

from __future__ import annotations

from amaranth.hdl import Array, Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from spikeloom.spec import aer
from spikeloom.spec.aer import Kind
from spikeloom.spec.config import BuildConfig
from spikeloom.spec.memmap import core_memories
from spikeloom.spec.tables import FEEDS, ROUTES, TARGETS

from .core import Core
from .gate import HostBeat, HostGate
from .join import Join
from .layouts import Beat
from .link import Link
from .merge import Merge
from .ports import Events, Faults
from .queue import Queue
from .router import Router
from .table import TableMemory, host_members
from .words import kind_of

INPUT_BEATS = 512
"""Beats of the host that wait for a core; side by side, those of its next sample."""

ANSWER_BEATS = 512
"""Beats of a core's answer that wait for their turn."""

OUTPUT_BEATS = 4


class Cluster(wiring.Component):
    """Cores, the links between them, and what makes them look like one core.

    In a chain every core has populations of its own, in topological order, and the cores work on
    different ticks at the same time.  A core closes tick t when it has the host's words of tick t
    and, of every core that feeds it with a delay d, those of tick t - d.  No two cores wait for
    each other: of all ticks that are not closed take the earliest one, and of the cores that work
    on it the first.  Everything this core needs is there; the answer of it is the next that
    :class:`~spikeloom_hw.join.Join` takes; and every link from it has room, since its reader works
    on this tick, or from a later core on the next one, and the compiler gives the ring room for as
    many ticks as a delay reaches back.  The host's words for it come: a core takes those of its
    tick before it waits for another core.

    Side by side every core runs the whole network; samples are dealt to them in turn.  The cores
    work at the same time as far as samples and answers fit their buffers.

    Members
    -------
    i, o : streams of Beat
    run : In(1), ready, idle : Out(1), events, faults : Out
        As those of :class:`~spikeloom_hw.core.Core`, for all cores together.
    n_populations0, n_replays0, ... : In(9)
        Of each core.
    n_cores : In(3), side_by_side : In(1), takes_input : In(4), n_inputs : In(20)
        How the cores work together (:mod:`spikeloom.spec.regmap`).
    host_core : In(2), host_memory, host_row, host_word, host_data, host_write, host_value
        Access of the host to the memories of a core.
    """

    def __init__(self, config: BuildConfig) -> None:
        self.config = config
        self.memories = core_memories(config)
        rows = max(memory.rows for memory in self.memories.values())
        words = max(memory.row_words for memory in self.memories.values())
        super().__init__(
            {
                "i": In(stream.Signature(Beat)),
                "o": Out(stream.Signature(Beat)),
                "run": In(1),
                **{f"n_populations{core}": In(9) for core in range(config.cores)},
                **{f"n_replays{core}": In(9) for core in range(config.cores)},
                "n_cores": In(3),
                "side_by_side": In(1),
                "takes_input": In(4),
                "n_inputs": In(aer.NEURON_BITS),
                "ready": Out(1),
                "idle": Out(1),
                "events": Out(Events),
                "faults": Out(Faults),
                "host_core": In(2),
                "host_memory": In(range(len(self.memories))),
                **host_members(rows, words),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self.config
        self._numbers = range(config.cores)
        self._used = [Signal(name=f"used{k}") for k in self._numbers]
        self._linked = Signal()
        self._idles: list[Value] = []
        for k in self._numbers:
            m.d.comb += self._used[k].eq(self.run & (self.n_cores > k))
        m.d.comb += self._linked.eq(~self.side_by_side if config.link_beats else 0)
        self._cores = [Core(config.one_core) for _ in self._numbers]
        for k, core in enumerate(self._cores):
            m.submodules[f"core{k}"] = core
        self._memories(m)
        hosts = self._host(m)
        answers = self._links(m, hosts) if config.link_beats else self._direct(m, hosts)
        self._answer(m, answers)
        self._report(m)
        return m

    def _queue(self, m: Module, name: str, layout: data.StructLayout, depth: int) -> Queue:
        """Add a queue that counts for idleness."""
        m.submodules[name] = queue = Queue(layout, depth)
        self._idles.append(queue.idle)
        return queue

    def _memories(self, m: Module) -> None:
        """Join the memories of every core to the host."""
        own = list(core_memories(self.config.one_core))
        linked = {"routes": ROUTES, "feeds": FEEDS, "targets": TARGETS}
        self._tables: list[dict[str, TableMemory]] = []
        values = []
        for k, core in enumerate(self._cores):
            selected = self.host_core == k
            m.d.comb += [
                core.run.eq(self._used[k]),
                core.n_populations.eq(getattr(self, f"n_populations{k}")),
                core.n_replays.eq(getattr(self, f"n_replays{k}")),
                core.host_memory.eq(self.host_memory),
                core.host_row.eq(self.host_row),
                core.host_word.eq(self.host_word),
                core.host_data.eq(self.host_data),
                core.host_write.eq(self.host_write & selected & (self.host_memory < len(own))),
            ]
            found = [core.host_value] * len(own)
            tables = {}
            for name in list(self.memories)[len(own) :]:
                table = TableMemory(linked[name], self.memories[name].rows)
                m.submodules[f"{name}{k}"] = tables[name] = table
                writes = self.host_write & selected & (self.host_memory == len(found))
                table.serve(m, self, self.run, writes)
                found.append(table.host_value)
            self._tables.append(tables)
            values.append(Array(found)[self.host_memory])
        m.d.comb += self.host_value.eq(Array(values)[self.host_core])

    def _host(self, m: Module) -> list[Queue]:
        """Deal the host's words to the cores."""
        m.submodules.gate = self._gate = gate = HostGate(self.config.graded)
        self._idles.append(gate.idle)
        wiring.connect(m, wiring.flipped(self.i), gate.i)
        beat = gate.o.payload
        turn = Signal(2)
        marker = beat.tick | beat.end
        queues, wants, free = [], [], []
        for k in self._numbers:
            queue = self._queue(m, f"input{k}", HostBeat, INPUT_BEATS)
            wanted = Mux(self.side_by_side, turn == k, marker | self.takes_input[k])
            wants.append(wanted & self._used[k])
            free.append(~wants[-1] | queue.i.ready)
            queues.append(queue)
        taken = Signal()
        m.d.comb += [
            gate.n_inputs.eq(self.n_inputs),
            gate.o.ready.eq(Cat(free).all() & self.ready),
            taken.eq(gate.o.valid & gate.o.ready),
        ]
        for queue, wanted in zip(queues, wants, strict=True):
            m.d.comb += [queue.i.payload.eq(beat), queue.i.valid.eq(taken & wanted)]
        with m.If(taken & beat.end):
            m.d.sync += turn.eq(Mux(turn + 1 == self.n_cores, 0, turn + 1))
        return queues

    def _direct(self, m: Module, hosts: list[Queue]) -> list[Queue]:
        """Join each core to its share of the host's words and to its buffer of answers."""
        answers = []
        for k, (host, core) in enumerate(zip(hosts, self._cores, strict=True)):
            answer = self._queue(m, f"answer{k}", Beat, ANSWER_BEATS)
            m.d.comb += [
                core.i.valid.eq(host.o.valid),
                core.i.payload.data.eq(host.o.payload.data),
                core.i.payload.last.eq(host.o.payload.last),
                host.o.ready.eq(core.i.ready),
            ]
            wiring.connect(m, core.o, answer.i)
            answers.append(answer)
        return answers

    def _links(self, m: Module, hosts: list[Queue]) -> list[Queue]:
        """Join the cores by links; return the buffers of their answers."""
        links = {
            (a, b): Link(self.config.link_beats)
            for a in self._numbers
            for b in self._numbers
            if a != b
        }
        for (a, b), link in links.items():
            m.submodules[f"link{a}_{b}"] = link
        answers = []
        for k in self._numbers:
            self._merge(m, k, hosts[k], {a: link for (a, b), link in links.items() if b == k})
            answers.append(self._route(m, k, {b: link for (a, b), link in links.items() if a == k}))
        return answers

    def _merge(self, m: Module, k: int, host: Queue, sources: dict[int, Link]) -> None:
        """Join core ``k`` to the host and to the links from other cores."""
        m.submodules[f"merge{k}"] = merge = Merge(self.config)
        wiring.connect(m, merge.o, self._cores[k].i)
        wiring.connect(m, host.o, merge.host)
        merge.read(m, self._tables[k]["feeds"], self._tables[k]["targets"], sources)
        m.d.comb += [
            merge.linked.eq(self._linked),
            merge.may_advance.eq(
                Cat(link.may_advance | ~self._used[a] for a, link in sources.items()).all()
            ),
        ]
        self._idles.append(merge.idle)

    def _route(self, m: Module, k: int, targets: dict[int, Link]) -> Queue:
        """Join core ``k`` to the links to other cores and to its buffer of answers."""
        m.submodules[f"router{k}"] = router = Router(self.config)
        answer = self._queue(m, f"answer{k}", Beat, ANSWER_BEATS)
        routes = self._tables[k]["routes"]
        wiring.connect(m, self._cores[k].o, router.i)
        wiring.connect(m, router.host, answer.i)
        m.d.comb += [
            router.linked.eq(self._linked),
            routes.index0.eq(router.route_index),
            routes.read0.eq(router.route_read),
            router.route_row.eq(routes.row0),
        ]
        self._idles.append(router.idle)
        for b, link in targets.items():
            m.d.comb += [
                router.others[b].eq(self._used[b]),
                router.ready[b].eq(link.ready),
                link.data.eq(router.data),
                link.store.eq(router.store[b]),
                link.close.eq(router.close[b]),
            ]
        return answer

    def _answer(self, m: Module, answers: list[Queue]) -> None:
        """Join the answers; count what leaves."""
        m.submodules.join = join = Join(self.config.cores)
        out = self._queue(m, "output", Beat, OUTPUT_BEATS)
        for k, answer in enumerate(answers):
            wiring.connect(m, answer.o, getattr(join, f"i{k}"))
        wiring.connect(m, join.o, out.i)
        wiring.connect(m, out.o, wiring.flipped(self.o))
        m.d.comb += [
            join.last_core.eq(self.n_cores - 1),
            join.side_by_side.eq(self.side_by_side),
        ]
        sent = self.o.valid & self.o.ready
        low, high = (kind_of(self.o.payload.data.word_select(i, aer.WORD_BITS)) for i in range(2))
        m.d.comb += [
            self.events.spikes_out.eq(Mux(sent, (low == Kind.SPIKE) + (high == Kind.SPIKE), 0)),
            self.events.tick.eq(sent & (low == Kind.TICK)),
            self.events.sample.eq(sent & (low == Kind.END)),
            self.events.stall_out.eq(self.o.valid & ~self.o.ready),
        ]

    def _report(self, m: Module) -> None:
        """Report what the cores do as one."""
        gate, events, faults = self._gate, self.events, self.faults
        cores = list(zip(self._used, self._cores, strict=True))
        idle = Cat(~used | core.idle for used, core in cores).all()
        waits = Cat(~used | core.idle | core.events.stall_in for used, core in cores).all()
        m.d.comb += [
            self.ready.eq(self.run & Cat(~used | core.ready for used, core in cores).all()),
            self.idle.eq(self.ready & idle & Cat(self._idles).all() & ~self.i.valid),
            events.sops.eq(sum(core.events.sops for core in self._cores)),
            events.spikes_in.eq(gate.accepted),
            events.dropped.eq(gate.dropped),
            events.busy.eq(self.ready & ~self.idle),
            events.stall_in.eq(events.busy & waits & ~self.i.valid & gate.idle),
            faults.kind.eq(gate.bad_kind | Cat(c.faults.kind for c in self._cores).any()),
            faults.address.eq(gate.bad_address | Cat(c.faults.address for c in self._cores).any()),
            faults.frame.eq(gate.bad_frame),
            faults.overflow.eq(Cat(core.faults.overflow for core in self._cores).any()),
        ]
