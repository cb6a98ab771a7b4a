"""What the tests of the conversion share."""

import importlib.util

import pytest

HAS_TORCH = importlib.util.find_spec("torch") is not None
collect_ignore_glob = [] if HAS_TORCH else ["test_*.py"]


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """Keep PyTorch to one thread: these networks are small."""
    if HAS_TORCH:
        import torch

        torch.set_num_threads(1)
