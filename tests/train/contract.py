"""The contract's arithmetic once more, neuron by neuron and event by event, in Python
integers, written from the text of the specification alone, for the tests of the trainer."""

import numpy as np

DECAY_BITS = 15


def truncate(value, shift):
    """Shift right, rounding towards zero."""
    return -((-value) >> shift) if value < 0 else value >> shift


def clip(value, floor):
    return max(min(value, 32767), -32768, floor)


def step(p, v, total_input):
    """One tick of one neuron of population ``p``; returns (H, S, V)."""
    threshold, decay, bias = int(p.threshold), int(p.decay), int(p.bias)
    h = v + bias + total_input
    s = int(p.reset.value != "none" and h >= threshold)
    if p.multi_spike and s:
        s = min(h // threshold, 127)

    def reset(x):
        if not s:
            return x
        return {"subtract": x - threshold * s, "zero": 0, "value": p.reset_value}[p.reset.value]

    if p.reset_order.value == "before_decay":
        v = truncate(clip(reset(h), p.floor) * decay, DECAY_BITS)
    else:
        v = clip(reset(truncate(h * decay, DECAY_BITS)), p.floor)
    return h, s, v


def run_population(p, currents):
    """Run ``p`` on currents (T, N, n); returns int64 H, S (T, N, n) and V (N, n)."""
    hs, ss = np.zeros(currents.shape, np.int64), np.zeros(currents.shape, np.int64)
    final = np.zeros(currents.shape[1:], np.int64)
    for sample, neuron in np.ndindex(*currents.shape[1:]):
        v, c = p.initial, 0
        for tick, value in enumerate(currents[:, sample, neuron]):
            total = int(value)
            if p.current_decay is not None:
                total += c
                c = truncate(clip(total, -32768) * int(p.current_decay), DECAY_BITS)
            h, s, v = step(p, v, total)
            hs[tick, sample, neuron], ss[tick, sample, neuron] = h, s
        final[sample, neuron] = v
    return hs, ss, final


def run_network(network, inputs):
    """Run a feed-forward ``network`` on inputs (S, T, n) event by event.

    Returns {population: (H (S, T, n), S (S, T, n), V (S, n))}.
    """
    events = {network.inputs[0].name: inputs.astype(np.int64)}
    out = {}
    for p in network.order():
        (projection,) = network.fan_in(p.name)
        weights = projection.weights.astype(np.int64)
        source = events[projection.source]
        currents = np.zeros((*source.shape[:2], p.n_neurons), np.int64)
        for sample, tick, neuron in np.argwhere(source):
            magnitude = source[sample, tick, neuron]
            currents[sample, tick] += (weights[:, neuron] * magnitude) << projection.shift
        hs, ss, final = run_population(p, currents.swapaxes(0, 1))
        events[p.name] = ss.swapaxes(0, 1)
        out[p.name] = hs.swapaxes(0, 1), ss.swapaxes(0, 1), final
    return out
