"""Delays that are learnt: their gradient, their rounding, and what the hardware gets."""

import numpy as np
import pytest
import torch

from spikeloom.compile import compile_network
from spikeloom.spec.config import PRESETS
from spikeloom.spec.errors import NetworkError, UsageError
from spikeloom.spec.kinds import OneToOne
from spikeloom.train.architecture import make_plan
from spikeloom.train.defaults import default_config
from spikeloom.train.delays import LearntDelay
from spikeloom.train.export import export_network
from spikeloom.train.layer import NeuronConfig
from spikeloom.train.losses import synaptic_operations
from spikeloom.train.model import SpikingNetwork
from spikeloom.train.plan import Link, Plan, Planned, dense_link, dense_plan, with_learnt_delays
from spikeloom.train.run import train
from spikeloom.train.sources import to_events
from spikeloom_sim.golden import GoldenModel

pytestmark = pytest.mark.torch


def learnt(positions, limit=4, values=5):
    delay = LearntDelay(limit, values, len(positions), torch.Generator())
    with torch.no_grad():
        delay.position.copy_(torch.tensor(positions) / limit)
    return delay


def test_rounded_delays_shift_each_neuron():
    delay = learnt([0.0, 1.6, 9.0, -3.0])
    assert delay.ticks().tolist() == [0, 2, 4, 0]
    events = torch.arange(1.0, 4).reshape(3, 1, 1).expand(3, 2, 4)
    arriving = delay(events, whole=True)
    assert arriving[:, 0].T.tolist() == [[1, 2, 3], [0, 0, 1], [0, 0, 0], [1, 2, 3]]
    assert delay.in_time(events)[:, 1].T.tolist() == [[1, 2, 3], [1, 0, 0], [0, 0, 0], [1, 2, 3]]


def test_few_values_lie_far_apart():
    delay = learnt([0.0, 3.0, 5.1, 12.0, 15.0], limit=15, values=4)
    assert delay.values == [0, 5, 10, 15]
    assert delay.ticks().tolist() == [0, 5, 5, 10, 15]
    assert learnt([1.0], limit=2, values=9).values == [0, 1, 2]


def test_shares_sum_to_one_and_narrow_to_the_rounded_delay():
    delay = learnt([0.3, 2.2, 3.9])
    widths = []
    for progress in (0.0, 0.5, 0.75, 1.0):
        delay.shrink(progress)
        widths.append(delay.width)
        torch.testing.assert_close(delay.shares().sum(0), torch.ones(3))
    assert widths[0] == 2
    assert 0.5 < widths[1] < 2
    assert widths[2] == widths[3] == pytest.approx(0.5)
    assert [delay.values[k] for k in delay.shares().argmax(0)] == delay.ticks().tolist()
    delay.width = 0.05
    torch.testing.assert_close(
        delay(torch.eye(5).reshape(5, 1, 5)[..., :3], whole=False),
        delay(torch.eye(5).reshape(5, 1, 5)[..., :3], whole=True),
        atol=1e-2, rtol=0,
    )  # fmt: skip


def test_gradient_of_positions_and_events():
    delay = learnt([0.4, 1.7, 3.1]).double()
    events = torch.rand(6, 2, 3, dtype=torch.float64, requires_grad=True)
    delay.width = 0.8
    assert torch.autograd.gradcheck(
        lambda e, p: torch.func.functional_call(delay, {"position": p}, (e, False)),
        (events, delay.position.detach().clone().requires_grad_()),
    )


NEURONS = {
    "lif": NeuronConfig(decay=0.9, bias=True),
    "multi": NeuronConfig(decay=0.9, multi_spike=True),
    "channels": NeuronConfig(decay=0.8, per_channel=True, current_decay=0.5),
}


@pytest.mark.parametrize("layers", ["7d5l-6", "7d3l-5r", "4c3d4l-6d3l", "dw3d2l-3c3"])
@pytest.mark.parametrize(("neuron", "magnitude"), [("lif", 1), ("multi", 3), ("channels", 1)])
def test_quantised_network_equals_golden(layers, neuron, magnitude):
    """H, S and V of every population, the operations, and the neurons that hold events back."""
    plan = with_learnt_delays(make_plan(layers, (4, 3, 2), 3), 6)
    model = SpikingNetwork(plan, NEURONS[neuron], max_magnitude=magnitude, seed=3, delay_values=3)
    with torch.no_grad():  # of sources that fire enough, whatever the seed
        for layer in model.populations():
            for synapses in layer.projections():
                synapses.weight.add_(0.2)
    model.eval().quantise()
    rng = np.random.default_rng(5)
    inputs = (rng.integers(0, magnitude + 1, (2, 9, 24)) * (rng.random((2, 9, 24)) < 0.4)).astype(
        np.uint8
    )
    network = export_network(model)
    golden, trace = GoldenModel(network).run(inputs), model.trace(to_events(inputs))
    for name, spikes in trace.spikes.items():
        assert np.array_equal(spikes.numpy().swapaxes(0, 1), golden.spikes[name]), name
        potentials = trace.potentials[name].numpy().swapaxes(0, 1)
        assert np.array_equal(potentials, golden.potentials[name]), name
        assert np.array_equal(trace.final[name].numpy(), golden.final[name]), name
    activity = model.activity(to_events(inputs))
    assert float(synaptic_operations(model, activity).detach()) * 2 == golden.sops.sum()
    relays = set(golden.spikes) - set(trace.spikes)
    assert len({name.rsplit("_", 1)[0] for name in relays}) == sum(
        s.axonal for layer in model.populations() for s in layer.projections()
    )
    assert any(golden.spikes[name].any() for name in relays if not name.endswith("_0"))


def test_two_projections_of_four_values_fit_a_pynq_z2():
    model = SpikingNetwork(with_learnt_delays(make_plan("40", (32,), 10), 15), seed=2)
    model.eval().quantise()
    network = export_network(model)
    assert sorted({q.delay for q in network.projections}) == [0, 5, 10, 15]
    compile_network(network, PRESETS["pynq-z2-full"])


def test_integers_stay_golden_and_delays_stay_whole_in_training_mode():
    model = SpikingNetwork(with_learnt_delays(dense_plan((5, 6, 3)), 4), seed=1)
    model.quantise()
    model.train()
    inputs = (np.random.default_rng(2).random((3, 8, 5)) < 0.5).astype(np.uint8)
    spikes = model(to_events(inputs)).detach().numpy().swapaxes(0, 1)
    assert np.array_equal(spikes, GoldenModel(export_network(model)).run(inputs).spikes["output"])


def test_delays_of_a_signal_are_found():
    """From random starts, by the gradient through a width that shrinks."""
    true = [0, 3, 5, 7, 1, 6]
    delay = LearntDelay(7, 8, 6, torch.Generator().manual_seed(1))
    assert delay.ticks().tolist() != true
    seed = 3
    print("seed", seed)
    events = (torch.rand(30, 8, 6, generator=torch.Generator().manual_seed(seed)) < 0.2).float()
    target = learnt([float(t) for t in true], limit=7, values=8)(events, whole=True)
    optimizer = torch.optim.Adam([delay.position], lr=0.02)
    for step in range(150):
        delay.shrink(step / 150)
        optimizer.zero_grad()
        (delay(events, whole=False) - target).square().sum().backward()
        optimizer.step()
    assert delay.ticks().tolist() == true


def test_wrong_delays_are_named():
    with pytest.raises(UsageError, match=r"^layers must not have a learnt in 64rd3l"):
        make_plan("64rd3l", (5,), 2)
    with pytest.raises(NetworkError, match=r"^learnt_delay of the projection from a must be from"):
        Link("a", dense_link("a", 1, 1).kind, (1, 1), learnt_delay=64)
    with pytest.raises(NetworkError, match=r"not 3 with the delay 2"):
        Link("a", dense_link("a", 1, 1).kind, (1, 1), 2, learnt_delay=3)
    link = Link("input", OneToOne(), learnt_delay=3)
    with pytest.raises(NetworkError, match=r"^the delay of input->sum must be fixed"):
        Plan((2,), (Planned("sum", (2,), (link,), relay=True), Planned("output", (2,), ())))
    with pytest.raises(UsageError, match=r"^delays must be from 0 to 63, not 64"):
        default_config("digits", delays=64)


def test_run_with_delays_resumes_to_the_same_network(tmp_path, train_interrupted):
    config = default_config(
        "digits", hidden=(12,), ticks=4, encoder="latency", delays=3, epochs_float=2, epochs_qat=1,
        batch_size=256,
    )  # fmt: skip
    whole = train(config, tmp_path / "a", progress=False)
    train_interrupted(config, tmp_path / "b", 1)
    again = train(config, tmp_path / "b", progress=False, resume=True)
    assert whole.network == again.network
    assert whole.history[1]["loss"] == again.history[1]["loss"]
    golden = GoldenModel(whole.network).run(whole.test_inputs[:3].reshape(3, 4, -1))
    spikes = whole.quantised_spikes(whole.test_inputs[:3])
    assert np.array_equal(spikes["output"], golden.spikes["output"])
