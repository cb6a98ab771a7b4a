"""A chain of layers as stages: one population of neurons each, everything linear folded.

A stage is what lies between two activations.  Batch normalisation goes into weights and
bias (rule Q5); an average pool before the activation goes into the convolution, which then
has a larger filter and stride; an average pool behind it is a stage of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from .activation import ClipFloorShift
from .chain import as_chain, refuse

Pair = tuple[int, int]


@dataclass(frozen=True)
class Stage:
    """One population and the projection that ends at it, in real numbers.

    Parameters
    ----------
    name
        The population's name: ``conv1``, ``pool1``, ``dense1``, ..., ``output``.
    shape
        (channels, height, width), or (n,).
    weight
        float64: convolution [out, in / groups, height, width], dense [out, in] with the
        inputs in the order of the source's shape; None for a pool.
    bias
        float64 [out]; None for a pool.
    kernel, stride, padding, dilation, groups
        Of the window; a dense stage has none of them.
    activation
        The activation, None for the output.
    """

    name: str
    shape: tuple[int, ...]
    weight: Tensor | None = None
    bias: Tensor | None = None
    kernel: Pair = (1, 1)
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    dilation: Pair = (1, 1)
    groups: int = 1
    activation: nn.Module | None = None

    @property
    def is_pool(self) -> bool:
        """Whether the stage averages windows."""
        return self.weight is None

    @property
    def is_dense(self) -> bool:
        """Whether every source reaches every neuron."""
        return self.weight is not None and self.weight.ndim == 2

    @property
    def fires(self) -> bool:
        """Whether the population sends spikes; the output does not."""
        return self.is_pool or self.activation is not None


def _pair(value: Any) -> Pair:
    return tuple(value) if isinstance(value, (tuple, list)) else (value, value)  # type: ignore[return-value]


def _window(size: Pair, stage: Stage) -> Pair:
    """Return (height, width) of the places that the stage's window takes."""
    rows, columns = (
        (size[i] + 2 * stage.padding[i] - stage.dilation[i] * (stage.kernel[i] - 1) - 1)
        // stage.stride[i] + 1 for i in range(2)
    )  # fmt: skip
    return rows, columns


class StageReader:
    """Goes along a chain of layers and collects the stages, or the reasons against them.

    Parameters
    ----------
    shape
        (channels, height, width), or (n,), of a sample.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.stages: list[Stage] = []
        self.reasons: list[str] = []
        self._shape = tuple(shape)
        self._open: Stage | None = None
        self._counts: dict[str, int] = {}

    def take(self, position: int, layer: nn.Module) -> None:
        """Take the layer at ``position`` of the chain."""
        what = f"layer {position} ({type(layer).__name__})"
        match layer:
            case nn.Conv2d():
                self._convolution(what, layer)
            case nn.Linear():
                self._dense(what, layer)
            case nn.BatchNorm1d() | nn.BatchNorm2d():
                self._normalisation(what, layer)
            case nn.AvgPool2d() | nn.AdaptiveAvgPool2d():
                self._average(what, layer)
            case nn.ReLU() | ClipFloorShift():
                self._activation(layer)
            case nn.Flatten():
                self._flatten(what, layer)

    def end(self) -> list[Stage]:
        """Return the stages; the last one is the output.

        Raises :class:`NetworkError` with every reason why there are none.
        """
        if self._open is not None:
            self.stages.append(replace(self._open, name="output"))
        else:
            self.reasons.append(
                "the last layer must be a Linear or Conv2d without activation: the output is read "
                "as a potential"
            )
        refuse(self.reasons)
        return self.stages

    def _name(self, kind: str) -> str:
        self._counts[kind] = self._counts.get(kind, 0) + 1
        return f"{kind}{self._counts[kind]}"

    def _begin(self, what: str, stage: Stage) -> None:
        if self._open is not None:
            self.reasons.append(
                f"{what} follows another weighted layer without an activation: put a ReLU between "
                "them, or merge the two"
            )
        self._open, self._shape = stage, stage.shape

    def _convolution(self, what: str, layer: nn.Conv2d) -> None:
        if len(self._shape) != 3 or self._shape[0] != layer.in_channels:
            self.reasons.append(
                f"{what} takes {layer.in_channels} channels, not a source of shape {self._shape}"
            )
            return
        if layer.padding_mode != "zeros":
            self.reasons.append(f"{what} pads with {layer.padding_mode}: use zeros")
        kernel, dilation = _pair(layer.kernel_size), _pair(layer.dilation)
        padding = layer.padding
        if padding == "valid":
            padding = (0, 0)
        elif padding == "same":
            spans = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
            if any(span % 2 for span in spans):
                self.reasons.append(f"{what} pads one side more than the other: use an odd kernel")
            padding = tuple(span // 2 for span in spans)
        weight = layer.weight.detach().double()
        stage = Stage(
            self._name("conv"), (), weight, _bias(layer, weight), kernel, _pair(layer.stride),
            _pair(padding), dilation, layer.groups,
        )  # fmt: skip
        self._begin(what, self._placed(what, stage, layer.out_channels))

    def _placed(self, what: str, stage: Stage, channels: int) -> Stage:
        places = _window((self._shape[1], self._shape[2]), stage)
        if min(places) < 1:
            self.reasons.append(
                f"{what} has a window of {stage.kernel} that must fit into {self._shape[1:]}"
            )
        return replace(stage, shape=(channels, *places))

    def _dense(self, what: str, layer: nn.Linear) -> None:
        if len(self._shape) != 1:
            self.reasons.append(f"{what} needs a Flatten before it: its source is {self._shape}")
            return
        if self._shape[0] != layer.in_features:
            self.reasons.append(f"{what} takes {layer.in_features} inputs, not {self._shape[0]}")
            return
        weight = layer.weight.detach().double()
        name = self._name("dense")
        self._begin(what, Stage(name, (layer.out_features,), weight, _bias(layer, weight)))

    def _normalisation(self, what: str, layer: nn.BatchNorm1d | nn.BatchNorm2d) -> None:
        stage = self._open
        if stage is None or stage.weight is None or stage.bias is None:
            self.reasons.append(
                f"{what} must follow a Conv2d or Linear, into which it is folded, before the "
                "activation"
            )
            return
        if layer.running_mean is None or layer.running_var is None:
            self.reasons.append(f"{what} has no running statistics: set track_running_stats=True")
            return
        if layer.num_features != len(stage.weight):
            self.reasons.append(f"{what} has {layer.num_features} channels, not {stage.shape}")
            return
        gain = (layer.running_var.double() + layer.eps).rsqrt()
        if layer.affine:
            gain = gain * layer.weight.detach().double()
        bias = (stage.bias - layer.running_mean.double()) * gain
        if layer.affine:
            bias = bias + layer.bias.detach().double()
        weight = stage.weight * gain.reshape(-1, *(1,) * (stage.weight.ndim - 1))
        self._open = replace(stage, weight=weight, bias=bias)

    def _average(self, what: str, layer: nn.AvgPool2d | nn.AdaptiveAvgPool2d) -> None:
        window = self._average_window(what, layer)
        if window is None:
            return
        kernel, stride, padding = window
        if self._open is None:
            stage = Stage(self._name("pool"), (), None, None, kernel, stride, padding)
            placed = self._placed(what, stage, self._shape[0])
            self.stages.append(placed)
            self._shape = placed.shape
        elif self._open.is_dense or padding != (0, 0):
            self.reasons.append(f"{what} must have no padding and a Conv2d before it")
        else:
            channels = self._open.shape[0]
            places = _window((self._shape[1], self._shape[2]),
                             replace(self._open, kernel=kernel, stride=stride, padding=(0, 0),
                                     dilation=(1, 1)))  # fmt: skip
            if min(places) < 1:
                self.reasons.append(f"{what} has a window that must fit into {self._shape[1:]}")
            self._open = replace(averaged(self._open, kernel, stride), shape=(channels, *places))
            self._shape = self._open.shape

    def _average_window(
        self, what: str, layer: nn.AvgPool2d | nn.AdaptiveAvgPool2d
    ) -> tuple[Pair, Pair, Pair] | None:
        """Return kernel, stride and padding, or None with a reason."""
        if len(self._shape) != 3:
            self.reasons.append(f"{what} must come before Flatten")
            return None
        if isinstance(layer, nn.AdaptiveAvgPool2d):
            size = (self._shape[1], self._shape[2])
            wanted = tuple(
                size[i] if n is None else n for i, n in enumerate(_pair(layer.output_size))
            )
            if any(s % w for s, w in zip(size, wanted, strict=True)):
                self.reasons.append(f"{what} of {size} to {wanted} has windows of unequal size")
                return None
            kernel = (size[0] // wanted[0], size[1] // wanted[1])
            return kernel, kernel, (0, 0)
        kernel = _pair(layer.kernel_size)
        padding = _pair(layer.padding)
        if layer.ceil_mode:
            self.reasons.append(f"{what} must not have ceil_mode")
        if layer.divisor_override not in (None, kernel[0] * kernel[1]):
            self.reasons.append(f"{what} must not have a divisor of its own")
        if padding != (0, 0) and not layer.count_include_pad:
            self.reasons.append(f"{what} must count its padding: set count_include_pad=True")
        return kernel, _pair(layer.stride), padding

    def _activation(self, layer: nn.Module) -> None:
        if self._open is not None:  # behind a pool or another activation it changes nothing
            self.stages.append(replace(self._open, activation=layer))
            self._open = None

    def _flatten(self, what: str, layer: nn.Flatten) -> None:
        if layer.start_dim != 1 or layer.end_dim not in (-1, len(self._shape)):
            self.reasons.append(f"{what} must join all dimensions from 1 on")
        n = 1
        for size in self._shape:
            n *= size
        self._shape = (n,)


def _bias(layer: nn.Conv2d | nn.Linear, weight: Tensor) -> Tensor:
    if layer.bias is None:
        return torch.zeros(len(weight), dtype=torch.float64)
    return layer.bias.detach().double()


def averaged(stage: Stage, kernel: Pair, stride: Pair) -> Stage:
    """Return the convolution that equals ``stage`` with an average pool behind it.

    A window of p over a convolution of stride s, kernel k and dilation d sees
    (p - 1) * s + (k - 1) * d + 1 positions, each by as many taps as lead there.
    """
    assert stage.weight is not None
    spans = [
        (kernel[i] - 1) * stage.stride[i] + (stage.kernel[i] - 1) * stage.dilation[i] + 1
        for i in range(2)
    ]
    weight = torch.zeros(*stage.weight.shape[:2], *spans, dtype=torch.float64)
    share = stage.weight / (kernel[0] * kernel[1])
    ends = [(stage.kernel[i] - 1) * stage.dilation[i] + 1 for i in range(2)]
    for y in range(kernel[0]):
        for x in range(kernel[1]):
            top, left = y * stage.stride[0], x * stage.stride[1]
            weight[:, :, top : top + ends[0] : stage.dilation[0],
                   left : left + ends[1] : stage.dilation[1]] += share  # fmt: skip
    return replace(
        stage, weight=weight, kernel=(spans[0], spans[1]), dilation=(1, 1),
        stride=(stage.stride[0] * stride[0], stage.stride[1] * stride[1]),
    )  # fmt: skip


def read_stages(model: nn.Module, shape: tuple[int, ...]) -> list[Stage]:
    """Return the stages of ``model`` for samples of ``shape``, the output last.

    Parameters
    ----------
    model
        Conv2d, BatchNorm, ReLU or :class:`ClipFloorShift`, AvgPool2d, Linear, Flatten and
        Dropout in one chain.
    shape
        (channels, height, width), or (n,).

    Raises
    ------
    NetworkError
        With every reason why the model has no spiking counterpart, and what would help.
    """
    reader = StageReader(shape)
    for position, layer in enumerate(as_chain(model)):
        reader.take(position, layer)
    return reader.end()


def apply_stage(stage: Stage, x: Tensor) -> Tensor:
    """Return the stage's values before the activation, [N, *shape], of x [N, *source]."""
    if stage.weight is None:
        return nn.functional.avg_pool2d(x, stage.kernel, stage.stride, stage.padding)
    weight, bias = stage.weight.to(x.dtype), None
    if stage.bias is not None:
        bias = stage.bias.to(x.dtype)
    if stage.is_dense:
        return nn.functional.linear(x.flatten(1), weight, bias)
    return nn.functional.conv2d(
        x, weight, bias, stage.stride, stage.padding, stage.dilation, stage.groups
    )
