"""Delays that are learnt.

A delay may take a few values v[0] = 0 to v[K - 1], as far from each other as whole ticks allow.
While it is trained it is a real number p between 0 and K - 1: an event of tick t arrives in the
ticks t + v[k] with the shares exp(-(k - p)^2 / (2 width^2)), which sum to 1 (Hammouamri,
Khalfaoui-Hassani and Masquelier 2023, "Learning delays in spiking neural networks using dilated
convolutions with learnable spacings").  The width shrinks while the float stage goes on; wherever
the network is judged, and on integers, p is rounded and an event arrives once.

A dense projection has a delay for each source neuron, that of its axon (Sun, Zhu and Botteldooren
2023, "Learnable axonal delay in spiking neural networks improves spoken word recognition"); any
other kind has one for all.  A projection of the accelerator has one delay, so that every value of
a dense one becomes a small population that holds events back (:mod:`.export`).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

LAST_WIDTH = 0.5
"""Width at the end of the float stage, in distances between values."""

SHRINKING = 0.75
"""Share of the float stage in which the width shrinks, by equal factors from epoch to epoch."""


class LearntDelay(nn.Module):
    """The delays of one projection.

    Parameters
    ----------
    limit
        Greatest delay in ticks, 1 to 63.
    values
        Values that a delay can take, 2 or more; as many as there are ticks at most.
    size
        Source neurons, or 0 for one delay of the whole projection.
    generator
        Draws the first delays from U(0, limit); a single one starts in the middle.

    Notes
    -----
    The parameter ``position`` is p / (K - 1), 0 to 1, so that the learning rate of the weights
    suits it.
    """

    def __init__(self, limit: int, values: int, size: int, generator: torch.Generator) -> None:
        super().__init__()
        values = min(values, limit + 1)
        self.values = [round(k * limit / (values - 1)) for k in range(values)]
        start = torch.rand(size, generator=generator) if size else torch.tensor(0.5)
        self.position = nn.Parameter(start)
        self.width = 0.0
        self.shrink(0.0)

    def shrink(self, progress: float) -> None:
        """Set the width for an epoch of the float stage, 0 (the first) to 1 (its end).

        Positions that have passed an end go back to it.
        """
        first = max((len(self.values) - 1) / 2, LAST_WIDTH)
        self.width = first * (LAST_WIDTH / first) ** min(progress / SHRINKING, 1.0)
        with torch.no_grad():
            self.position.clamp_(0, 1)

    def _scaled(self) -> Tensor:
        """Return p, clipped; the gradient passes the clip, so that none stays beyond an end."""
        beyond = (self.position.clamp(0, 1) - self.position).detach()
        return (self.position + beyond) * (len(self.values) - 1)

    def ticks(self) -> Tensor:
        """Return the rounded delays, int64 [n_source] or []."""
        return torch.tensor(self.values)[self._scaled().detach().round().long()]

    def shares(self) -> Tensor:
        """Return the share of an event that arrives with each value, [values, n_source or 1]."""
        each = torch.arange(len(self.values), dtype=self.position.dtype)[:, None]
        distance = (each - self._scaled().reshape(1, -1)) / self.width
        return torch.softmax(-0.5 * distance.square(), 0)

    def forward(self, events: Tensor, whole: bool) -> Tensor:
        """Return what arrives in each tick, [T, N, n], of events [T, N, n].

        ``whole`` rounds the delays; else the gradient reaches them.
        """
        if whole:
            ticks = self.ticks().reshape(1, -1)
            shares = (ticks == torch.tensor(self.values)[:, None]).to(events.dtype)
        else:
            shares = self.shares()
        arriving = torch.zeros_like(events, memory_format=torch.contiguous_format)
        for late, share in zip(self.values, shares, strict=True):
            if late < len(events):
                arriving[late:] += events[: len(events) - late] * share
        return arriving

    def in_time(self, events: Tensor) -> Tensor:
        """Return the events [T, N, n] that arrive before the sample ends, 0 for the others."""
        sent = torch.arange(len(events))[:, None]
        return events * (sent + self.ticks().reshape(1, -1) < len(events)).to(events.dtype)[:, None]
