"""Networks of other frameworks: run here by the frameworks themselves, saved as NIR.

A script of its own, run by an environment that has the frameworks (``make frameworks-env``);
it knows nothing of SpikeLoom.  ``make_cases.py FOLDER`` writes, for every case, CASE.nir and
CASE.npz with ``input`` (samples, ticks, *shape) and ``output`` (samples, ticks, n), computed
in double precision.  ``FAILED.txt`` holds what a framework could not do.
"""

from __future__ import annotations

import sys
import traceback
from pathlib import Path

import nir
import numpy as np
import torch

SAMPLES, TICKS = 16, 24
torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)


def events(seed: int, *shape: int, density: float = 0.3) -> torch.Tensor:
    """Return spikes of shape (TICKS, SAMPLES, *shape)."""
    generator = torch.Generator().manual_seed(seed)
    draws = torch.rand(TICKS, SAMPLES, *shape, generator=generator)
    return (draws < density).double()


def linear(n_in: int, n_out: int, gain: float, bias: bool = True) -> torch.nn.Linear:
    layer = torch.nn.Linear(n_in, n_out, bias=bias)
    layer.weight.data *= gain
    return layer


def save(folder: Path, name: str, graph: object, x: torch.Tensor, y: torch.Tensor) -> None:
    nir.write(folder / f"{name}.nir", graph)
    np.savez_compressed(
        folder / f"{name}.npz",
        input=x.transpose(0, 1).numpy().astype(np.uint8),
        output=y.transpose(0, 1).reshape(SAMPLES, TICKS, -1).detach().numpy(),
    )


def snntorch_run(layers: list[torch.nn.Module], x: torch.Tensor) -> torch.Tensor:
    """Run a chain tick by tick; neurons keep their state (init_hidden)."""
    out = []
    with torch.no_grad():
        for tick in range(len(x)):
            y = x[tick]
            for layer in layers:
                y = layer(y)
            out.append(y)
    return torch.stack(out)


def snntorch_cases(folder: Path) -> dict[str, object]:
    import snntorch as snn
    from snntorch.export_nir import export_to_nir

    def case(name: str, layers: list[torch.nn.Module], x: torch.Tensor) -> None:
        net = torch.nn.Sequential(*layers)
        for module in net.modules():  # its spikes are in single precision
            if isinstance(module, (torch.nn.Linear, torch.nn.Conv2d, torch.nn.AvgPool2d)):
                module.register_forward_pre_hook(lambda _, given: (given[0].double(),))
        y = snntorch_run(layers, x)
        for layer in layers:
            if hasattr(layer, "reset_mem"):
                layer.reset_mem()
        save(folder, name, export_to_nir(net, x[0], ignore_dims=[0]), x, y)

    def full(beta: float, n: int) -> torch.Tensor:
        return torch.full((n,), beta)

    def fc(gain: float = 3.0, second: float = 3.0, **options: object) -> list[torch.nn.Module]:
        torch.manual_seed(1)
        return [
            linear(20, 30, gain),
            snn.Leaky(beta=full(0.9, 30), threshold=full(1.0, 30), init_hidden=True, **options),
            linear(30, 10, second),
            snn.Leaky(beta=full(0.8, 10), threshold=full(1.0, 10), init_hidden=True, **options),
        ]

    def cuba(**options: object) -> list[torch.nn.Module]:
        torch.manual_seed(2)
        return [
            linear(20, 30, 1.5),
            snn.Synaptic(alpha=full(0.7, 30), beta=full(0.9, 30), threshold=full(1.0, 30),
                         init_hidden=True, **options),
            linear(30, 10, 2.0),
            snn.Synaptic(alpha=full(0.6, 10), beta=full(0.8, 10), threshold=full(1.0, 10),
                         init_hidden=True, **options),
        ]  # fmt: skip

    def recurrent(kind: str, **options: object) -> list[torch.nn.Module]:
        torch.manual_seed(3)
        extra = {"alpha": full(0.6, 24)} if kind == "RSynaptic" else {}
        layer = getattr(snn, kind)(
            beta=full(0.9, 24), threshold=full(1.0, 24), linear_features=24,
            init_hidden=True, **extra, **options,
        )  # fmt: skip
        layer.recurrent.weight.data *= 2
        return [
            linear(20, 24, 2.0),
            layer,
            linear(24, 10, 4.0),
            snn.Leaky(beta=full(0.8, 10), threshold=full(1.0, 10), init_hidden=True, **options),
        ]

    def conv() -> list[torch.nn.Module]:
        torch.manual_seed(4)
        first = torch.nn.Conv2d(2, 6, 3, padding=1)
        first.weight.data *= 3
        return [
            first,
            snn.Leaky(beta=torch.full((6, 12, 12), 0.9), threshold=torch.full((6, 12, 12), 1.0),
                      init_hidden=True),
            torch.nn.AvgPool2d(2),
            torch.nn.Flatten(),
            linear(6 * 36, 10, 6.0),
            snn.Leaky(beta=full(0.8, 10), threshold=full(1.0, 10), init_hidden=True),
        ]  # fmt: skip

    x = events(1, 20)
    return {
        "snntorch_subtract_delayed": lambda n: case(n, fc(), x),
        # weak input: where a potential is above the threshold after its reset, snnTorch resets
        # it once more at the start of the next step
        "snntorch_subtract_now": lambda n: case(n, fc(0.8, 1.2, reset_delay=False), x),
        "snntorch_zero": lambda n: case(n, fc(reset_mechanism="zero"), x),
        "snntorch_cuba_subtract": lambda n: case(n, cuba(), x),
        "snntorch_cuba_zero": lambda n: case(n, cuba(reset_mechanism="zero"), x),
        "snntorch_recurrent_subtract": lambda n: case(n, recurrent("RLeaky"), x),
        "snntorch_recurrent_zero": lambda n: case(
            n, recurrent("RLeaky", reset_mechanism="zero"), x
        ),
        "snntorch_recurrent_cuba_zero": lambda n: case(
            n, recurrent("RSynaptic", reset_mechanism="zero"), x
        ),
        "snntorch_conv_pool": lambda n: case(n, conv(), events(2, 2, 12, 12, density=0.15)),
    }


def spikingjelly_cases(folder: Path) -> dict[str, object]:
    from spikingjelly.activation_based import functional, layer, neuron
    from spikingjelly.activation_based.nir_exchange import export_to_nir

    def case(name: str, net: torch.nn.Module, x: torch.Tensor) -> None:
        functional.set_step_mode(net, "s")
        with torch.no_grad():
            y = torch.stack([net(x[tick]) for tick in range(len(x))])
        functional.reset_net(net)
        save(folder, name, export_to_nir(net, x[0], dt=1e-4), x, y)

    def scaled(module: torch.nn.Module, gain: float) -> torch.nn.Module:
        module.weight.data *= gain
        return module

    def conv_if() -> torch.nn.Module:
        torch.manual_seed(5)
        return torch.nn.Sequential(
            scaled(layer.Conv2d(2, 8, 5, stride=2, padding=1), 2.0),
            neuron.IFNode(),
            scaled(layer.Conv2d(8, 6, 3, stride=2), 2.0),
            neuron.IFNode(v_threshold=0.7),
            layer.AvgPool2d(2),
            layer.Flatten(),
            scaled(layer.Linear(6 * 4, 10), 4.0),
            neuron.IFNode(),
        )

    def fc(make: object) -> torch.nn.Module:
        torch.manual_seed(6)
        return torch.nn.Sequential(
            scaled(layer.Linear(20, 30), 6.0), make(), scaled(layer.Linear(30, 10), 9.0), make()
        )

    x = events(3, 20)
    return {
        "spikingjelly_conv_if": lambda n: case(n, conv_if(), events(4, 2, 20, 20, density=0.1)),
        "spikingjelly_lif": lambda n: case(n, fc(lambda: neuron.LIFNode(tau=3.0)), x),
        "spikingjelly_lif_reset": lambda n: case(
            n, fc(lambda: neuron.LIFNode(tau=3.0, decay_input=False, v_reset=-0.2)), x
        ),
        "spikingjelly_cuba": lambda n: case(
            n, fc(lambda: neuron.CUBALIFNode(c_decay=0.5, v_decay=0.75)), x
        ),
    }


def norse_cases(folder: Path) -> dict[str, object]:
    import norse.torch as norse

    def case(name: str, net: torch.nn.Module, x: torch.Tensor, dt: float) -> None:
        out, state = [], None
        with torch.no_grad():
            for tick in range(len(x)):
                y, state = net(x[tick], state)
                out.append(y)
        save(folder, name, norse.to_nir(net, x[0][0], dt=dt), x, torch.stack(out))

    def fc(cell: object) -> torch.nn.Module:
        torch.manual_seed(7)
        return norse.SequentialState(linear(20, 30, 8.0), cell(30), linear(30, 10, 8.0), cell(10))

    def box(n: int) -> torch.nn.Module:
        parameters = norse.LIFBoxParameters(
            tau_mem_inv=torch.full((n,), 200.0), v_th=torch.full((n,), 0.5),
            v_leak=torch.zeros(n), v_reset=torch.zeros(n),
        )  # fmt: skip
        return norse.LIFBoxCell(parameters, dt=1e-3)

    def iaf(n: int) -> torch.nn.Module:
        return norse.IAFCell(norse.IAFParameters(v_th=torch.full((n,), 3.0)), dt=1e-3)

    x = events(5, 20)
    return {
        "norse_lifbox": lambda n: case(n, fc(box), x, 1e-3),
        "norse_iaf": lambda n: case(n, fc(iaf), x, 1e-3),
    }


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    failed = []
    for maker in (snntorch_cases, spikingjelly_cases, norse_cases):
        try:
            cases = maker(folder)
        except ImportError as error:
            failed.append(f"{maker.__name__}: {error}")
            continue
        for name, make in cases.items():
            try:
                make(name)
            except Exception:
                failed.append(f"{name}: {traceback.format_exc()}")
    (folder / "FAILED.txt").write_text("\n".join(failed))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
