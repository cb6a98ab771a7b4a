"""Artefacts: a network in a folder, as the trainer writes and every engine reads it.

::

    manifest.json           what it is, and the sha256 of every other file
    network.safetensors     the integer tensors
    images/*.bin            memory images for one build (once compiled)

Reading is all or nothing: every file's size and sha256 is checked, an unknown file
is refused, nothing is unpickled.  Writing goes to a folder beside the target that
is renamed when it is complete.  A board needs NumPy only: ``network.safetensors``
is opened when :meth:`Artefact.network` is called, not before.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import __version__
from .spec.errors import ArtefactError, NetworkError
from .spec.manifest import (
    MANIFEST_FILE,
    MAX_MANIFEST_BYTES,
    NETWORK_FILE,
    BuildFacts,
    InputFacts,
    Manifest,
    image_files,
)
from .spec.network import Network

MAX_TENSORS = 1024
MAX_HEADER_BYTES = 1 << 20

Images = Mapping[str, NDArray[np.uint32]]


@dataclass(frozen=True)
class Artefact:
    """An artefact whose files were all found whole.

    Use :func:`read_artefact` to open one and :func:`write_artefact` to make one.
    """

    path: Path
    manifest: Manifest

    @property
    def input(self) -> InputFacts:
        """How the user's input arrays map to the input population."""
        return self.manifest.input

    @property
    def build(self) -> BuildFacts:
        """The build the artefact was compiled for; :class:`ArtefactError` if it was not."""
        if self.manifest.build is None:
            raise ArtefactError(
                f"{self.path} holds a network that is not compiled for a build; "
                f"run: spikeloom compile {self.path} --preset PRESET --out ARTEFACT"
            )
        return self.manifest.build

    def images(self) -> dict[str, NDArray[np.uint32]]:
        """Return the memory images, uint32 of shape (rows in use, words in a row)."""
        from .spec.memmap import memory_map

        memories = memory_map(self.build.config)
        out = {}
        for name, file in image_files(self.build.config).items():
            data = _read_checked(self.path, self.manifest, file)
            if len(data) % 4:
                raise ArtefactError(
                    f"{self.path / file} must hold words of 4 bytes, not {len(data)} bytes"
                )
            words = np.frombuffer(data, "<u4")
            memory = memories[name]
            if words.size % memory.row_words or words.size > memory.rows * memory.row_words:
                raise ArtefactError(
                    f"{self.path / file} must hold up to {memory.rows} rows of "
                    f"{memory.row_words} words, not {words.size} words"
                )
            out[name] = words.reshape(-1, memory.row_words)
        return out

    def network(self) -> Network:
        """Return the quantised network (needs the ``safetensors`` package)."""
        from safetensors import SafetensorError
        from safetensors.numpy import load

        data = _read_checked(self.path, self.manifest, NETWORK_FILE)
        header = int.from_bytes(data[:8], "little")
        if len(data) < 8 or header > min(MAX_HEADER_BYTES, len(data) - 8):
            raise ArtefactError(
                f"{self.path / NETWORK_FILE} must have a header of at most "
                f"{MAX_HEADER_BYTES} bytes inside the file, not {header} bytes"
            )
        try:
            tensors = load(data)
        except SafetensorError as error:
            raise ArtefactError(f"{self.path / NETWORK_FILE} is damaged: {error}") from None
        except (KeyError, TypeError, ValueError) as error:  # a type that NumPy does not have
            raise ArtefactError(
                f"{self.path / NETWORK_FILE} must hold integer tensors: {error}"
            ) from None
        if len(tensors) > MAX_TENSORS:
            raise ArtefactError(
                f"{self.path / NETWORK_FILE} must hold at most {MAX_TENSORS} tensors, "
                f"not {len(tensors)}"
            )
        try:
            network = Network.from_parts(self.manifest.network, tensors)
        except (NetworkError, TypeError) as error:
            raise ArtefactError(f"{self.path / MANIFEST_FILE}: {error}") from None
        expected = self.input.population_shape
        if network.inputs[0].shape != expected:
            raise ArtefactError(
                f"{self.path / MANIFEST_FILE}: input.shape belongs to a population of shape "
                f"{expected}, but the input population has shape {network.inputs[0].shape}"
            )
        return network


def read_artefact(path: str | os.PathLike[str]) -> Artefact:
    """Open the artefact at ``path`` and check every file against the manifest.

    Raises :class:`ArtefactError` saying what is missing, damaged or foreign.
    """
    folder = Path(path)
    if not folder.is_dir():
        state = "is a file" if folder.exists() else "does not exist"
        raise ArtefactError(f"artefact {folder} must be a folder with {MANIFEST_FILE}; it {state}")
    file = folder / MANIFEST_FILE
    if file.is_symlink() or not file.is_file():
        raise ArtefactError(f"artefact {folder} has no {MANIFEST_FILE}")
    size = file.stat().st_size
    if size > MAX_MANIFEST_BYTES:
        raise ArtefactError(f"{file} must have at most {MAX_MANIFEST_BYTES} bytes, not {size}")
    try:
        manifest = Manifest.from_json(file.read_text("utf-8"))
    except UnicodeDecodeError:
        raise ArtefactError(f"{file} is not UTF-8 text") from None
    except ArtefactError as error:
        raise ArtefactError(f"{file}: {error}") from None
    found = {
        p.relative_to(folder).as_posix()
        for p in folder.rglob("*")
        if p.is_symlink() or not p.is_dir()
    }
    for name in sorted(found):
        if (folder / name).is_symlink():
            raise ArtefactError(f"artefact {folder} must not hold symbolic links: {name}")
    for name in sorted(found - manifest.files.keys() - {MANIFEST_FILE}):
        raise ArtefactError(f"artefact {folder} holds a file that the manifest lacks: {name}")
    for name in manifest.files:
        _read_checked(folder, manifest, name)
    return Artefact(folder, manifest)


def _read_checked(folder: Path, manifest: Manifest, name: str) -> bytes:
    file = folder / name
    if file.is_symlink() or not file.is_file():
        raise ArtefactError(f"artefact {folder} lacks the file {name}")
    facts = manifest.files[name]
    size = file.stat().st_size
    if size != facts["bytes"]:
        raise ArtefactError(f"{file} must have {facts['bytes']} bytes, not {size}")
    data = file.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    if digest != facts["sha256"]:
        raise ArtefactError(
            f"{file} is damaged: its sha256 must be {facts['sha256'][:12]}..., not {digest[:12]}..."
        )
    return data


def check_target(target: str | os.PathLike[str], replace: bool = False) -> Path:
    """Return ``target`` if an artefact may be written there.

    It may not exist unless it is an empty folder, or an artefact and ``replace`` is true;
    raises :class:`ArtefactError` otherwise.
    """
    target = Path(target)
    if target.exists():
        empty = target.is_dir() and not any(target.iterdir())
        old = target.is_dir() and (target / MANIFEST_FILE).is_file()
        if not empty and not (old and replace):
            raise ArtefactError(f"{target} exists already; choose another name or remove it")
    return target


@contextlib.contextmanager
def staged_folder(target: str | os.PathLike[str], replace: bool = False) -> Iterator[Path]:
    """Yield an empty folder that becomes ``target`` if the block ends well.

    See :func:`check_target` for what ``target`` may be.
    """
    target = check_target(target, replace)
    target.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        os.chmod(staging, 0o755)
        yield staging
        if target.exists():
            shutil.rmtree(target)
        os.replace(staging, target)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def write_artefact(
    path: str | os.PathLike[str],
    network: Network,
    input_facts: InputFacts,
    *,
    provenance: Mapping[str, Any] | None = None,
    build: BuildFacts | None = None,
    images: Images | None = None,
    replace: bool = False,
) -> Artefact:
    """Write an artefact and return it opened.

    ``build`` and ``images`` come from :func:`spikeloom.compile.compile_network`; without
    them the artefact holds the network alone.  The bytes depend on the arguments only.
    """
    from safetensors.numpy import save

    if network.inputs[0].shape != input_facts.population_shape:
        raise ArtefactError(
            f"input shape {input_facts.shape} ({input_facts.axes}) belongs to a population of "
            f"shape {input_facts.population_shape}, not {network.inputs[0].shape}"
        )
    payload: dict[str, bytes] = {
        NETWORK_FILE: save({k: np.array(v, order="C") for k, v in network.tensors().items()})
    }
    if build is not None:
        for name, file in image_files(build.config).items():
            payload[file] = np.ascontiguousarray((images or {})[name], "<u4").tobytes()
    manifest = Manifest(
        spikeloom=__version__,
        network=network.describe(),
        input=input_facts,
        provenance=dict(provenance or {}),
        build=build,
        files={
            name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            for name, data in payload.items()
        },
    )
    text = manifest.to_json()
    if len(text) > MAX_MANIFEST_BYTES:
        raise ArtefactError(
            f"{MANIFEST_FILE} must have at most {MAX_MANIFEST_BYTES} bytes, not {len(text)}; "
            "give less provenance"
        )
    with staged_folder(path, replace=replace) as folder:
        for name, data in payload.items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(data)
        (folder / MANIFEST_FILE).write_text(text, "utf-8")
    return read_artefact(path)
