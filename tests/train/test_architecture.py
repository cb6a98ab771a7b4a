"""Networks from a line of text: what the tokens make, and what is refused."""

import pytest

from spikeloom.compile import plan_network
from spikeloom.spec.config import PRESETS
from spikeloom.spec.errors import NetworkError, UsageError
from spikeloom.spec.kinds import Dense, OneToOne
from spikeloom.spec.windows import Conv2d, Pool
from spikeloom.train.architecture import NETWORK_NAMES, make_plan
from spikeloom.train.config import TrainConfig
from spikeloom.train.defaults import default_config
from spikeloom.train.export import export_network
from spikeloom.train.plan import INPUT, Link, Plan, Planned, dense_link, dense_plan
from spikeloom.train.run import build_model

IMAGE = (28, 28, 1)


def shapes(layers, image=IMAGE):
    return {p.name: p.shape for p in make_plan(layers, image, 10).populations}


def test_tokens_make_populations_of_the_right_shapes():
    assert shapes("16c5s2-dw3-p2-32c3p0-64d2-32r") == {
        "conv1": (14, 14, 16), "depthwise1": (14, 14, 16), "pool1": (7, 7, 16),
        "conv2": (5, 5, 32), "hidden1": (64,), "hidden2": (32,), "output": (10,),
    }  # fmt: skip
    assert shapes("64") == {"hidden": (64,), "output": (10,)}
    assert shapes("") == {"output": (10,)}
    plan = make_plan("16c5s2-dw3-p2-64d2-32rd4", IMAGE, 10)
    conv, depthwise, pool, dense, recurrent, _ = plan.populations
    assert conv.links == (Link("input", Conv2d((2, 2), (2, 2)), (16, 5, 5, 1)),)
    assert depthwise.links[0].kind == Conv2d((1, 1), (1, 1), groups=16)
    assert (pool.links[0].kind, pool.relay) == (Pool(2), True)
    assert dense.links == (Link("pool1", Dense(), (64, 784), 2),)
    assert [link.delay for link in recurrent.links] == [0, 4]
    assert plan.magnitudes(3) == {**dict.fromkeys(plan.names, 1), "input": 3, "pool1": 4}


def test_dense_tokens_are_the_dense_plan():
    assert make_plan("30-20", (12,), 4) == dense_plan((12, 30, 20, 4))
    assert make_plan("30", (12,), 4) == dense_plan((12, 30, 4))


def test_sew_block_adds_spikes_of_branch_and_shortcut():
    same = make_plan("8c3-8sew", IMAGE, 10).populations[-2]
    assert (same.name, same.relay) == ("block1", True)
    assert [(link.source, link.kind) for link in same.links] == [
        ("block1_b", OneToOne()), ("conv1", OneToOne()),
    ]  # fmt: skip
    wider = {p.name: p for p in make_plan("8c3-16sews2", IMAGE, 10).populations}
    assert wider["block1_s"].links[0].weight_shape == (16, 1, 1, 8)
    assert [link.source for link in wider["block1"].links] == ["block1_b", "block1_s"]


def test_ms_block_brings_the_input_again_with_the_same_weights():
    planned = {p.name: p for p in make_plan("8c3s2-8ms-8ms", IMAGE, 10).populations}
    first, second = planned["block1"].links, planned["block2"].links
    assert [(link.source, link.tied) for link in first] == [
        ("input", "conv1"), ("block1_a", None),
    ]  # fmt: skip
    assert [(link.source, link.tied) for link in second] == [
        ("input", "conv1"), ("block1_a", "block1"), ("block2_a", None),
    ]  # fmt: skip


@pytest.mark.torch
@pytest.mark.parametrize("name", NETWORK_NAMES)
def test_ready_networks_fit_the_full_preset_of_a_pynq_z2(name):
    config = default_config("mnist", network=name, per_channel=True, norm="tdbn")
    shape = IMAGE if config.needs_images() else (784,)
    model = build_model(config, shape, 10)
    model.eval().quantise()
    plan = plan_network(export_network(model), PRESETS["pynq-z2-full"])
    assert plan.report.fits, plan.report


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ("16x3", "layers must be tokens such as 32c5s2, .*, not '16x3'"),
        ("16c3--8", "layers must be tokens .*, not ''"),
        (
            "16c3-m2",
            r"layers must have p2 \(average\) or a stride in place of m2: a max pool needs",
        ),
        ("64s2", "layers must not have a stride in 64s2"),
        ("8c0", "layers must have sizes and strides of at least 1, not 8c0"),
        ("p2d1", "layers must not have a delay in p2d1"),
        (3, "layers must be text such as"),
    ],
)
def test_bad_tokens_are_named_by_the_configuration(layers, message):
    with pytest.raises(UsageError, match=f"^{message}"):
        TrainConfig(layers=layers)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ("64-8c3", "layers must have 8c3 where there is an image .*, not behind the 64 neurons"),
        ("8c3-16ms", "layers must have 16ms behind a convolution to 16 channels"),
        ("8c3-p2-8ms", "layers must have 8ms behind a convolution to 8 channels"),
        ("8ms", "layers must have 8ms behind a convolution .* not behind input"),
    ],
)
def test_tokens_out_of_place_are_named(layers, message):
    with pytest.raises(UsageError, match=f"^{message}"):
        make_plan(layers, IMAGE, 10)


def test_windows_that_do_not_fit_are_named():
    with pytest.raises(NetworkError, match=r"^projection conv1->conv2 has a window that must fit"):
        make_plan("8c3s9-8c9p0", IMAGE, 10)


def test_plans_are_checked():
    output = Planned("output", (2,), (dense_link(INPUT, 3, 2),))
    later = Planned("a", (3,), (dense_link("b", 3, 3),))
    with pytest.raises(NetworkError, match=r"^the projection b->a must start at a population that"):
        Plan((3,), (later, output))
    with pytest.raises(NetworkError, match=r"^the last population of a plan must be called output"):
        Plan((3,), (later,))
    loop = Planned("a", (3,), (dense_link("a", 3, 3),))
    with pytest.raises(NetworkError, match=r"^the feedback of population a must be dense with a d"):
        Plan((3,), (loop, output))
    adds = Planned("a", (3,), (dense_link(INPUT, 3, 3),), relay=True)
    with pytest.raises(NetworkError, match=r"^population a only adds, so that input->a must be po"):
        Plan((3,), (adds, output))
    with pytest.raises(NetworkError, match=r"^population names must be unique, but output is twi"):
        Plan((3,), (output, output))
    with pytest.raises(NetworkError, match=r"^delay of the projection from a must be from 0 to 63"):
        Link("a", Dense(), delay=64)
