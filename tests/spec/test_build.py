from __future__ import annotations

import dataclasses
import enum
import re

import pytest

from spikeloom.spec import aer, build, numfmt, regmap, tables
from spikeloom.spec.build import build_id, spec_facts
from spikeloom.spec.config import PRESETS, BuildConfig

TINY = PRESETS["tiny"]


def test_build_id_is_sixteen_hexadecimal_digits_and_stable():
    assert re.fullmatch(r"[0-9a-f]{16}", build_id(TINY))
    assert build_id(TINY) == build_id(BuildConfig(**TINY.to_dict()))


def test_build_id_does_not_depend_on_the_order_of_facts(monkeypatch):
    expected = build_id(TINY)
    facts = spec_facts(TINY)
    monkeypatch.setattr(build, "spec_facts", lambda _: dict(reversed(facts.items())))
    assert build_id(TINY) == expected


def test_presets_have_different_build_ids():
    assert len({build_id(c) for c in PRESETS.values()}) == len(PRESETS)


@pytest.mark.parametrize("name", [f.name for f in dataclasses.fields(BuildConfig)])
def test_each_parameter_changes_the_build_id(name):
    full = PRESETS["pynq-z2-full"]
    value = getattr(full, name)
    if isinstance(value, bool) and name != "compact":
        other = {name: not value, "multi_spike": False}
        full = dataclasses.replace(full, multi_spike=name == "multi_spike")
    elif name in ("cores", "link_beats"):
        full = dataclasses.replace(full, cores=2)
        other = {name: 16 if name == "link_beats" else 3}
    elif name == "compact":
        full, other = PRESETS["small"], {name: True}
    else:
        other = {name: "other" if name == "name" else value // 2}
    assert build_id(dataclasses.replace(full, **other)) != build_id(full)


def _leaves(value, path=()):
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(item, (*path, key))
    elif isinstance(value, (list, tuple)):
        for key, item in enumerate(value):
            yield from _leaves(item, (*path, key))
    else:
        yield path


def _changed(value, path):
    if not path:
        return f"{value} changed" if isinstance(value, str) else int(value) + 1
    items = dict(value) if isinstance(value, dict) else list(value)
    items[path[0]] = _changed(value[path[0]], path[1:])
    return items


def test_every_single_fact_changes_the_build_id(monkeypatch):
    facts = spec_facts(TINY)
    paths = list(_leaves(facts))
    assert len(paths) > 300
    seen = {build_id(TINY)}
    for path in paths:
        monkeypatch.setattr(build, "spec_facts", lambda _, path=path: _changed(facts, path))
        seen.add(build_id(TINY))
    assert len(seen) == len(paths) + 1


@pytest.mark.parametrize("name", [n for n in vars(numfmt) if n.isupper()])
def test_each_number_format_changes_the_build_id(monkeypatch, name):
    before = build_id(TINY)
    value = getattr(numfmt, name)
    monkeypatch.setattr(numfmt, name, (*value, 1) if isinstance(value, tuple) else value + 1)
    assert build_id(TINY) != before


def test_a_moved_register_field_changes_the_build_id(monkeypatch):
    before = build_id(TINY)
    register = regmap.REGISTERS[7]
    field = dataclasses.replace(register.fields[0], lsb=register.fields[0].lsb + 5)
    moved = dataclasses.replace(register, fields=(field, *register.fields[1:]))
    monkeypatch.setattr(regmap, "REGISTERS", (*regmap.REGISTERS[:7], moved, *regmap.REGISTERS[8:]))
    assert build_id(TINY) != before


def test_a_moved_table_field_changes_the_build_id(monkeypatch):
    before = build_id(TINY)
    table = tables.PROJECTIONS
    last = dataclasses.replace(table.fields[-1], lsb=9)
    moved = dataclasses.replace(table, fields=(*table.fields[:-1], last))
    monkeypatch.setattr(tables, "TABLES", (tables.POPULATIONS, moved))
    assert build_id(TINY) != before


def test_a_renumbered_event_kind_changes_the_build_id(monkeypatch):
    before = build_id(TINY)
    kinds = {k.name: int(k) for k in aer.Kind} | {"SOPS": 9}
    monkeypatch.setattr(aer, "Kind", enum.IntEnum("Kind", kinds))
    assert build_id(TINY) != before


def test_documentation_texts_do_not_change_the_build_id(monkeypatch):
    before = build_id(TINY)
    first = dataclasses.replace(regmap.REGISTERS[0], doc="another text")
    monkeypatch.setattr(regmap, "REGISTERS", (first, *regmap.REGISTERS[1:]))
    assert build_id(TINY) == before
