"""Layers and neurons: the quantised model against the golden model, and their gradient."""

import numpy as np
import pytest
import torch

from spikeloom.spec.errors import NetworkError, UsageError
from spikeloom.spec.kinds import Ends, OneToOne, Uniform
from spikeloom.spec.network import InputPopulation, Network
from spikeloom.train.architecture import NETWORKS, make_plan
from spikeloom.train.export import export_network
from spikeloom.train.gradient import fire
from spikeloom.train.layer import NeuronConfig
from spikeloom.train.losses import count_loss, synaptic_operations
from spikeloom.train.model import SpikingNetwork
from spikeloom.train.neurons import Feedback, LIFParameters, simulate
from spikeloom.train.plan import INPUT, Link, Plan, Planned, dense_link
from spikeloom.train.sources import to_events
from spikeloom.train.surrogates import make_surrogate
from spikeloom.train.synapses import Synapses
from spikeloom_sim.golden import GoldenModel

pytestmark = pytest.mark.torch

IMAGE = (7, 6, 2)
LAYERS = [
    "", "9", "9d2", "9r", "9rd3-5", "4c3", "4c3s2-6c3p0", "4c5s2p1d1-dw3", "dw3s2-8", "p2-4c3",
    "4c3-p3s2-5", "4sew-p2", "4sews2-4sew", "6c3-4sew-4sew-7r", "4c3s2-4ms-4ms",
]  # fmt: skip
NEURONS = {
    "lif": NeuronConfig(decay=0.9, bias=True),
    "if": NeuronConfig(decay=1.0),
    "hard": NeuronConfig(decay=0.7, reset="zero", reset_order="after_decay"),
    "delayed": NeuronConfig(decay=0.8, reset="subtract", reset_order="after_decay", bias=True),
    "value": NeuronConfig(decay=0.9, reset="value", reset_value=-0.3, floor=-0.5, initial=0.2),
    "plif": NeuronConfig(decay=0.5, learn_decay=True),
    "cuba": NeuronConfig(decay=0.8, current_decay=0.6, bias=True),
    "multi": NeuronConfig(decay=1.0, multi_spike=True),
    "refractory": NeuronConfig(decay=0.9, refractory=2),
    "cuba_refractory": NeuronConfig(decay=0.9, refractory=3, current_decay=0.9, reset="zero"),
    "channels": NeuronConfig(decay=0.9, per_channel=True, bias=True, learn_threshold=True),
    "multi_cuba": NeuronConfig(decay=0.5, multi_spike=True, current_decay=0.3, per_channel=True),
}


def make(layers="4c3", neuron="lif", norm="none", bits=8, magnitude=1, seed=1, **kwargs):
    """A network whose norms, biases and thresholds are not those of the start."""
    model = SpikingNetwork(
        make_plan(layers, IMAGE, 3), NEURONS[neuron], norm=norm, weight_bits=bits,
        max_magnitude=magnitude, seed=seed, ticks=6, **kwargs,
    )  # fmt: skip
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for layer in model.populations():
            for p in (layer.bias, layer.log_threshold):
                if p is not None:
                    p.copy_(torch.randn(p.shape, generator=generator) * 0.2)
            for s in layer.projections():
                if s.norm is not None:
                    n = s.norm
                    for p in (n.gain, n.shift, n.mean):
                        p.add_(torch.randn(p.shape, generator=generator) * 0.2)
                    n.variance.mul_(torch.rand(n.variance.shape, generator=generator) + 0.2)
    return model


def random_inputs(seed, magnitude=1, samples=2, ticks=6):
    rng = np.random.default_rng(seed)
    shape = (samples, ticks, int(np.prod(IMAGE)))
    return (rng.integers(1, magnitude + 1, shape) * (rng.random(shape) < 0.4)).astype(np.uint8)


def assert_equals_golden(model, inputs, label):
    """Compare H, S, V of every population, and the operations; return the spikes by name."""
    network = export_network(model)
    golden, trace = GoldenModel(network).run(inputs), model.trace(to_events(inputs))
    for what in ("potentials", "spikes", "final"):
        for name, expected in getattr(golden, what).items():
            got = getattr(trace, what)[name].numpy()
            got = got if what == "final" else got.swapaxes(0, 1)
            assert np.array_equal(got, expected), f"{label}: {what} of {name} differ"
    activity = model.activity(to_events(inputs))
    for name, spikes in activity.spikes.items():
        assert torch.equal(spikes, trace.spikes[name]), f"{label}: spikes of {name}"
    operations = float(synaptic_operations(model, activity).detach()) * len(inputs)
    assert operations == golden.sops.sum()
    return {name: int(s.sum()) for name, s in golden.spikes.items()}


@pytest.mark.parametrize("layers", LAYERS)
@pytest.mark.parametrize(("bits", "magnitude"), [(8, 1), (4, 5)])
def test_every_layer_equals_golden(layers, bits, magnitude):
    for seed in (1, 2):
        model = make(layers, bits=bits, magnitude=magnitude, seed=seed)
        model.eval().quantise()
        spikes = assert_equals_golden(model, random_inputs(seed, magnitude), f"seed {seed}")
        assert sum(spikes.values()) > 0 or not layers


@pytest.mark.parametrize("neuron", NEURONS)
@pytest.mark.parametrize("layers", ["4c3s2-6", "6r-5", "4sew-p2"])
@pytest.mark.parametrize("bits", [8, 2])
def test_every_neuron_equals_golden(neuron, layers, bits):
    model = make(layers, neuron, bits=bits, seed=3)
    model.eval().quantise()
    assert_equals_golden(model, random_inputs(3), "seed 3")


@pytest.mark.parametrize("norm", ["bn", "tdbn", "tebn"])
@pytest.mark.parametrize("neuron", ["lif", "channels", "cuba"])
def test_norms_fold_into_the_integers(norm, neuron):
    model = make("4c3s2-dw3-9", neuron, norm, seed=4)
    events = to_events(random_inputs(4))
    model.eval()
    first = next(model.populations())
    (synapses,) = first.projections()
    normed = synapses.norm(synapses.sums(events, synapses.unit_weight()), len(events))
    weight, shift = synapses.folded("conv1")
    torch.testing.assert_close(synapses.sums(events, weight) + shift, normed, rtol=1e-5, atol=1e-5)
    model.quantise()
    assert_equals_golden(model, random_inputs(4), "seed 4")
    populations = export_network(model).populations
    assert populations[0].bias.shape == (4,)
    assert populations[0].threshold.shape == ((4,) if neuron == "channels" else ())


@pytest.mark.parametrize("neuron", ["lif", "multi", "refractory", "channels", "cuba"])
@pytest.mark.parametrize("layers", ["4c3s2-8r", "4sew-p2", "4c3-4ms"])
def test_training_on_integers_learns_and_stays_golden(neuron, layers):
    model = make(layers, neuron, norm="tdbn", seed=5)
    model.quantise()
    before = export_network(model)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=0.02)
    inputs, labels, losses = random_inputs(5, samples=24), torch.arange(24) % 3, []
    for _ in range(20):
        activity = model.activity(to_events(inputs))  # both, so that a silent output learns too
        loss = count_loss(activity.spikes["output"], labels, 1.0)
        loss = loss + torch.nn.functional.cross_entropy(activity.final, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert min(losses[-3:]) < losses[0]
    assert export_network(model).projections != before.projections
    assert_equals_golden(model, inputs[:2], "seed 5, trained")


def test_events_of_one_tick_for_all_are_weighted_once_and_alike():
    model = make("4c3-6", norm="tebn")
    tick = to_events(random_inputs(6))[:1]
    expanded = tick.expand(6, *tick.shape[1:])
    assert expanded.stride(0) == 0
    for _ in range(2):
        a, b = model.eval().activity(expanded), model.activity(expanded.contiguous())
        assert torch.equal(a.spikes["output"], b.spikes["output"])
        model.quantise()


def test_unequal_scales_of_ticks_are_refused_with_the_way_out():
    model = make("4c3", norm="tebn")
    with torch.no_grad():
        model.layers[0].projections()[0].norm.tick_scale[2] = 2
    message = (
        r"^the norm of population conv1 must have one scale for all ticks to be folded into "
        r"weights, not from 1 to 2 \(tebn\).*train with tdbn"
    )
    with pytest.raises(NetworkError, match=message):
        model.quantise()
    with pytest.raises(NetworkError, match=r"^samples must have the 6 ticks of the norm tebn"):
        model(to_events(random_inputs(1, ticks=5)))


@pytest.mark.parametrize("name", NETWORKS)
def test_ready_networks_equal_golden(name):
    shape = (16, 16, 1) if "c" in NETWORKS[name] else (20,)
    model = SpikingNetwork(
        make_plan(NETWORKS[name], shape, 10), NeuronConfig(decay=0.5), norm="tdbn", ticks=3
    )
    model.eval().quantise()
    inputs = (np.random.default_rng(7).random((1, 3, int(np.prod(shape)))) < 0.5).astype(np.uint8)
    spikes = assert_equals_golden(model, inputs, "seed 7")
    assert spikes[next(iter(spikes))] > 0


def test_average_pool_folds_its_window_into_the_weights_behind():
    model = make("p2-4c3")
    pool, conv, _ = model.populations()
    assert pool.relay
    assert conv.projections()[0].magnitude == 4
    assert torch.equal(conv.projections()[0].unit_weight(), conv.weight / 4)
    model.quantise()
    network = export_network(model)
    exported = network.population("pool1")
    assert exported.multi_spike
    assert (int(exported.threshold), int(exported.decay)) == (1, 0)
    ones = np.ones((1, 2, int(np.prod(IMAGE))), np.uint8)
    assert (model.trace(to_events(ones)).spikes["pool1"] == 4).all()


def loop(current, p, surrogate, share, bias, feedback):
    """The neurons as a loop of ordinary differentiable operations, in real numbers."""
    h0 = torch.zeros_like(current[0])
    v, c, rest, spikes = h0 + p.initial, h0, h0, []
    for t, i in enumerate(current):
        if t >= feedback.delay:
            i = i + spikes[t - feedback.delay] @ feedback.weight.T
        if p.current_decay is not None:
            i = c = c + i
            c = c * (p.current_decay / 32768)
        h = v + i + bias
        resting = rest > 0
        h = torch.where(resting, torch.full_like(h, p.held), h)
        s = Fire.apply(h, p, surrogate) * ~resting
        hold = s.detach()
        after = (
            h - p.threshold * hold if p.reset == "subtract" else h * (1 - (hold > 0).to(h.dtype))
        )
        v = after * share
        if p.refractory:
            v = torch.where(resting, torch.full_like(h, p.held), v)
            rest = torch.where(hold > 0, torch.full_like(h, p.refractory), (rest - 1).clamp(min=0))
        spikes.append(s)
    return torch.stack(spikes), v


class Fire(torch.autograd.Function):
    @staticmethod
    def forward(ctx, h, p, surrogate):
        ctx.save_for_backward(h)
        ctx.facts = p, surrogate
        if p.multi_spike:
            return (h / p.threshold).floor().clamp(0, 127)
        return (h >= p.threshold).to(h.dtype)

    @staticmethod
    def backward(ctx, grad):
        (h,) = ctx.saved_tensors
        p, surrogate = ctx.facts
        x = h / p.threshold - 1
        if p.multi_spike:
            x = torch.where(x < 0.5, x, x - x.round())
        return grad * surrogate.gradient(x) / p.threshold, None, None


@pytest.mark.parametrize("delay", [1, 3])
@pytest.mark.parametrize(
    "fields",
    [
        {}, {"reset": "zero"}, {"current_decay": 20000}, {"multi_spike": True}, {"refractory": 2},
        {"reset": "zero", "refractory": 1, "current_decay": 30000},
        {"multi_spike": True, "current_decay": 9000},
    ],
    ids=str,
)  # fmt: skip
def test_gradient_with_feedback_equals_autograd(fields, delay):
    generator = torch.Generator().manual_seed(8)

    def draw(*shape):
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    p = LIFParameters(threshold=1.1, decay=29000, **fields)
    start = {"current": draw(9, 3, 5), "bias": draw(5) * 0.1, "weight": draw(5, 5) * 0.3}
    wanted, grads = draw(10, 3, 5), []
    for function in (fire, loop):
        x = {name: value.clone().requires_grad_() for name, value in start.items()}
        share = torch.tensor(p.share, dtype=torch.float64, requires_grad=True)
        args = (p, make_surrogate("arctan"), share, x["bias"], Feedback(x["weight"], delay))
        spikes, final = function(x["current"], *args)
        ((spikes * wanted[:9]).sum() + (final * wanted[9]).sum()).backward()
        grads.append([spikes.detach(), final.detach(), share.grad, *(v.grad for v in x.values())])
    assert grads[0][0].mean() > 0
    for mine, theirs in zip(*grads, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-10, atol=1e-12)


def test_several_projections_share_a_step_by_shifts():
    """Weights of very different size: the larger ones are shifted, and nothing is lost."""
    plan = Plan(
        (12,),
        (
            Planned("a", (12,), (Link(INPUT, OneToOne()),)),
            Planned("output", (5,), (dense_link(INPUT, 12, 5), dense_link("a", 12, 5, delay=1))),
        ),
    )
    model = SpikingNetwork(plan, NeuronConfig(decay=0.9))
    with torch.no_grad():
        model.layers[1].projections()[1].weight.mul_(40)
    model.quantise()
    network = export_network(model)
    assert {p.source: p.shift for p in network.fan_in("output")}["a"] >= 3
    inputs = (np.random.default_rng(9).random((3, 7, 12)) < 0.5).astype(np.uint8)
    golden, trace = GoldenModel(network).run(inputs), model.trace(to_events(inputs))
    for name, expected in golden.potentials.items():
        assert np.array_equal(trace.potentials[name].numpy().swapaxes(0, 1), expected)


def test_kinds_that_are_not_trained_say_so():
    message = r"^the projection from a must be of a kind that can be trained, dense.* not uniform"
    with pytest.raises(NetworkError, match=message):
        Synapses("a", Uniform(), Ends((3,), (3,)), (), 8, 1, torch.Generator())


def test_neurons_that_do_not_run_say_so_at_construction():
    with pytest.raises(UsageError, match=r"^reset must be subtract with multi_spike, not zero"):
        NeuronConfig(multi_spike=True, reset="zero")
    with pytest.raises(UsageError, match=r"^reset_value and initial must be 0 and floor absent"):
        NeuronConfig(per_channel=True, initial=0.5)


def test_refractory_neuron_holds_and_discards():
    p = LIFParameters(threshold=1.0, decay=32768, refractory=2)
    run = simulate(torch.full((6, 1, 1), 1.0), p)
    assert run.spikes.flatten().tolist() == [1, 0, 0, 1, 0, 0]
    assert run.potentials.flatten().tolist() == [1, 0, 0, 1, 0, 0]


def test_an_input_magnitude_is_that_of_the_network():
    model = make("p2", magnitude=9)
    model.quantise()
    network = export_network(model)
    assert isinstance(network, Network)
    assert network.inputs == (InputPopulation("input", IMAGE, 9),)
    with pytest.raises(NetworkError, match=r"^population pool1 must add up to at most 127"):
        make("p4", magnitude=9)
