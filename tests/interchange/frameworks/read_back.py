"""A NIR file as snnTorch or Norse reads and runs it.

A script of its own, run by an environment that has the frameworks.  ``read_back.py FOLDER
FRAMEWORK MODEL.nir IN.npz`` writes out.npz with ``output`` (samples, ticks, n) of the spikes
that leave the framework, and for snnTorch again.nir, the graph that it writes of what it read.
"""

from __future__ import annotations

import sys
from pathlib import Path

import nir
import numpy as np
import torch

DT = 1e-4
torch.set_num_threads(1)


def snntorch(graph: nir.NIRGraph, x: torch.Tensor, folder: Path) -> torch.Tensor:
    import snntorch as snn
    from snntorch.export_nir import export_to_nir
    from snntorch.import_nir import import_from_nir

    net = import_from_nir(graph)
    layers = []
    for node in net.graph.nodes:  # a chain: what snnTorch made of each node, in its order
        if node.op == "call_module":
            layers.append(net.get_submodule(node.target))
    for layer in layers:
        if isinstance(layer, (snn.Leaky, snn.Synaptic)):
            layer.init_hidden = True
    out = []
    with torch.no_grad():
        for tick in range(len(x)):
            y = x[tick]
            for layer in layers:
                y = layer(y)
            out.append(y)
    for layer in layers:
        if hasattr(layer, "reset_mem"):
            layer.reset_mem()
            # its exporter wants thresholds of the shape of the decays, its importer makes one
            layer.threshold = torch.full_like(torch.as_tensor(layer.beta), float(layer.threshold))
    again = export_to_nir(torch.nn.Sequential(*layers), x[0], ignore_dims=[0])
    nir.write(folder / "again.nir", again)
    return torch.stack(out)


def norse(graph: nir.NIRGraph, x: torch.Tensor, folder: Path) -> torch.Tensor:
    import norse.torch

    net = norse.torch.from_nir(graph, ignore_warnings=True, dt=DT)
    out, state = [], None
    with torch.no_grad():
        for tick in range(len(x)):
            y, state = net(x[tick], state)
            out.append(y)
    return torch.stack(out)


def main(folder: Path, framework: str, model: str, inputs: str) -> None:
    graph = nir.read(model)
    x = torch.tensor(np.load(inputs)["input"], dtype=torch.float32).transpose(0, 1)
    y = {"snntorch": snntorch, "norse": norse}[framework](graph, x, folder)
    np.savez_compressed(folder / "out.npz", output=y.transpose(0, 1).numpy())


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
