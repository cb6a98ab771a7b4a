"""LIF neurons: the integer forward pass against the contract, the gradient against autograd."""

import itertools

import numpy as np
import pytest
import torch

from spikeloom.spec.errors import NetworkError
from spikeloom.spec.network import Population
from spikeloom.train.gradient import LIF, lif, lif_final
from spikeloom.train.neurons import LIFParameters, lif_trace
from spikeloom.train.surrogates import ArcTan, make_surrogate
from train import contract

pytestmark = pytest.mark.torch

RESETS = ["subtract", "zero", "value", "none"]
ORDERS = ["before_decay", "after_decay"]
COMBINATIONS = list(itertools.product(RESETS, ORDERS))


def to_parameters(p, **overrides):
    """The integer parameters of a spec population."""
    facts = {
        "threshold": int(p.threshold), "decay": int(p.decay), "bias": int(p.bias),
        "reset": p.reset, "reset_order": p.reset_order, "reset_value": p.reset_value,
        "initial": p.initial, "floor": p.floor, "ceiling": 32767, "integer": True,
    }  # fmt: skip
    return LIFParameters(**{**facts, **overrides})


def check_against_contract(p, currents, label):
    spikes, potentials, final = lif_trace(
        torch.from_numpy(currents.astype(np.float32)), to_parameters(p)
    )
    hs, ss, vs = contract.run_population(p, currents)
    for name, got, expected in (("H", potentials, hs), ("S", spikes, ss), ("V", final, vs)):
        got = got.numpy().astype(np.int64)
        assert np.array_equal(got, expected), (
            f"{label}: {name} differs first at {np.argwhere(got != expected)[0]}"
        )
    return ss


def random_population(rng, reset, order):
    edge = [1, 2, 127, 32767]
    floor = int(rng.choice([-32768, -1000, -200, -1, 0]))
    return Population(
        "p", (5,),
        threshold=np.int32(rng.choice([*edge, rng.integers(1, 500)])),
        decay=np.int32(rng.choice([0, 1, 29491, 32767, 32768, rng.integers(0, 32769)])),
        bias=np.int32(rng.choice([0, -7, 3, rng.integers(-300, 300)])),
        reset=reset, reset_order=order,
        reset_value=int(rng.integers(-400, 400)) if reset == "value" else 0,
        initial=max(floor, int(rng.integers(-500, 500))), floor=floor,
    )  # fmt: skip


@pytest.mark.parametrize(("reset", "order"), COMBINATIONS)
def test_integer_forward_equals_contract_for_random_populations(reset, order):
    spikes = 0
    for seed in range(12):
        rng = np.random.default_rng([seed, len(reset), len(order)])
        p = random_population(rng, reset, order)
        scale = int(rng.choice([3, 200, 30000]))
        currents = rng.integers(-scale, scale + 1, (14, 3, 5))
        label = f"seed {seed}, {reset}, {order}, {p.to_dict()}"
        spikes += check_against_contract(p, currents, label).sum()
    assert (spikes > 0) == (reset != "none")


@pytest.mark.parametrize(("reset", "order"), COMBINATIONS)
@pytest.mark.parametrize("decay", [32767, 32749, 16385, 32768])
def test_integer_forward_equals_contract_where_products_pass_32_bits(reset, order, decay):
    rng = np.random.default_rng(decay)
    p = Population("p", (7,), np.int32(32767), np.int32(decay), reset=reset, reset_order=order)
    currents = rng.choice([-98303, 98303, 98301, -65537, 65535, 1, -1, 0], (20, 4, 7))
    assert np.abs(currents).max() * decay > 2**30
    check_against_contract(p, currents, f"seed {decay}")


def test_truncation_is_towards_zero_on_both_sides():
    p = Population("p", (2,), np.int32(1000), np.int32(16384))
    currents = np.array([[[7, -7]], [[0, 0]], [[0, 0]], [[0, 0]]])
    _, potentials, final = lif_trace(torch.from_numpy(currents).float(), to_parameters(p))
    assert potentials[:, 0].tolist() == [[7, -7], [3, -3], [1, -1], [0, 0]]
    assert final.tolist() == [[0, 0]]


def test_threshold_itself_fires():
    p = Population("p", (3,), np.int32(10), np.int32(32768))
    spikes, _, final = lif_trace(torch.tensor([[[9.0, 10.0, 11.0]]]), to_parameters(p))
    assert spikes.tolist() == [[[0, 1, 1]]]
    assert final.tolist() == [[9, 0, 1]]


class _Fire(torch.autograd.Function):
    """One tick's spike with a surrogate gradient, for plain autograd over the loop."""

    @staticmethod
    def forward(ctx, h, threshold, surrogate):
        ctx.save_for_backward(h)
        ctx.facts = threshold, surrogate
        return (h >= threshold).to(h.dtype)

    @staticmethod
    def backward(ctx, grad):
        (h,) = ctx.saved_tensors
        threshold, surrogate = ctx.facts
        return grad * surrogate.gradient((h - threshold) / threshold) / threshold, None, None


def autograd_loop(current, p, surrogate):
    return autograd_final(current, p, surrogate, p.share)[0]


def autograd_final(current, p, surrogate, share):
    """The float neuron as a loop of ordinary differentiable operations."""
    v, out = torch.full_like(current[0], p.initial), []
    for i in current:
        h = v + p.bias + i
        fires = p.reset.value != "none"
        s = _Fire.apply(h, p.threshold, surrogate) if fires else torch.zeros_like(h)
        hold = s.detach() if p.detach_reset else s

        def reset(x, hold=hold):
            if p.reset.value in ("subtract", "none"):
                return x - p.threshold * hold
            return x * (1 - hold) + p.reset_value * hold

        if p.before_decay:
            v = reset(h).clamp(p.floor, p.ceiling) * share
        else:
            v = reset(h * share).clamp(p.floor, p.ceiling)
        out.append(s)
    return torch.stack(out), v


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("reset", ["subtract", "zero", "value"])
@pytest.mark.parametrize("detach", [True, False])
@pytest.mark.parametrize("limits", [(-float("inf"), float("inf")), (-0.7, 1.1)])
@pytest.mark.parametrize("surrogate", ["arctan", "rectangular"])
def test_gradient_equals_autograd(order, reset, detach, limits, surrogate):
    generator = torch.Generator().manual_seed(5)
    p = LIFParameters(
        threshold=1.3, decay=29000, bias=0.05, reset=reset, reset_order=order,
        reset_value=-0.2 if reset == "value" else 0, initial=0.1, floor=limits[0],
        ceiling=limits[1], detach_reset=detach,
    )  # fmt: skip
    current = torch.randn(9, 4, 6, generator=generator, dtype=torch.float64)
    weight = torch.randn(9, 4, 6, generator=generator, dtype=torch.float64)
    shape = make_surrogate(surrogate)
    grads = []
    for function in (lif, autograd_loop):
        x = current.clone().requires_grad_()
        spikes = function(x, p, shape)
        (spikes * weight).sum().backward()
        grads.append((spikes.detach(), x.grad))
    assert torch.equal(grads[0][0], grads[1][0])
    assert grads[1][1].abs().max() > 0.1
    torch.testing.assert_close(grads[0][1], grads[1][1], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("reset", "order"), COMBINATIONS)
@pytest.mark.parametrize("detach", [True, False])
@pytest.mark.parametrize("limits", [(-float("inf"), float("inf")), (-0.7, 1.1)])
def test_gradients_of_final_potential_and_decay_equal_autograd(reset, order, detach, limits):
    generator = torch.Generator().manual_seed(6)
    p = LIFParameters(
        threshold=1.3, decay=29000, reset=reset, reset_order=order,
        reset_value=-0.2 if reset == "value" else 0, initial=0.1, floor=limits[0],
        ceiling=limits[1], detach_reset=detach,
    )  # fmt: skip
    current = torch.randn(9, 4, 6, generator=generator, dtype=torch.float64)
    weight = torch.randn(10, 4, 6, generator=generator, dtype=torch.float64)
    grads = []
    for function in (lif_final, autograd_final):
        x = current.clone().requires_grad_()
        share = torch.tensor(p.share, dtype=torch.float64, requires_grad=True)
        args = (p, ArcTan(), share)
        spikes, final = function(x, *args)
        ((spikes * weight[:9]).sum() + (final * weight[9]).sum()).backward()
        grads.append((final.detach(), x.grad, share.grad))
    assert abs(grads[1][2]) > 0.1
    for mine, theirs in zip(*grads, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("factor", [0.25, 3.0, 40.0])
def test_a_threshold_is_a_scale_of_everything_else(factor):
    """Why no threshold is learnt: one positive factor on all potentials changes no spike."""
    generator = torch.Generator().manual_seed(7)
    current = torch.randn(12, 5, 8, generator=generator, dtype=torch.float64)
    for reset, order in COMBINATIONS:
        facts = {"threshold": 1.0, "bias": 0.1, "reset_value": -0.25, "initial": 0.5,
                 "floor": -0.75}  # fmt: skip
        if reset != "value":
            facts["reset_value"] = 0.0
        runs = []
        for scale in (1.0, factor):
            p = LIFParameters(decay=29000, reset=reset, reset_order=order,
                              **{k: v * scale for k, v in facts.items()})  # fmt: skip
            spikes, _, final = lif_trace(current * scale, p)
            runs.append((spikes, final / scale))
        assert torch.equal(runs[0][0], runs[1][0])
        torch.testing.assert_close(runs[0][1], runs[1][1], rtol=1e-12, atol=1e-13)
    assert runs[0][0].sum() == 0  # the last reset is none


@pytest.mark.parametrize("order", ORDERS)
def test_integer_gradient_is_that_of_the_float_twin(order):
    """With whole steps of 1/1000 threshold the two differ by rounding alone."""
    generator = torch.Generator().manual_seed(3)
    scale = 1000
    real = LIFParameters(threshold=1.0, decay=30000, reset_order=order)
    whole = LIFParameters(
        threshold=scale, decay=30000, reset_order=order, floor=-32768, ceiling=32767, integer=True
    )
    x = (torch.randn(8, 3, 5, generator=generator) * scale).round()
    weight = torch.randn(8, 3, 5, generator=generator)
    a, b = (x / scale).requires_grad_(), x.clone().requires_grad_()
    (lif(a, real, ArcTan()) * weight).sum().backward()
    (lif(b, whole, ArcTan()) * weight).sum().backward()
    torch.testing.assert_close(b.grad * scale, a.grad, rtol=0.05, atol=0.01)


def test_module_runs_the_neurons_and_their_gradient():
    module = LIF(LIFParameters(threshold=1.0, decay=32768))
    current = torch.full((4, 2, 3), 0.5, requires_grad=True)
    spikes = module(current)
    assert spikes[:, 0, 0].tolist() == [0, 1, 0, 1]
    spikes.sum().backward()
    assert (current.grad > 0).all()


def test_readout_without_reset_gives_no_spikes_and_no_gradient():
    p = LIFParameters(threshold=1.0, decay=32768, reset="none")
    current = torch.full((3, 1, 2), 5.0, requires_grad=True)
    spikes = lif(current, p, ArcTan())
    assert not spikes.any()
    spikes.sum().backward()
    assert not current.grad.any()
    assert lif_trace(current, p)[1][-1, 0, 0] == 15


def test_refractory_beyond_the_contract_is_refused():
    with pytest.raises(NetworkError, match=r"^refractory must be from 0 to 15, not 16"):
        LIFParameters(threshold=1.0, decay=0, refractory=16)


@pytest.mark.parametrize("bad", [{"threshold": 0.0}, {"decay": 32769}, {"decay": 0.5}])
def test_parameters_out_of_range_are_refused(bad):
    with pytest.raises(NetworkError, match=rf"^{next(iter(bad))} must be"):
        LIFParameters(**{"threshold": 1.0, "decay": 0, **bad})
