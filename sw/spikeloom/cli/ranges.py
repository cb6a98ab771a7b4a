"""Ranges of numbers on the command line."""

from __future__ import annotations

import argparse

from ..spec.errors import UsageError


def check_counts(args: argparse.Namespace, *names: str) -> None:
    """Raise :class:`UsageError` if one of the options ``names`` was given and is below 1."""
    for name in names:
        value = getattr(args, name)
        if value is not None and value < 1:
            raise UsageError(f"{_option(name)} must be at least 1, not {value}")


def check_positive(args: argparse.Namespace, *names: str) -> None:
    """Raise :class:`UsageError` if one of ``names`` was given and is no finite number above 0."""
    for name in names:
        value = getattr(args, name)
        if value is not None and not 0 < value < float("inf"):
            raise UsageError(f"{_option(name)} must be above 0 and finite, not {value:g}")


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"
