"""How long an epoch of training takes: ``python -m spikeloom.train.bench``.

The same work is timed for our loop on real numbers, our loop on integers and, where they
are installed, snnTorch and SpikingJelly: a network of LIF neurons, random events, a
cross-entropy on spike counts, AdamW, one thread.  Rounds of all loops alternate, so that a
busy machine slows them alike; times are CPU seconds, the least of the rounds.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..report import table, to_json
from ..spec.errors import UsageError
from .losses import count_loss
from .model import NeuronConfig, SpikingNetwork

DECAY = 0.9

Forward = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Work:
    """What is timed.

    Parameters
    ----------
    sizes
        Neurons of input, hidden populations and output.
    ticks, batch, samples
        Ticks of a sample, samples of a batch and of an epoch.
    density
        Chance of an event per input and tick.
    seed
        Of the events and labels.
    """

    sizes: tuple[int, ...] = (784, 256, 10)
    ticks: int = 16
    batch: int = 128
    samples: int = 6400
    density: float = 0.1
    seed: int = 1

    def __post_init__(self) -> None:
        for name in ("ticks", "batch", "samples"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} must be at least 1, not {getattr(self, name)}")
        if not 0 <= self.density <= 1:
            raise UsageError(f"density must be from 0 to 1, not {self.density:g}")

    def batches(self) -> list[tuple[Tensor, Tensor]]:
        """Return the epoch: events, float32 [T, N, n], and labels, int64 [N]."""
        generator = torch.Generator().manual_seed(self.seed)
        out, left = [], self.samples
        while left > 0:
            n = min(self.batch, left)
            draws = torch.rand(self.ticks, n, self.sizes[0], generator=generator)
            labels = torch.randint(self.sizes[-1], (n,), generator=generator)
            out.append(((draws < self.density).float(), labels))
            left -= n
        return out


def _ours(work: Work, quantised: bool) -> tuple[nn.Module, Forward]:
    model = SpikingNetwork(work.sizes, NeuronConfig(decay=DECAY), seed=work.seed)
    if quantised:
        model.quantise()
    return model, model


def _linears(work: Work) -> list[nn.Linear]:
    torch.manual_seed(work.seed)
    pairs = zip(work.sizes[:-1], work.sizes[1:], strict=True)
    return [nn.Linear(n_in, n_out, bias=False) for n_in, n_out in pairs]


def _snntorch(work: Work) -> tuple[nn.Module, Forward]:
    import snntorch

    slope = snntorch.surrogate.atan(alpha=2.0)
    linears = nn.ModuleList(_linears(work))
    neurons = nn.ModuleList(snntorch.Leaky(beta=DECAY, spike_grad=slope) for _ in linears)

    def forward(events: Tensor) -> Tensor:
        states = [neuron.init_leaky() for neuron in neurons]
        out = []
        for spikes in events:
            for index, (linear, neuron) in enumerate(zip(linears, neurons, strict=True)):
                spikes, states[index] = neuron(linear(spikes), states[index])
            out.append(spikes)
        return torch.stack(out)

    return nn.ModuleList([linears, neurons]), forward


def _spikingjelly(work: Work) -> tuple[nn.Module, Forward]:
    from spikingjelly.activation_based import functional, neuron, surrogate

    layers: list[nn.Module] = []
    for linear in _linears(work):
        layers += [
            linear,
            neuron.LIFNode(
                tau=1 / (1 - DECAY), decay_input=False, v_reset=None, detach_reset=True,
                surrogate_function=surrogate.ATan(), step_mode="m",
            ),
        ]  # fmt: skip
    model = nn.Sequential(*layers)

    def forward(events: Tensor) -> Tensor:
        functional.reset_net(model)
        return model(events)

    return model, forward


LOOPS: dict[str, Callable[[Work], tuple[nn.Module, Forward]]] = {
    "float": lambda work: _ours(work, quantised=False),
    "qat": lambda work: _ours(work, quantised=True),
    "snntorch": _snntorch,
    "spikingjelly": _spikingjelly,
}
"""The loops by name; each returns the parameters' module and the forward pass."""


class Loop:
    """A network with its optimiser, ready to train epochs."""

    def __init__(self, name: str, work: Work) -> None:
        self.name = name
        model, self.forward = LOOPS[name](work)
        model.train()
        self.optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)

    def epoch(self, batches: list[tuple[Tensor, Tensor]]) -> float:
        """Train on every batch once and return the CPU seconds it took."""
        start = time.process_time()
        for events, labels in batches:
            loss = count_loss(self.forward(events), labels, 1.0)
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            self.optimizer.step()
        return time.process_time() - start


def measure(work: Work, rounds: int = 3) -> tuple[dict[str, float], list[str]]:
    """Return CPU seconds per epoch by loop, and the loops that are not installed.

    Raises :class:`UsageError` if ``rounds`` is below 1.
    """
    if rounds < 1:
        raise UsageError(f"rounds must be at least 1, not {rounds}")
    loops, missing = [], []
    for name in LOOPS:
        try:
            loops.append(Loop(name, work))
        except ImportError:
            missing.append(name)
    batches = work.batches()
    for loop in loops:
        loop.epoch(batches[:2])
    times: dict[str, list[float]] = {loop.name: [] for loop in loops}
    for _ in range(rounds):
        for loop in loops:
            times[loop.name].append(loop.epoch(batches))
    return {name: min(values) for name, values in times.items()}, missing


def main(argv: list[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser("spikeloom.train.bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="epochs of each loop (3)")
    parser.add_argument("--samples", type=int, default=6400, help="samples of an epoch (6400)")
    parser.add_argument("--ticks", type=int, default=16, help="ticks of a sample (16)")
    parser.add_argument("--json", action="store_true", help="print as JSON")
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    try:
        seconds, missing = measure(Work(ticks=args.ticks, samples=args.samples), args.rounds)
    except UsageError as error:
        parser.error(str(error))
    ratios = {name: value / seconds["float"] for name, value in seconds.items()}
    if args.json:
        print(to_json({"seconds": seconds, "ratio_to_float": ratios, "missing": missing}), end="")
        return 0
    rows = [(name, f"{value:.2f}", f"{ratios[name]:.2f}") for name, value in seconds.items()]
    print(table(rows, ("loop", "CPU seconds per epoch", "ratio to float")))
    if missing:
        print(f"not installed: {', '.join(missing)}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
