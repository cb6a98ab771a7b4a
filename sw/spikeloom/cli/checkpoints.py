"""Checkpoints of a training run as networks in real numbers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..spec.errors import DataError

if TYPE_CHECKING:
    from ..nir.lower import RealNetwork


def real_network_of(path: Path) -> RealNetwork:
    """Return the network of a checkpoint: real numbers, or integers where it is quantised.

    Raises :class:`DataError` if there is no checkpoint, or it is damaged.
    """
    from ..nir.export import real_network
    from ..nir.lower import RealNetwork, RealPopulation, RealProjection
    from ..spec.kinds import Dense
    from ..spec.network import Reset
    from ..spec.numfmt import DECAY_ONE
    from ..train.export import INPUT, export_network
    from ..train.run import load_model

    if not path.is_file():
        raise DataError(f"{path} must be the folder of an artefact or a checkpoint file")
    model = load_model(path)
    if model.gate is not None:
        raise DataError(f"{path} has a learnt input gate, which NIR has no words for")
    if model.quantised:
        return real_network(export_network(model))
    populations, projections, source = [], [], INPUT
    for layer in model.populations():
        p, bias, n = layer.lif_parameters(), layer.effective_bias(), layer.weight.shape[0]
        populations.append(
            RealPopulation(
                name=layer.name,
                node=layer.name,
                shape=(n,),
                order=np.arange(n),
                decay=np.full(n, float(p.decay) / DECAY_ONE),
                threshold=None if p.reset is Reset.NONE else np.full(n, float(p.threshold)),
                bias=np.full(n, 0.0 if bias is None else float(bias)),
                current_decay=None,
                reset=p.reset,
                reset_order=p.reset_order,
                reset_value=float(p.reset_value),
                initial=float(p.initial),
                clamp=np.isfinite(float(p.floor)).item(),
                above=False,
                multi_spike=False,
                refractory=p.refractory,
            )
        )
        weights = layer.effective_weight().detach().numpy().astype(np.float64)
        projections.append(RealProjection(source, layer.name, Dense(), weights, 0))
        source = layer.name
    return RealNetwork(
        INPUT, INPUT, (model.sizes[0],), tuple(populations), tuple(projections), (), (source,)
    )
