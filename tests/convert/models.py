"""Small models to convert, with random weights and statistics."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional


def settled(model, shape, seed=3):
    """Give the model's normalisations statistics of random data, and return it for use."""
    torch.manual_seed(seed)
    for layer in model.modules():
        if isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm2d)):
            nn.init.uniform_(layer.weight, 0.5, 1.5)
            nn.init.uniform_(layer.bias, -0.3, 0.3)
    model.train()
    for _ in range(20):
        model(torch.rand(32, *shape))
    return model.eval()


def pools(seed=1):
    """Every kind of layer, pools in front of and behind activations; takes (2, 12, 12)."""
    torch.manual_seed(seed)
    model = nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.AvgPool2d(2), nn.ReLU(),
        nn.AvgPool2d(3, stride=1, padding=1),
        nn.Conv2d(4, 8, 3, stride=(1, 2), padding=(1, 0), groups=2, bias=False), nn.ReLU(),
        nn.AdaptiveAvgPool2d((3, 2)), nn.Dropout(0.3), nn.Flatten(),
        nn.Linear(48, 9), nn.BatchNorm1d(9), nn.ReLU(), nn.Linear(9, 5),
    )  # fmt: skip
    return settled(model, (2, 12, 12))


def dense(seed=1):
    """Linear layers alone; takes (20,)."""
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(20, 16), nn.ReLU(), nn.Linear(16, 4)).eval()


class Functional(nn.Module):
    """The same as :meth:`as_layers`, in functions."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(5)
        self.conv1, self.conv2 = nn.Conv2d(1, 3, 3, padding=1), nn.Conv2d(3, 4, 3)
        self.pool = nn.AvgPool2d(2)
        self.fc = nn.Linear(16, 3)

    def forward(self, x):
        x = self.pool(functional.relu(self.conv1(x)))
        x = functional.dropout(torch.relu(self.conv2(x)), training=self.training)
        x = functional.avg_pool2d(x, 2, stride=1)
        return self.fc(torch.flatten(x.relu(), 1))

    def as_layers(self):
        return [
            self.conv1, nn.ReLU(), self.pool, self.conv2, nn.ReLU(), nn.AvgPool2d(2, 1),
            nn.ReLU(), nn.Flatten(), self.fc,
        ]  # fmt: skip


def images(shape, n=12, seed=4):
    """Return values 0 to 255, uint8 [n, *shape], a third of them 0."""
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 256, (n, *shape))
    return (values * (rng.random(values.shape) < 0.67)).astype(np.uint8)
