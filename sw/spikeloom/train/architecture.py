"""Networks from a line of text: ``32c5s2-64c3s2-128`` and the ready ones by name.

The tokens stand between hyphens, from the input on; the dense output comes by itself.

========== ===================================================================
``32c5``   convolution to 32 channels, 5 x 5, padding 2; ``s2`` behind it is the
           stride, ``p0`` the padding
``dw3``    depthwise convolution, 3 x 3; ``s2`` and ``p0`` as above
``p2``     average pool 2 x 2 (sums; 1/4 goes into the weights behind)
``64``     dense, 64 neurons
``64r``    dense, 64 neurons, each of which also sends to all of them
``32sew``  residual block of two convolutions 3 x 3 and an adding shortcut (SEW); ``s2``
           is its stride
``32ms``   residual block of two convolutions 3 x 3 that adds potentials (MS), behind
           32 channels
========== ===================================================================

``d2`` behind any of them but a pool delays what comes in by two ticks; behind ``64r`` it is
the delay of the feedback.  ``d16l`` behind a convolution or a dense layer is a delay that is
learnt, from 0 to 16 ticks (:mod:`.delays`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from ..spec.errors import UsageError
from ..spec.kinds import OneToOne
from ..spec.windows import Conv2d, Pool
from .plan import INPUT, OUTPUT, Link, Plan, Planned, Shape, dense_link, window_shape

NETWORKS: dict[str, str] = {
    "conv": "16c5s2-64c3s2-64c3s2",
    "recurrent": "128r",
    "sew_resnet": "8c5s2-p2-16sew-32sews2",
    "vgg": "8c3s2-8c3-p2-16c3-16c3-p2-32c3-32c3",
}
"""Ready networks, for images of about 28 x 28 in the 8,192 neurons that the preset ``pynq-z2-full``
holds; ``fc`` is made of the hidden sizes."""

NETWORK_NAMES = ("fc", *NETWORKS)

_TOKEN = re.compile(
    r"(?:(?P<conv>\d+)c(?P<kernel>\d+)|dw(?P<depthwise>\d+)|p(?P<pool>\d+)|m(?P<max>\d+)"
    r"|(?P<sew>\d+)sew|(?P<ms>\d+)ms|(?P<recurrent>\d+)r|(?P<dense>\d+))"
    r"(?:s(?P<stride>\d+))?(?:p(?P<padding>\d+))?(?:d(?P<delay>\d+)(?P<learnt>l)?)?\Z"
)


@dataclass
class _Builder:
    """The populations so far, and where the next one starts."""

    input_shape: Shape
    populations: list[Planned]
    at: str
    shape: Shape
    counts: dict[str, int]
    norm_input: bool = True

    def name(self, kind: str) -> str:
        self.counts[kind] = self.counts.get(kind, 0) + 1
        return f"{kind}{self.counts[kind]}"

    def add(self, name: str, shape: Shape, links: tuple[Link, ...], relay: bool = False) -> None:
        self.populations.append(Planned(name, shape, links, relay))
        self.at, self.shape = name, shape

    def conv(
        self,
        name: str,
        channels: int,
        kernel: int,
        stride: int,
        padding: int,
        delay: int = 0,
        learnt_delay: int = 0,
    ) -> None:
        kind = Conv2d((stride, stride), (padding, padding))
        link = Link(
            self.at,
            kind,
            (channels, kernel, kernel, self.shape[2]),
            delay,
            learnt_delay=learnt_delay,
        )
        self.add(name, window_shape(self.shape, link, f"projection {self.at}->{name}"), (link,))


def _images(builder: _Builder, token: str) -> None:
    if len(builder.shape) != 3:
        raise UsageError(
            f"layers must have {token} where there is an image of (height, width, channels), "
            f"not behind the {builder.shape[0]} neurons of {builder.at}"
        )


def _conv(b: _Builder, token: str, n: dict[str, int]) -> None:
    _images(b, token)
    kernel = n["kernel"]
    b.conv(
        b.name("conv"), n["conv"], kernel, n.get("stride", 1), n.get("padding", kernel // 2),
        n.get("delay", 0), n.get("learnt", 0),
    )  # fmt: skip


def _depthwise(b: _Builder, token: str, n: dict[str, int]) -> None:
    _images(b, token)
    kernel, stride, channels = n["depthwise"], n.get("stride", 1), b.shape[2]
    padding = n.get("padding", kernel // 2)
    kind = Conv2d((stride, stride), (padding, padding), groups=channels)
    link = Link(
        b.at, kind, (channels, kernel, kernel, 1), n.get("delay", 0),
        learnt_delay=n.get("learnt", 0),
    )  # fmt: skip
    name = b.name("depthwise")
    b.add(name, window_shape(b.shape, link, f"projection {b.at}->{name}"), (link,))


def _pool(b: _Builder, token: str, n: dict[str, int]) -> None:
    _images(b, token)
    size, stride = n["pool"], n.get("stride", n["pool"])
    link = Link(b.at, Pool((size, size), (stride, stride), (n.get("padding", 0),) * 2), norm=False)
    name = b.name("pool")
    b.add(name, window_shape(b.shape, link, f"projection {b.at}->{name}"), (link,), relay=True)


def _max(b: _Builder | None, token: str, n: dict[str, int]) -> None:
    raise UsageError(
        f"layers must have p{n['max']} (average) or a stride in place of {token}: a max pool "
        "needs all spikes of a window before it sends the first, and events come one by one"
    )


def _size(b: _Builder) -> int:
    return b.shape[0] if len(b.shape) == 1 else b.shape[0] * b.shape[1] * b.shape[2]


def _dense(b: _Builder, token: str, n: dict[str, int]) -> None:
    link = dense_link(b.at, _size(b), n["dense"], n.get("delay", 0))
    link = replace(link, learnt_delay=n.get("learnt", 0))
    b.add(b.name("hidden"), (n["dense"],), (link,))


def _recurrent(b: _Builder, token: str, n: dict[str, int]) -> None:
    size, name = n["recurrent"], b.name("hidden")
    inward = dense_link(b.at, _size(b), size)
    feedback = dense_link(name, size, size, n.get("delay", 1), norm=False)
    b.add(name, (size,), (inward, feedback))


def _sew(b: _Builder, token: str, n: dict[str, int]) -> None:
    """Fang et al. 2021, "Deep residual learning in spiking neural networks", with g = ADD."""
    _images(b, token)
    name, channels, stride = b.name("block"), n["sew"], n.get("stride", 1)
    start, shape = b.at, b.shape
    b.conv(f"{name}_a", channels, 3, stride, 1, n.get("delay", 0))
    b.conv(f"{name}_b", channels, 3, 1, 1)
    branch, out = b.at, b.shape
    if shape != out:  # the shortcut is a convolution with neurons of its own
        b.at, b.shape = start, shape
        b.conv(f"{name}_s", channels, 1, stride, 0, n.get("delay", 0))
        start = b.at
    links = tuple(Link(source, OneToOne(), norm=False) for source in (branch, start))
    b.add(name, out, links, relay=True)


def _ms(b: _Builder, token: str, n: dict[str, int]) -> None:
    """Hu et al. 2021, "Advancing spiking neural networks towards deep residual learning".

    The block adds potentials: with x the input of the population before it, its last
    population gets x + conv(spikes).  Only events can go from population to population, so x
    comes again from where it came from, with the same weights.
    """
    before = b.populations[-1] if b.populations else None
    if before is None or before.relay or len(b.shape) != 3 or b.shape[2] != n["ms"]:
        raise UsageError(
            f"layers must have {token} behind a convolution to {n['ms']} channels or another such "
            f"block, whose input it adds again, not behind {b.at} of shape {b.shape}"
        )
    name, kind = b.name("block"), Conv2d((1, 1), (1, 1))
    again = tuple(replace(link, tied=link.tied or before.name) for link in before.links)
    b.conv(f"{name}_a", n["ms"], 3, 1, 1)
    b.add(name, b.shape, (*again, Link(b.at, kind, (n["ms"], 3, 3, n["ms"]))))


_MAKERS: dict[str, Callable[[_Builder, str, dict[str, int]], None]] = {
    "conv": _conv,
    "depthwise": _depthwise,
    "pool": _pool,
    "max": _max,
    "sew": _sew,
    "ms": _ms,
    "recurrent": _recurrent,
    "dense": _dense,
}
_TAKES = {
    "conv": {"stride", "padding", "delay", "kernel", "learnt"},
    "depthwise": {"stride", "padding", "delay", "learnt"},
    "pool": {"stride", "padding"},
    "max": {"stride", "padding"},
    "sew": {"stride", "delay"},
    "ms": set(),
    "recurrent": {"delay"},
    "dense": {"delay", "learnt"},
}


def _read(token: str) -> tuple[str, dict[str, int]]:
    match = _TOKEN.match(token)
    if match is None:
        raise UsageError(
            f"layers must be tokens such as 32c5s2, dw3, p2, 128, 64r or 32sew between hyphens, "
            f"not {token!r}"
        )
    found = {name: text for name, text in match.groupdict().items() if text is not None}
    if found.get("learnt"):  # the limit of what is learnt, not a delay
        found["learnt"] = found.pop("delay")
    numbers = {name: int(text) for name, text in found.items()}
    kind = next(name for name in _MAKERS if name in numbers)
    for name, value in numbers.items():
        if name not in (kind, *_TAKES[kind]):
            raise UsageError(f"layers must not have a {name} in {token}")
        if value < 1 and name not in ("padding", "delay"):
            raise UsageError(f"layers must have sizes and strides of at least 1, not {token}")
    return kind, numbers


def check_layers(layers: str) -> str:
    """Return ``layers``; :class:`UsageError` names the token that is wrong."""
    if not isinstance(layers, str):
        raise UsageError(f"layers must be text such as 32c5s2-64c3s2-128, not {layers!r}")
    for token in layers.split("-") if layers else []:
        kind, _ = _read(token)
        if kind == "max":
            _max(None, token, _read(token)[1])
    return layers


def needs_images(layers: str) -> bool:
    """Return whether the first layer looks at windows of an image."""
    return bool(layers) and _read(layers.split("-")[0])[0] in ("conv", "depthwise", "pool", "sew")


def make_plan(layers: str, input_shape: Shape, n_classes: int) -> Plan:
    """Return the plan of ``layers`` between an input and ``n_classes`` outputs.

    Parameters
    ----------
    layers
        Tokens between hyphens; nothing for an output alone.
    input_shape
        (n,) or (height, width, channels).
    n_classes
        Neurons of the output.

    Raises
    ------
    UsageError, NetworkError
        Naming the token or the projection that does not fit.
    """
    check_layers(layers)
    builder = _Builder(input_shape, [], INPUT, input_shape, {})
    for token in layers.split("-") if layers else []:
        kind, numbers = _read(token)
        _MAKERS[kind](builder, token, numbers)
    builder.add(OUTPUT, (n_classes,), (dense_link(builder.at, _size(builder), n_classes),))
    populations = builder.populations
    if builder.counts.get("hidden") == 1:  # the only one needs no number
        populations = [_renamed(p, "hidden1", "hidden") for p in populations]
    return Plan(input_shape, tuple(populations))


def _renamed(planned: Planned, old: str, new: str) -> Planned:
    links = tuple(
        replace(link, source=new if link.source == old else link.source) for link in planned.links
    )
    return replace(planned, name=new if planned.name == old else planned.name, links=links)
