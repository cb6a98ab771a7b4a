"""What the tests of the trainer share."""

import importlib.util

import pytest

HAS_TORCH = importlib.util.find_spec("torch") is not None

# What runs without PyTorch is tested without it.
collect_ignore = [] if HAS_TORCH else [
    f"test_{name}.py"
    for name in ("surrogates", "neurons", "quantise", "model", "checkpoint", "loop", "run")
]  # fmt: skip


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """Keep PyTorch to one thread: these networks are small."""
    if HAS_TORCH:
        import torch

        torch.set_num_threads(1)
