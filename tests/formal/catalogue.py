"""Every proof there is."""

from __future__ import annotations

from . import arithmetic, buses, memories, streams

UNSETTLED = frozenset(
    (
        *("division_digits", "queue", "encoder_loses_nothing", "walker_rows", "walker_table"),
        *("fan_out_runs", "merger_stream"),
    )
)
"""Written and not yet judged; no part of what is proved."""

PROOFS = tuple(
    proof
    for proof in (*arithmetic.PROOFS, *buses.PROOFS, *memories.PROOFS, *streams.PROOFS)
    if proof.name not in UNSETTLED
)
