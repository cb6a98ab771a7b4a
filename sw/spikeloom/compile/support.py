"""What a build cannot do at all of a network, whatever its sizes."""

from __future__ import annotations

from collections.abc import Iterator

from ..spec import numfmt
from ..spec.config import PRESETS, BuildConfig
from ..spec.errors import CapacityError
from ..spec.network import Dense, Network, Population, Projection
from ..spec.tables import POPULATIONS, PROJECTIONS
from .inputs import input_ranges
from .placement import is_grouped

MAX_STRIDE = (1 << PROJECTIONS.field("stride").bits) - 1
MAX_NEURONS = (1 << POPULATIONS.field("n_neurons").bits) - 1

_PER_NEURON = ("threshold", "decay", "bias", "current_decay")


def check_supported(network: Network, config: BuildConfig) -> None:
    """Raise :class:`CapacityError` listing everything of ``network`` that the build lacks."""
    reasons = unsupported(network, config)
    if reasons:
        raise CapacityError(f"build {config.name} cannot run this network: " + "; ".join(reasons))


def unsupported(network: Network, config: BuildConfig) -> list[str]:
    """Return what the build lacks for ``network``, with the build options that would help."""
    reasons = list(_of_inputs(network, config))
    for population in network.populations:
        reasons += _of_population(population, config)
    for projection in network.projections:
        reasons += _of_projection(network, projection, config)
    return reasons


def needs_parameter_rows(population: Population) -> bool:
    """Return whether neurons of the population differ in a parameter."""
    return any(True for _ in _different(population))


def _different(population: Population) -> Iterator[str]:
    for parameter in _PER_NEURON:
        value = getattr(population, parameter)
        if value is not None and value.size > 1 and value.min() != value.max():
            yield parameter


def _option(name: str) -> str:
    """Return the words that name a build option and the presets that have it."""
    presets = [preset.name for preset in PRESETS.values() if getattr(preset, name)]
    return f"needs the build option {name}, as in {' or '.join(presets)}"


def _of_inputs(network: Network, config: BuildConfig) -> Iterator[str]:
    ranges = input_ranges(network)
    if len(ranges) == 1 and ranges[0].stop > MAX_NEURONS:
        source = ranges[0].source
        yield f"{source.name} must have at most {MAX_NEURONS} neurons, not {source.n_neurons}"
    elif max(r.stop for r in ranges) > MAX_NEURONS:
        yield (
            f"the inputs must take at most {MAX_NEURONS} addresses, one per neuron and delay, "
            f"not {max(r.stop for r in ranges)}"
        )
    for source in network.inputs:
        if source.signed and not config.graded:
            yield f"signed of {source.name} must be false: it {_option('graded')}"


def _of_population(population: Population, config: BuildConfig) -> Iterator[str]:
    name = population.name
    if not config.parameter_rows:
        for parameter in _different(population):
            yield (
                f"{parameter} of {name} must be the same for the whole population: one per "
                f"neuron {_option('parameter_rows')}"
            )
    if population.refractory and not config.refractory:
        yield (
            f"refractory of {name} must be 0, not {population.refractory}: it "
            f"{_option('refractory')}"
        )
    if population.current_decay is not None and not config.current:
        yield f"current_decay of {name} must not be given: it {_option('current')}"
    if population.multi_spike and not config.multi_spike:
        yield f"multi_spike of {name} must be false: it {_option('multi_spike')}"


def _of_projection(network: Network, projection: Projection, config: BuildConfig) -> Iterator[str]:
    name = projection.name
    if projection.shift and not config.graded:
        yield f"shift of {name} must be 0, not {projection.shift}: it {_option('graded')}"
    is_input = any(p.name == projection.source for p in network.inputs)
    if projection.delay and not is_input and not config.history_rows:
        yield f"delay of {name} must be 0, not {projection.delay}: it {_option('history_rows')}"
    if is_grouped(network, projection):
        if not config.groups and isinstance(projection.kind, Dense):
            n_ranges = len(input_ranges(network))
            yield (
                f"{name} must start at the only input, without other delays, not at one of "
                f"{n_ranges} ranges of addresses: it {_option('groups')}"
            )
        elif not config.groups:
            tag = projection.kind.tag.value
            yield f"kind of {name} must be dense, not {tag}: it {_option('groups')}"
    elif projection.weights.shape[1] > 2 * MAX_STRIDE:
        yield f"{name} must have at most {2 * MAX_STRIDE} sources"
    low, high = numfmt.signed_range(config.weight_bits)
    weights = projection.weights
    if weights.size and (weights.min() < low or weights.max() > high):
        yield (
            f"weights of {name} must be from {low} to {high} in a build of {config.weight_bits} "
            f"bits, not from {int(weights.min())} to {int(weights.max())}"
        )
