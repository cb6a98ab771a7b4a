"""Options of the simulated cores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spikeloom.spec.errors import UsageError

MAX_STALL = 0.99


@dataclass(frozen=True)
class SimOptions:
    """How a simulated core is driven; the golden transport has no use for it.

    Parameters
    ----------
    stall_in
        Probability, 0 to 0.99, that an input beat waits a further cycle before TVALID.
    stall_out
        Probability, 0 to 0.99, that TREADY of the output is low in a cycle.
    seed
        Seed of the stalls, 0 to 2^32 - 1.
    """

    stall_in: float = 0.0
    stall_out: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("stall_in", "stall_out"):
            value = getattr(self, name)
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            if not number or not 0 <= value <= MAX_STALL:
                raise UsageError(f"{name} must be from 0 to {MAX_STALL}, not {value!r}")
        if not isinstance(self.seed, int) or not 0 <= self.seed < 1 << 32:
            raise UsageError(f"seed must be an integer from 0 to 2^32 - 1, not {self.seed!r}")

    @classmethod
    def of(cls, options: SimOptions | Mapping[str, Any] | None) -> SimOptions:
        """Return ``options`` as an object; a mapping may name the fields above only."""
        if isinstance(options, SimOptions):
            return options
        values = dict(options or {})
        for name in values.keys() - cls.__dataclass_fields__.keys():
            known = ", ".join(cls.__dataclass_fields__)
            raise UsageError(f"simulation option must be one of {known}, not {name!r}")
        return cls(**values)
