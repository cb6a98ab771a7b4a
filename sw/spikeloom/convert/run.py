"""One call from a trained model to a spiking network of integers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from ..compile.proof import prove_no_overflow
from ..spec.errors import DataError, UsageError
from ..spec.manifest import InputFacts
from ..spec.network import Network
from ..spec.numfmt import WEIGHT_BITS, signed_range
from ..train.encoders import check_encoder, encode, max_magnitude
from .balance import Limits, balance, stage_values
from .integers import IntegerBuilder
from .simulate import BATCH, Simulator
from .stages import Stage, read_stages

ENCODER_KINDS = ("rate", "poisson", "direct")
"""Encoders whose events sum to the value."""

TICKS_MAX = 1024


@dataclass(frozen=True)
class StageReport:
    """What became of a stage, on calibration data.

    Parameters
    ----------
    name
        The population.
    limit
        The value for which its neurons fire in every tick; the mean over channels.
    threshold
        The integer threshold.
    above
        Share of the model's values above the limit: what is clipped.
    rate
        Spikes per neuron and tick.
    error
        Mean absolute difference of spikes per tick and value / limit.
    weights_clipped
        Share of the weights at the end of their range.
    """

    name: str
    limit: float
    threshold: int
    above: float
    rate: float
    error: float
    weights_clipped: float


@dataclass(frozen=True)
class Converted:
    """A spiking network and how well it stands for the model.

    ``reports`` is of the populations that fire, in order.
    """

    network: Network
    input_facts: InputFacts
    reports: tuple[StageReport, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the reports as JSON-ready values."""
        return {"stages": [asdict(report) for report in self.reports]}

    def encoded(self, values: ArrayLike) -> NDArray[np.uint8]:
        """Return values [N, *model's input shape] as events [N, T, *population's shape]."""
        return to_population(self.input_facts, encode(self.input_facts, values))

    def accuracies(self, values: NDArray[np.uint8], labels: NDArray[np.uint8]) -> list[float]:
        """Return the accuracy, 0 to 1, that the output's potentials give after each tick.

        Parameters
        ----------
        values
            [N, *model's input shape], 0 to the encoder's maximum.
        labels
            [N].
        """
        simulator, output = Simulator(self.network), self.network.outputs[0]
        right = np.zeros(self.input_facts.ticks, np.int64)
        for start in range(0, len(values), BATCH):
            part = slice(start, start + BATCH)
            for tick, populations in enumerate(simulator.ticks(self.encoded(values[part]))):
                guess = populations[output][1].argmax(1).numpy()
                right[tick] += int((guess == labels[part]).sum())
        return [int(n) / max(len(values), 1) for n in right]


def to_population(facts: InputFacts, inputs: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return encoded inputs with the axes that the input population has."""
    if facts.axes == "channels_first":
        inputs = np.ascontiguousarray(inputs.transpose(0, 1, 3, 4, 2))
    return inputs


def _facts(shape: tuple[int, ...], ticks: int, encoder: Mapping[str, Any]) -> InputFacts:
    checked = check_encoder(encoder)
    if checked["kind"] not in ENCODER_KINDS:
        raise UsageError(
            f"encoder must be one of {', '.join(ENCODER_KINDS)} for a converted network, not "
            f"{checked['kind']}: the sum of its events must grow with the value"
        )
    if isinstance(ticks, bool) or not isinstance(ticks, int) or not 1 <= ticks <= TICKS_MAX:
        raise UsageError(f"ticks must be an integer from 1 to {TICKS_MAX}, not {ticks!r}")
    if len(shape) == 3:
        return InputFacts(shape, ticks, "channels_first", checked)
    return InputFacts(shape, ticks, "flat", checked)


def convert_model(
    model: nn.Module,
    samples: ArrayLike,
    ticks: int,
    encoder: Mapping[str, Any],
    weight_bits: int = 8,
    limits: Limits | None = None,
) -> Converted:
    """Convert a trained model.

    Parameters
    ----------
    model
        A chain that :func:`.stages.read_stages` takes; its input is values / maximum, from
        0 to 1, float [N, channels, height, width] or [N, n].
    samples
        Calibration data [N, *input shape], 0 to the encoder's maximum; a few hundred.
    ticks
        Ticks of a sample, 1 to 1024.
    encoder
        ``rate``, ``poisson`` or ``direct`` (:data:`spikeloom.train.encoders.ENCODERS`).
    weight_bits
        8, 4 or 2.
    limits
        How thresholds are balanced; those of :class:`.activation.ClipFloorShift` are kept.

    Returns
    -------
    The network of integers, whose output never fires: the greatest potential decides.

    Raises
    ------
    NetworkError
        With every reason why the model cannot be converted, and what would help.
    CapacityError
        If a population's input overflows the accumulator at any step.
    DataError, UsageError
        Naming the argument.
    """
    if weight_bits not in WEIGHT_BITS:
        raise UsageError(f"weight_bits must be one of {WEIGHT_BITS}, not {weight_bits!r}")
    array = np.asarray(samples)
    if array.ndim not in (2, 4) or not len(array):
        raise DataError(
            "samples must have the shape (samples, channels, height, width) or (samples, n) with "
            f"at least 1 sample, not {array.shape}"
        )
    shape = tuple(int(n) for n in array.shape[1:])
    facts = _facts(shape, ticks, encoder)
    training = model.training
    model.eval()
    try:
        stages = read_stages(model, shape)
        x = torch.from_numpy(array.astype(np.float32)) / facts.encoder["maximum"]
        found = balance(stages, x, limits or Limits())
        builder = IntegerBuilder(shape, max_magnitude(facts.encoder), weight_bits)
        values = _values(stages, x)
        for stage, limit in zip(stages, found, strict=True):
            highest = float(values[stage.name].abs().max()) * ticks
            builder.add(stage, limit, 0.0 if stage.fires else highest)
        network = builder.network()
        prove_no_overflow(network)
        reports = _reports(network, facts, array, stages, found, values)
    finally:
        model.train(training)
    return Converted(network, facts, tuple(reports))


def _values(stages: list[Stage], x: Tensor) -> dict[str, Tensor]:
    """Return each stage's values on ``x``."""
    out = {}
    for stage in stages:
        x = out[stage.name] = stage_values(stage, x)
    return out


def _reports(
    network: Network,
    facts: InputFacts,
    samples: NDArray[Any],
    stages: list[Stage],
    limits: list[Tensor | None],
    values: dict[str, Tensor],
) -> list[StageReport]:
    inputs = to_population(facts, encode(facts, samples))
    rates = {stage.name: torch.zeros_like(values[stage.name]) for stage in stages}
    simulator = Simulator(network)
    for start in range(0, len(inputs), BATCH):
        for populations in simulator.ticks(inputs[start : start + BATCH]):
            for name, (spikes, _) in populations.items():
                rates[name][start : start + BATCH] += spikes / facts.ticks
    low, high = signed_range(network.projections[0].weight_bits)
    out, limit = [], torch.ones((), dtype=torch.float64)
    for stage, found in zip(stages, limits, strict=True):
        if not stage.fires:
            continue
        limit = limit if found is None else found
        wide = limit.float().reshape(-1, 1, 1) if values[stage.name].ndim == 4 else limit.float()
        wanted = values[stage.name] / wide
        (projection,) = network.fan_in(stage.name)
        weights = projection.weights
        out.append(
            StageReport(
                name=stage.name,
                limit=float(limit.mean()),
                threshold=int(network.population(stage.name).threshold),
                above=float((wanted > 1).float().mean()),
                rate=float(rates[stage.name].mean()),
                error=float((rates[stage.name] - wanted).abs().mean()),
                weights_clipped=float(((weights == low) | (weights == high)).mean()),
            )
        )
    return out
