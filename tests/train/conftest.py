"""What the tests of the trainer share."""

import importlib.util
import os
from pathlib import Path

import pytest

HERE = Path(__file__).resolve()
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


@pytest.fixture(scope="session")
def mnist_dir():
    """The folder of the MNIST files, from SPIKELOOM_MNIST or ../shared/data/mnist."""
    default = HERE.parents[2].parent / "shared" / "data" / "mnist"
    folder = Path(os.environ.get("SPIKELOOM_MNIST", default))
    if not folder.is_dir():
        pytest.skip(f"no MNIST files in {folder}; set SPIKELOOM_MNIST")
    return folder
