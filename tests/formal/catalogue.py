"""Every proof there is."""

from __future__ import annotations

from . import arithmetic, buses, compact, links, memories, streams

UNSETTLED = frozenset(("division_digits",))
"""Written, and not decided by the solver so far: no part of what is proved.

They run when they are named.
"""

ALL = (
    *arithmetic.PROOFS,
    *buses.PROOFS,
    *memories.PROOFS,
    *streams.PROOFS,
    *links.PROOFS,
    *compact.PROOFS,
)
PROOFS = tuple(proof for proof in ALL if proof.name not in UNSETTLED)
