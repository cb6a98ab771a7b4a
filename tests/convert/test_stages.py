"""Models to stages: what is folded gives the same values, what is not supported is named."""

import pytest
import torch
from torch import nn

from convert import models
from spikeloom.convert.activation import ClipFloorShift
from spikeloom.convert.balance import stage_values
from spikeloom.convert.chain import as_chain, to_sequential
from spikeloom.convert.stages import Stage, apply_stage, averaged, read_stages
from spikeloom.spec.errors import NetworkError

pytestmark = pytest.mark.torch


def values(model, shape):
    """Return the model's output and that of its stages on random data, float64."""
    torch.manual_seed(8)
    x = torch.rand(6, *shape, dtype=torch.float64)
    out = x
    for stage in read_stages(model, shape):
        out = stage_values(stage, out)
    with torch.no_grad():
        return model.double()(x), out


@pytest.mark.parametrize(
    ("make", "shape"), [(models.pools, (2, 12, 12)), (models.dense, (20,)),
                        (lambda: models.Functional().eval(), (1, 10, 10))],
)  # fmt: skip
def test_stages_compute_what_the_model_computes(make, shape):
    expected, got = values(make(), shape)
    assert torch.allclose(got, expected, rtol=1e-9, atol=1e-9)


def test_stages_are_named_and_shaped():
    stages = read_stages(models.pools(), (2, 12, 12))
    assert [(s.name, s.shape) for s in stages] == [
        ("conv1", (4, 6, 6)), ("pool1", (4, 6, 6)), ("conv2", (8, 6, 2)), ("pool2", (8, 3, 2)),
        ("dense1", (9,)), ("output", (5,)),
    ]  # fmt: skip
    assert stages[0].kernel == (4, 4)
    assert [s.fires for s in stages] == [True] * 5 + [False]


@pytest.mark.parametrize(
    ("stride", "dilation", "kernel", "hop"),
    [((1, 1), (1, 1), (2, 2), (2, 2)), ((2, 1), (1, 2), (3, 2), (1, 2)),
     ((1, 3), (2, 1), (2, 3), (3, 1))],
)  # fmt: skip
def test_average_behind_a_convolution_becomes_one_convolution(stride, dilation, kernel, hop):
    torch.manual_seed(2)
    weight = torch.rand(4, 3, 3, 2, dtype=torch.float64)
    bias = torch.rand(4, dtype=torch.float64)
    stage = Stage("conv1", (4, 0, 0), weight, bias, (3, 2), stride, (2, 1), dilation)
    x = torch.rand(2, 3, 19, 17, dtype=torch.float64)
    expected = nn.functional.avg_pool2d(apply_stage(stage, x), kernel, hop)
    got = apply_stage(averaged(stage, kernel, hop), x)
    assert got.shape == expected.shape
    assert torch.allclose(got, expected, rtol=1e-12)


def test_functions_become_layers():
    model = models.Functional().eval()
    got = as_chain(model)
    assert [type(layer) for layer in got] == [type(layer) for layer in model.as_layers()]
    assert got[0] is model.conv1
    x = torch.rand(2, 1, 10, 10)
    assert torch.equal(to_sequential(model)(x), model(x))
    again = as_chain(to_sequential(model))
    assert [type(layer) for layer in again] == [type(layer) for layer in got]


def test_every_reason_is_given_with_what_would_help():
    model = nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.Sigmoid(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(18, 3),
        nn.Softmax(1),
    )  # fmt: skip
    with pytest.raises(NetworkError) as caught:
        read_stages(model, (1, 8, 8))
    text = str(caught.value)
    assert text.startswith("the model cannot be converted: layer 1 is a Sigmoid: ")
    for part in ("use ReLU", "layer 2 is a MaxPool2d", "use AvgPool2d or a stride",
                 "layer 5 is a Softmax: leave it out"):  # fmt: skip
        assert part in text


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 1, 3, padding=1)

    def forward(self, x):
        return x + self.conv(x)


class Fork(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(4, 3), nn.Linear(4, 3)

    def forward(self, x):
        self.first(x)
        return self.second(x)


class Choice(nn.Module):
    def forward(self, x):
        return x if x.sum() > 0 else -x


class View(nn.Module):
    def forward(self, x):
        return x.view(x.size(0), -1)


@pytest.mark.parametrize(
    ("model", "match"),
    [
        (Residual(), r"add is a call of add: a sum of two branches is not a chain"),
        (Fork(), r"x goes to first, second: the layers must be one chain"),
        (Choice(), r"its forward must be a fixed chain of layers, but tracing it ended with: \w+"),
        (View(), r"view is a call of view: use nn\.Flatten"),
        (nn.Sequential(nn.LSTM(3, 3)), r"layer 0 is a LSTM: it has a state of its own"),
        (nn.Sequential(nn.PixelShuffle(2)), r"PixelShuffle: there is no spiking counterpart"),
    ],
)
def test_a_model_that_is_no_chain_is_refused(model, match):
    with pytest.raises(NetworkError, match=match):
        as_chain(model)


def conv(*args, **kwargs):
    return nn.Conv2d(1, 2, 3, *args, **kwargs)


@pytest.mark.parametrize(
    ("layers", "match"),
    [
        ([conv(), conv()], r"layer 1 \(Conv2d\) takes 1 channels, not a source of shape \(2, 6, 6"),
        ([nn.Flatten(), nn.Linear(64, 3), nn.Linear(3, 3)], r"follows another weighted layer with"),
        ([conv(padding=1, padding_mode="reflect")], r"pads with reflect: use zeros"),
        ([nn.Conv2d(1, 2, 2, padding="same")], r"pads one side more than the other"),
        ([nn.Conv2d(1, 2, 9)], r"has a window of \(9, 9\) that must fit into \(8, 8\)"),
        ([conv(), nn.ReLU(), nn.Linear(6, 3)], r"layer 2 \(Linear\) needs a Flatten before it"),
        ([nn.Flatten(), nn.Linear(5, 3)], r"takes 5 inputs, not 64"),
        ([nn.BatchNorm2d(1), conv()], r"layer 0 \(BatchNorm2d\) must follow a Conv2d or Linear"),
        ([conv(), nn.ReLU(), nn.BatchNorm2d(2), conv()], r"layer 2 \(BatchNorm2d\) must follow"),
        ([conv(), nn.BatchNorm2d(2, track_running_stats=False)], r"has no running statistics"),
        ([conv(), nn.BatchNorm2d(3)], r"has 3 channels, not \(2, 6, 6\)"),
        ([conv(), nn.AvgPool2d(2, padding=1)], r"must have no padding and a Conv2d before it"),
        ([nn.AvgPool2d(3, ceil_mode=True)], r"must not have ceil_mode"),
        ([nn.AvgPool2d(3, divisor_override=2)], r"must not have a divisor of its own"),
        ([nn.AvgPool2d(3, padding=1, count_include_pad=False)], r"must count its padding"),
        ([nn.AvgPool2d(9)], r"has a window of \(9, 9\) that must fit"),
        ([conv(), nn.AvgPool2d(7)], r"layer 1 \(AvgPool2d\) has a window that must fit into \(6"),
        ([nn.AdaptiveAvgPool2d(3)], r"has windows of unequal size"),
        ([nn.Flatten(), nn.AvgPool2d(2)], r"layer 1 \(AvgPool2d\) must come before Flatten"),
        ([nn.Flatten(2), nn.Linear(64, 3)], r"must join all dimensions from 1 on"),
        ([conv(), nn.ReLU()], r"the last layer must be a Linear or Conv2d without activation"),
    ],
)
def test_layers_in_the_wrong_place_are_refused(layers, match):
    with pytest.raises(NetworkError, match=match):
        read_stages(nn.Sequential(*layers), (1, 8, 8))


def test_same_padding_and_learnt_limits_are_read():
    model = nn.Sequential(
        nn.Conv2d(1, 2, 3, padding="same"), ClipFloorShift(4, 1.0),
        nn.Conv2d(2, 1, 1, padding="valid"),
    )  # fmt: skip
    stages = read_stages(model, (1, 5, 4))
    assert [s.padding for s in stages] == [(1, 1), (0, 0)]
    assert stages[-1].shape == (1, 5, 4)
    assert stages[0].activation is model[1]
