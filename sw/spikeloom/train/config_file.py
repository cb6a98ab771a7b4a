"""Training configurations from a file: TOML, or JSON as the provenance of a run holds it."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

from ..spec.errors import UsageError
from .defaults import default_config

MAX_BYTES = 1 << 20


def read_config(path: Path) -> dict[str, Any]:
    """Return the fields in a file, checked.

    A name that ends in ``.json`` is one of JSON, every other one of TOML.  Fields that are not
    there are those of the data set; ``dataset`` is ``digits`` if it is absent.

    Raises
    ------
    UsageError
        Naming the file and the field that is wrong, what was found and what was expected.
    """
    if not path.is_file():
        raise UsageError(f"configuration file {path} does not exist")
    if path.stat().st_size > MAX_BYTES:
        raise UsageError(f"configuration file {path} must have at most {MAX_BYTES} bytes")
    is_json = path.suffix.lower() == ".json"
    try:
        text = path.read_bytes().decode()
        found = json.loads(text) if is_json else tomllib.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        kind = "JSON" if is_json else "TOML"
        raise UsageError(f"configuration file {path} is not {kind}: {error}") from None
    if not isinstance(found, dict):
        raise UsageError(
            f"configuration file {path} must hold fields by name, not {type(found).__name__}"
        )
    try:
        default_config(**{"dataset": "digits", **found})
    except UsageError as error:
        raise UsageError(f"configuration file {path}: {error}") from None
    return found
