"""What a search may vary: fields of a training run, and the lanes of the build."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from ..spec.errors import UsageError
from ..train.config import TrainConfig

LANES = "lanes"
FIXED = (
    *("dataset", "data_dir", "holdout_speaker", "validation", "threads", "shards", "start"),
    "encoder_parameters",
)
"""Fields that are the same in every trial, so that trials can be compared."""


@dataclass(frozen=True)
class Choice:
    """One of some values, as texts."""

    name: str
    texts: tuple[str, ...]

    def suggest(self, trial: Any) -> Any:
        """Return the value that an Optuna trial takes."""
        return value_of(self.name, trial.suggest_categorical(self.name, list(self.texts)))


@dataclass(frozen=True)
class Between:
    """A number from ``low`` to ``high``, whole if both are; ``log`` for equal ratios."""

    name: str
    low: float
    high: float
    log: bool

    def suggest(self, trial: Any) -> Any:
        """Return the value that an Optuna trial takes."""
        if isinstance(self.low, int) and isinstance(self.high, int):
            return trial.suggest_int(self.name, self.low, self.high, log=self.log)
        return trial.suggest_float(self.name, self.low, self.high, log=self.log)


Variation = Choice | Between


def value_of(name: str, text: str) -> Any:
    """Return the value of a field, or of ``lanes``, from its text.

    Raises :class:`UsageError` for an unknown field or a text that is no value of it.
    """
    if name == LANES:
        return _as(int, name, text)
    default = _defaults()[name]
    if isinstance(default, bool):
        if text not in ("true", "false"):
            raise UsageError(f"{name} must be true or false, not {text!r}")
        return text == "true"
    if isinstance(default, tuple):
        return tuple(_as(int, name, part) for part in text.split(",") if part)
    if isinstance(default, (Enum, str)):
        return text
    return _as(type(default) if isinstance(default, (int, float)) else float, name, text)


def _as(kind: type, name: str, text: str) -> Any:
    try:
        return kind(text)
    except ValueError:
        what = "an integer" if kind is int else "a number"
        raise UsageError(f"{name} must be {what}, not {text!r}") from None


def _defaults() -> dict[str, Any]:
    return {f.name: getattr(TrainConfig, f.name, None) for f in dataclasses.fields(TrainConfig)}


def parse_variation(text: str) -> Variation:
    """Return the variation of ``NAME=A|B|C``, ``NAME=LOW..HIGH`` or ``NAME=LOW..HIGH:log``.

    Raises
    ------
    UsageError
        For an unknown field, a value that is none of it, or no range.
    """
    name, sign, values = text.partition("=")
    known = sorted({LANES, *_defaults()} - set(FIXED))
    if name not in known:
        raise UsageError(f"a search can vary {', '.join(known)}, not {name!r}")
    if not sign or not values:
        raise UsageError(f"a variation must be NAME=A|B|C or NAME=LOW..HIGH[:log], not {text!r}")
    if ".." not in values:
        texts = tuple(values.split("|"))
        for one in texts:
            value_of(name, one)
        return Choice(name, texts)
    values, _, scale = values.partition(":")
    low, high = (value_of(name, part) for part in values.split("..", 1))
    if scale not in ("", "log") or not all(type(v) in (int, float) for v in (low, high)):
        raise UsageError(f"{name} must vary as LOW..HIGH or LOW..HIGH:log, not {values}:{scale}")
    if not low < high or (scale and low <= 0):
        raise UsageError(
            f"{name} must go from a lower to a higher number, both above 0 with log, not {values}"
        )
    return Between(name, low, high, scale == "log")


def parse_space(texts: Iterable[str]) -> tuple[Variation, ...]:
    """Return the variations; raises :class:`UsageError` if there is none or a name is twice."""
    found = tuple(map(parse_variation, texts))
    names = [variation.name for variation in found]
    if not names:
        raise UsageError("a search needs something that varies, such as hidden=64|128|256")
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"{name} varies twice")
    return found
