"""What the tests of the components between cores share: tables that are filled, random beats."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from hw.bench import Stall, stalled
from spikeloom.spec import aer
from spikeloom.spec.aer import Kind
from spikeloom.spec.config import BuildConfig
from spikeloom.spec.tables import Table, pack_row
from spikeloom_hw.link import Link
from spikeloom_hw.table import TableMemory

LINKED = BuildConfig(
    "linked", lanes=4, state_rows=8, weight_rows=64, populations=4, projections=16, cores=3,
    link_beats=128,
)  # fmt: skip
Word = int


async def fill(ctx: Any, memory: TableMemory, table: Table, rows: list[dict[str, int]]) -> None:
    """Write the rows of a table of one word per row, and let the core read them."""
    ctx.set(memory.host_write, 1)
    for index, facts in enumerate(rows):
        ctx.set(memory.host_row, index)
        ctx.set(memory.host_data, int(pack_row(table, facts)[0]))
        await ctx.tick()
    ctx.set(memory.host_write, 0)
    ctx.set(memory.run, 1)


async def write_slot(
    ctx: Any, link: Link, beats: Sequence[Word], rng: random.Random, stall: Stall
) -> None:
    """Store the beats of a tick and close its slot, waiting for the link and at random."""
    for data in [*beats, None]:
        while stalled(rng, stall):
            await ctx.tick()
        ctx.set(link.data, data or 0)
        ctx.set(link.store, data is not None)
        ctx.set(link.close, data is None)
        ready = 0
        while not ready:
            _, _, ready = await ctx.tick().sample(link.ready)
        ctx.set(link.store, 0)
        ctx.set(link.close, 0)


def spike(population: int, neuron: int) -> Word:
    """Return the word of a spike."""
    return aer.addressed(Kind.SPIKE, population, neuron)


def beat(low: Word, high: Word = 0) -> int:
    """Return the two words of a beat as an integer."""
    return low | high << aer.WORD_BITS


def words(data: int) -> tuple[Word, Word]:
    """Return the two words of a beat."""
    return data & 0xFFFFFFFF, data >> aer.WORD_BITS


def kind(word: Word) -> int:
    """Return a word's kind."""
    return word >> aer.KIND_SHIFT


def random_spikes(rng: random.Random, population: int, graded: bool) -> int:
    """Return a beat with one spike or two of a population, as an encoder sends them."""
    first, second = (spike(population, rng.getrandbits(10)) for _ in range(2))
    choices = [beat(first), beat(first, second)]
    if graded:
        choices.append(beat(aer.word(Kind.GRADED, rng.randint(1, 127)), first))
    return rng.choice(choices)


def population(word: Word) -> int:
    """Return the population that an addressed word names."""
    return (word >> aer.POPULATION_SHIFT) & ((1 << aer.POPULATION_BITS) - 1)


def neuron(word: Word) -> int:
    """Return the neuron that an addressed word names."""
    return word & ((1 << aer.NEURON_BITS) - 1)
