"""The driver: write a network into a core, send spikes, get spikes and potentials back.

Needs the standard library and NumPy only.  :class:`Board` drives any
:class:`~spikeloom.board.transport.Transport`; :func:`open_board` opens a PYNQ board.
"""

from .driver import Board
from .pynq_transport import open_board
from .result import PopulationTrace, RunResult

__all__ = ["Board", "PopulationTrace", "RunResult", "open_board"]
