"""The errors SpikeLoom raises for bad use, bad input and failing devices.

A message says what is wrong, what was found, what was expected and, where it
helps, what to do.  The command line prints it in one line and exits with code 2.
"""

from __future__ import annotations


class SpikeLoomError(Exception):
    """Base of every error that a user can cause or meet."""


class UsageError(SpikeLoomError):
    """A command or call was given arguments that do not go together."""


class NetworkError(SpikeLoomError):
    """A network description breaks a rule of the contract."""


class CapacityError(SpikeLoomError):
    """A network does not fit the build it is compiled for."""


class ArtefactError(SpikeLoomError):
    """An artefact is missing, damaged, foreign or of an unknown schema."""


class CompatError(SpikeLoomError):
    """An artefact and a build do not belong together (other build id)."""


class DataError(SpikeLoomError):
    """Input data is missing, damaged or of the wrong shape, type or range."""


class EngineError(SpikeLoomError):
    """A simulation engine is unknown, not installed or failed to build."""


class LinkError(SpikeLoomError):
    """No SpikeLoom core answers at the other end of a transport."""


class DeviceTimeout(SpikeLoomError):
    """A device did not finish before its deadline."""


class DeviceError(SpikeLoomError):
    """A device reported an error, or answered with words that make no sense."""
