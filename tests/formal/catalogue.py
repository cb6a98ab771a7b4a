"""Every proof there is."""

from __future__ import annotations

from . import arithmetic, buses, memories, streams

PROOFS = (*arithmetic.PROOFS, *buses.PROOFS, *memories.PROOFS, *streams.PROOFS)
