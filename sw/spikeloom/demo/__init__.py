"""The demonstration: the whole way from images to spikes on simulated silicon.

:mod:`.pipeline` runs the stages, :mod:`.pictures` draws what came out.
"""

from .pipeline import run_demo

__all__ = ["run_demo"]
