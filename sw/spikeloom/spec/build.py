"""The build id: one number for everything that host and gateware must agree on."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from . import aer, memmap, numfmt, regmap, tables
from .config import BuildConfig


def spec_facts(config: BuildConfig) -> dict[str, Any]:
    """Return every shared fact of a build as JSON-ready values."""
    return {
        "numfmt": {k: v for k, v in vars(numfmt).items() if k.isupper()},
        "aer": {
            "kinds": {kind.name: int(kind) for kind in aer.Kind},
            "fields": {k.name: [list(f[:3]) for f in fields] for k, fields in aer.FIELDS.items()},
        },
        "registers": [
            [r.name, r.offset, [[f.name, f.lsb, f.bits, f.access.value] for f in r.fields]]
            for r in regmap.registers(config)
        ],
        "map_version": regmap.MAP_VERSION,
        "tables": [
            [t.name, t.words, [[f.name, f.word, f.lsb, f.bits, f.signed] for f in t.fields]]
            for t in (*tables.TABLES, *(tables.LINK_TABLES if config.link_beats else ()))
        ],
        "fire_select": {s.name: int(s) for s in tables.FireSelect},
        "memories": [
            [m.name, m.base, m.rows, m.row_words] for m in memmap.memory_map(config).values()
        ],
        "config": config.to_dict(),
    }


def build_id(config: BuildConfig) -> str:
    """Return the build id: 16 hexadecimal digits of the sha256 of :func:`spec_facts`."""
    text = json.dumps(spec_facts(config), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
