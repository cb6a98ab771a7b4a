"""Events of cameras: read their files, and make frames of them; NumPy alone.

:func:`read_events` reads a whole file, :func:`iterate_events` a long one in pieces, and
:func:`frames` counts events into ticks.  :class:`SensorSetup` sets up a camera at the core's
own port.  Compressed AEDAT4 files need the packages of the
extra ``events``; everything else needs NumPy only and works on a board.
"""

from .array import Events
from .frames import frames
from .reading import FORMATS, file_format, iterate_events, read_events
from .sensor import AddressField, SensorSetup
from .source import EventWarning

__all__ = [
    "FORMATS",
    "AddressField",
    "EventWarning",
    "Events",
    "SensorSetup",
    "file_format",
    "frames",
    "iterate_events",
    "read_events",
]
