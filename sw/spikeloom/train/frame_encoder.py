"""Recordings of an event camera to the events of each tick: frames, as an encoder.

The artefact keeps it as ``{"kind": "frames", parameters}`` (:func:`check_frames`);
:func:`encode_recordings` runs it (:func:`spikeloom.events.frames.frames`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..events import Events
from ..events.frames import frames
from ..spec.errors import DataError
from ..spec.manifest import InputFacts
from ..spec.numfmt import MAGNITUDE_MAX

PARAMETERS: dict[str, tuple[int, int, int]] = {
    "max_magnitude": (1, MAGNITUDE_MAX, 1),
    "downscale": (1, 64, 1),
}
"""(low, high, default)."""

CUTS = ("time", "count")
POLARITIES = 2


def check_frames(encoder: Mapping[str, Any]) -> dict[str, Any]:
    """Return the encoder with every parameter filled in and checked.

    Parameters
    ----------
    encoder
        ``kind`` "frames"; ``by`` "time" (default: equal times from the first event to the
        last) or "count" (equal numbers of events); ``max_magnitude``, the greatest count of
        a pixel in a tick; ``downscale``, pixels along one side of a pixel of the frame.

    Raises
    ------
    DataError
        For an unknown parameter and a value out of range, naming it.
    """
    given = dict(encoder)
    kind, by = given.pop("kind", None), given.pop("by", "time")
    if kind != "frames":
        raise DataError(f"encoder.kind must be frames, not {kind!r}")
    if by not in CUTS:
        raise DataError(f"encoder.by must be time or count, not {by!r}")
    out: dict[str, Any] = {"kind": kind, "by": by}
    for name, (low, high, default) in PARAMETERS.items():
        value = given.pop(name, default)
        whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
        if not whole or not low <= value <= high:
            raise DataError(
                f"encoder.{name} must be an integer from {low} to {high}, not {value!r}"
            )
        out[name] = int(value)
    if given:
        raise DataError(f"encoder.{min(given)} is no parameter of the encoder frames")
    return out


def frame_facts(encoder: Mapping[str, Any], size: tuple[int, int], ticks: int) -> InputFacts:
    """Return how recordings of a sensor of ``size`` (height, width) map to the input."""
    checked = check_frames(encoder)
    height, width = (-(-side // checked["downscale"]) for side in size)
    return InputFacts((POLARITIES, height, width), ticks, "channels_first", checked)


def encode_recordings(facts: InputFacts, recordings: Sequence[Events]) -> NDArray[np.uint8]:
    """Encode recordings the way the network was trained, from its artefact's input facts.

    Parameters
    ----------
    facts
        ``artefact.input``; its ``encoder`` is of kind frames.
    recordings
        Events of one sensor each.

    Returns
    -------
    uint8 (recordings, ``facts.ticks``, 2, height, width): OFF counts, then ON counts.

    Raises
    ------
    DataError
        For another encoder, and for a recording of another size, with its index.
    """
    checked = check_frames(facts.encoder)
    out = np.empty((len(recordings), facts.ticks, *facts.shape), np.uint8)
    for index, events in enumerate(recordings):
        found = frames(
            events, ticks=facts.ticks, by=checked["by"], downscale=checked["downscale"],
            max_magnitude=checked["max_magnitude"],
        )  # fmt: skip
        if found.shape[1:] != tuple(facts.shape):
            raise DataError(
                f"recording {index} must give frames of {tuple(facts.shape)}, "
                f"not {found.shape[1:]} from a sensor of {events.height} x {events.width}"
            )
        out[index] = found
    return out
