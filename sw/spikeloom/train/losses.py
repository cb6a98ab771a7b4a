"""Losses and regularisers: what training makes small.

A loss takes the network's :class:`~spikeloom.train.model.Activity`, the labels and the
configuration.  To add one: write the function, add a row to :data:`LOSSES` and its name to
:data:`spikeloom.train.choices.LOSS_NAMES`.

A network is judged the way the board's driver judges it
(:attr:`spikeloom.board.result.RunResult.prediction`): by spike counts, or by final
potentials where the output never fires; of equal classes the least wins.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from .config import TrainConfig
from .model import Activity, SpikingNetwork
from .plan import INPUT, OUTPUT

Loss = Callable[[Activity, Tensor, TrainConfig], Tensor]


def count_loss(spikes: Tensor, labels: Tensor, scale: float, smoothing: float = 0.0) -> Tensor:
    """Return the cross-entropy on spike counts.

    Parameters
    ----------
    spikes
        [T, N, classes].
    labels
        int64 [N].
    scale
        A logit is the spikes of an output neuron over all ticks times this.
    smoothing
        Label smoothing, 0 to 1.
    """
    return cross_entropy(spikes.sum(0) * scale, labels, label_smoothing=smoothing)


def tick_loss(
    spikes: Tensor, labels: Tensor, scale: float, smoothing: float = 0.0, share: float = 0.05
) -> Tensor:
    """Return the cross-entropy of every tick, averaged (temporal efficient training).

    (1 - share) * mean over t of CE(scale * S[t], y) + share * mean of (S[t] - 1/2)**2 is
    eqs. (9) to (11) of Deng, Li, Zhang and Gu 2022, "Temporal efficient training of spiking
    neural network via gradient re-weighting", with the target 1/2 of a spike.

    ``spikes``, ``labels``, ``scale`` and ``smoothing`` are as of :func:`count_loss`.
    """
    ticks, samples, classes = spikes.shape
    logits = spikes.reshape(ticks * samples, classes) * scale
    each = cross_entropy(logits, labels.repeat(ticks), label_smoothing=smoothing)
    return (1 - share) * each + share * (spikes - 0.5).square().mean()


def first_spike_ticks(spikes: Tensor) -> Tensor:
    """Return the ticks before each neuron's first spike, [N, n], of spikes [T, N, n].

    A neuron that never fires has T.  It is the sum over t of the product of 1 - S[k] up to
    t, which has a gradient to every tick up to the second spike.
    """
    return torch.cumprod(1 - spikes, 0).sum(0)


def latency_loss(spikes: Tensor, labels: Tensor, scale: float, smoothing: float = 0.0) -> Tensor:
    """Return the cross-entropy on negated first-spike times: the class should fire first.

    Mostafa 2017, "Supervised learning based on temporal coding in spiking neural networks",
    eq. (9), with whole ticks for times.  Parameters as of :func:`count_loss`.
    """
    return cross_entropy(-first_spike_ticks(spikes) * scale, labels, label_smoothing=smoothing)


LOSSES: dict[str, Loss] = {
    "rate": lambda a, y, c: count_loss(a.spikes[OUTPUT], y, c.logit_scale, c.label_smoothing),
    "tet": lambda a, y, c: tick_loss(
        a.spikes[OUTPUT], y, c.logit_scale, c.label_smoothing, c.tet_share
    ),
    "membrane": lambda a, y, c: cross_entropy(
        a.final * c.logit_scale, y, label_smoothing=c.label_smoothing
    ),
    "latency": lambda a, y, c: latency_loss(a.spikes[OUTPUT], y, c.logit_scale, c.label_smoothing),
}
"""The losses by name; ``membrane`` reads the final potential of an output without reset."""


def predict(spikes: Tensor) -> Tensor:
    """Return the class of most spikes, int64 [N], of spikes [T, N, classes]; ties: the least."""
    return spikes.sum(0).argmax(1)


def prediction(model: SpikingNetwork, activity: Activity) -> Tensor:
    """Return the class of each sample, int64 [N], as the board's driver does."""
    return activity.final.argmax(1) if model.readout else predict(activity.spikes[OUTPUT])


def rate_penalty(activity: Activity, low: float, high: float) -> Tensor:
    """Return the mean squared distance of firing rates from ``low`` to ``high``.

    The rate of a neuron is its spikes per tick over the batch; the mean is over all neurons
    that can fire.
    """
    rates = torch.cat([s.mean((0, 1)) for s in activity.spikes.values()])
    return ((low - rates).relu() + (rates - high).relu()).square().mean()


def binary_ones(magnitudes: Tensor) -> Tensor:
    """Return the number of binary ones of each magnitude, 0 to 127, in the same dtype."""
    integers = magnitudes.detach().to(torch.int32)
    ones = sum((integers >> digit) & 1 for digit in range(7))
    return torch.as_tensor(ones).to(magnitudes.dtype)


def _events_of(magnitudes: Tensor) -> Tensor:
    """Return the events of graded spikes, one for each binary one, with the spikes' gradient."""
    return magnitudes + (binary_ones(magnitudes) - magnitudes).detach()


def synaptic_operations(model: SpikingNetwork, activity: Activity) -> Tensor:
    """Return the synaptic operations (rule S4) per sample: events times fan-out, summed.

    The gradient reaches every hidden spike, and the input gate if there is one, so that
    this number can be a target of training.
    """
    sources = {INPUT: activity.events, **activity.spikes}
    graded = {layer.name for layer in model.populations() if layer.graded}
    total = torch.zeros((), dtype=torch.float64)
    for layer in model.populations():
        for synapses in layer.projections():
            magnitudes = synapses.arriving(sources[synapses.source])
            sent = _events_of(magnitudes) if synapses.source in graded else magnitudes
            if synapses.axonal:  # each event goes to a neuron that sends it on when it is time
                total = total + sent.double().sum()
                if synapses.magnitude > 1 or synapses.source in graded:
                    sent = _events_of(magnitudes)
            total = total + sent.sum((0, 1)).double() @ synapses.fan_out
    return total / activity.final.shape[0]


def objective(
    model: SpikingNetwork, activity: Activity, labels: Tensor, config: TrainConfig
) -> Tensor:
    """Return the configuration's loss with its regularisers.

    They are ``rate_penalty`` times :func:`rate_penalty`, and ``sop_penalty`` times the share
    by which :func:`synaptic_operations` exceed ``sop_target``.
    """
    loss = LOSSES[config.loss](activity, labels, config)
    if config.rate_penalty:
        loss = loss + config.rate_penalty * rate_penalty(
            activity, config.rate_low, config.rate_high
        )
    if config.sop_penalty:
        operations = synaptic_operations(model, activity).float()
        loss = loss + config.sop_penalty * (operations / config.sop_target - 1).relu()
    return loss
