"""Fixtures of the command-line tests."""

import pytest

from cli import helpers


@pytest.fixture(autouse=True)
def own_cache(engine_cache):
    """Never build into the user's cache."""


@pytest.fixture
def artefact(tmp_path):
    """A compiled artefact."""
    return helpers.write(tmp_path / "net").path


@pytest.fixture
def inputs(tmp_path):
    """An input file of 3 samples."""
    return helpers.save(tmp_path / "in.npz", helpers.samples())
