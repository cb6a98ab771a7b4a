"""What the tests of the trainer share."""

import importlib.util

import pytest

HAS_TORCH = importlib.util.find_spec("torch") is not None

# What runs without PyTorch is tested without it.
collect_ignore = [] if HAS_TORCH else [
    f"test_{name}.py"
    for name in ("surrogates", "neurons", "quantise", "model", "checkpoint", "loop", "run")
]  # fmt: skip


@pytest.fixture
def train_interrupted(monkeypatch):
    """Return a function that trains until so many epochs are done, and then is interrupted."""
    from spikeloom.train import run as module

    def train_until(config, folder, epochs):
        real, done = module.train_epoch, []

        def epoch_or_interrupt(*args):
            if len(done) == epochs:
                raise KeyboardInterrupt
            done.append(1)
            return real(*args)

        with monkeypatch.context() as patch:
            patch.setattr(module, "train_epoch", epoch_or_interrupt)
            with pytest.raises(KeyboardInterrupt):
                module.train(config, folder, progress=False)

    return train_until


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """Keep PyTorch to one thread: these networks are small."""
    if HAS_TORCH:
        import torch

        torch.set_num_threads(1)
