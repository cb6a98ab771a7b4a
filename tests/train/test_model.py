"""Networks: the quantised model against the contract, event by event."""

import numpy as np
import pytest
import torch

from spikeloom.spec.errors import NetworkError, UsageError
from spikeloom.train.export import export_network
from spikeloom.train.loop import to_events
from spikeloom.train.losses import count_loss
from spikeloom.train.model import NeuronConfig, SpikingNetwork
from spikeloom.train.surrogates import make_surrogate
from train import contract

pytestmark = pytest.mark.torch

NEURONS = [
    NeuronConfig(reset=reset, reset_order=order, reset_value=value, floor=floor, decay=decay,
                 initial=initial)
    for reset, value in (("subtract", 0.0), ("zero", 0.0), ("value", -0.4))
    for order in ("before_decay", "after_decay")
    for floor, decay, initial in ((None, 0.9, 0.0), (-0.5, 0.97, 0.3))
]  # fmt: skip


def make(neuron=None, bits=8, magnitude=1, sizes=(12, 9, 7, 4), seed=1, **kwargs):
    return SpikingNetwork(
        sizes, neuron, weight_bits=bits, max_magnitude=magnitude, seed=seed, **kwargs
    )


def random_inputs(seed, magnitude, samples=3, ticks=8, n=12):
    rng = np.random.default_rng(seed)
    shape = (samples, ticks, n)
    return (rng.integers(1, magnitude + 1, shape) * (rng.random(shape) < 0.4)).astype(np.uint8)


def assert_equals_contract(model, inputs, label):
    network = export_network(model)
    trace = model.trace(to_events(inputs))
    totals = {}
    for name, (h, s, v) in contract.run_network(network, inputs).items():
        got = {
            "H": trace.potentials[name].numpy().swapaxes(0, 1),
            "S": trace.spikes[name].numpy().swapaxes(0, 1),
            "V": trace.final[name].numpy(),
        }
        for key, expected in (("H", h), ("S", s), ("V", v)):
            assert np.array_equal(got[key], expected), f"{label}: {key} of {name} differs"
        totals[name] = int(s.sum())
    assert torch.equal(model(to_events(inputs)), trace.spikes["output"])
    return totals


@pytest.mark.parametrize("neuron", NEURONS, ids=str)
@pytest.mark.parametrize(("bits", "magnitude"), [(8, 1), (4, 15), (2, 127)])
def test_quantised_model_equals_contract(neuron, bits, magnitude):
    for seed in (1, 2):
        model = make(neuron, bits, magnitude, seed=seed)
        model.quantise()
        inputs = random_inputs(seed, magnitude)
        totals = assert_equals_contract(model, inputs, f"seed {seed}")
        assert totals["hidden1"] > 0


@pytest.mark.parametrize("neuron", NEURONS[:6], ids=str)
def test_model_still_equals_contract_after_training_on_integers(neuron):
    model = make(neuron)
    model.quantise()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.02)
    inputs = random_inputs(7, 1, samples=30)
    labels = torch.arange(30) % 4
    before = export_network(model)
    losses = []
    for _ in range(15):
        loss = count_loss(model(to_events(inputs)), labels, 1.0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0]
    assert export_network(model).projections != before.projections
    assert_equals_contract(model, inputs[:4], "seed 7, trained")


def test_potentials_count_in_thresholds():
    neuron = NeuronConfig(
        decay=0.9, reset="value", reset_value=-0.4, initial=-9.0, floor=-0.5, detach_reset=False
    )
    p = neuron.parameters(threshold=10)
    assert (p.threshold, p.decay, p.reset_value, p.floor) == (10, 29491, -4, -5)
    assert (p.initial, p.ceiling, p.integer, p.detach_reset) == (-5, 32767, True, False)
    assert NeuronConfig().parameters(10).floor == -32768
    real = neuron.parameters(threshold=0)
    assert (real.threshold, real.decay, real.reset_value, real.floor) == (1.0, 29491, -0.4, -0.5)
    assert (real.initial, real.integer) == (-0.5, False)


def test_fine_steps_bring_the_integers_to_the_float_twin():
    """The float model and its 8-bit integers agree on nearly every spike."""
    model = make(NeuronConfig(decay=0.95), sizes=(12, 40, 4))
    events = to_events(random_inputs(3, 1, samples=40))
    real = model.trace(events).spikes["hidden"]
    model.quantise()
    whole = model.trace(events).spikes["hidden"]
    assert real.sum() > 500
    assert (real != whole).float().mean() < 0.05


def test_same_seed_gives_same_weights():
    a, b, c = make(seed=3), make(seed=3), make(seed=4)
    assert all(torch.equal(x, y) for x, y in zip(a.parameters(), b.parameters(), strict=True))
    assert not torch.equal(next(a.parameters()), next(c.parameters()))


def test_dropout_silences_hidden_neurons_in_float_training_only():
    model = make(sizes=(12, 200, 4), dropout=0.5)
    ones = torch.ones(5, 3, 200)
    mask = model._mask(ones)
    assert set(mask.unique().tolist()) == {0.0, 2.0}
    events = to_events(random_inputs(1, 1))
    model.eval()
    plain = model(events)
    model.train()
    model.quantise()
    assert torch.equal(model(events), model.eval()(events))
    assert plain.shape == (8, 3, 4)


def test_every_surrogate_trains():
    events = to_events(random_inputs(1, 1))
    for name in ("arctan", "superspike", "rectangular", "sigmoid"):
        model = SpikingNetwork((12, 9, 4), surrogate=make_surrogate(name))
        count_loss(model(events), torch.tensor([0, 1, 2]), 1.0).backward()
        assert all(p.grad.abs().sum() > 0 for p in model.parameters())


def test_population_names():
    assert [p.name for p in make().populations()] == ["hidden1", "hidden2", "output"]
    assert [p.name for p in make(sizes=(3, 2, 1)).populations()] == ["hidden", "output"]
    assert [p.name for p in make(sizes=(3, 2)).populations()] == ["output"]


def test_sums_beyond_exact_float_are_refused():
    with pytest.raises(NetworkError, match=r"^population output must have sums below 16777216"):
        make(sizes=(70000, 2), magnitude=2)


def test_too_few_sizes_are_refused():
    with pytest.raises(NetworkError, match=r"^sizes must name the input and the output"):
        make(sizes=(3,))


def test_float_model_is_not_exported():
    with pytest.raises(UsageError, match=r"^the model must be quantised before"):
        export_network(make())
