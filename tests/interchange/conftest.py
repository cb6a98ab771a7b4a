"""Where the NIR tests find public graphs and the other frameworks."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = Path(__file__).resolve().parent / "frameworks"


@pytest.fixture(scope="session")
def examples() -> Path:
    """The public graphs, from SPIKELOOM_NIR or ../shared/data/nir_examples."""
    default = ROOT.parent / "shared" / "data" / "nir_examples"
    folder = Path(os.environ.get("SPIKELOOM_NIR", default))
    if not (folder / "paper").is_dir():
        pytest.skip(f"{folder} has no NIR graphs; set SPIKELOOM_NIR")
    return folder


def frameworks_python() -> Path:
    """The Python that has snnTorch, SpikingJelly and Norse."""
    default = ROOT / ".venv-frameworks" / "bin" / "python"
    return Path(os.environ.get("SPIKELOOM_FRAMEWORKS", default))


def made_by(request: pytest.FixtureRequest, script: str, *arguments: object) -> Path:
    """Return the folder that a script of the frameworks' environment fills, made once."""
    python, source = frameworks_python(), SCRIPTS / script
    if not python.exists():
        pytest.skip(f"{python} is missing: run make frameworks-env")
    text = f"{source.read_text('utf-8')}{arguments}"
    name = f"nir-{source.stem}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
    folder = Path(request.config.cache.mkdir(name))
    if not (folder / "DONE").exists():
        done = subprocess.run(
            [python, source, folder, *map(str, arguments)],
            capture_output=True, text=True, timeout=900, check=False,
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": ""},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-3000:]
        (folder / "DONE").write_text("")
    return folder


@pytest.fixture(scope="session")
def cases(request: pytest.FixtureRequest) -> Path:
    """Small networks of every kind, with what their framework makes of random spikes."""
    return made_by(request, "make_cases.py")


@pytest.fixture(scope="session")
def digits(request: pytest.FixtureRequest) -> Path:
    """Digits classifiers that the frameworks trained."""
    return made_by(request, "train_digits.py")
