"""From pictures to the committees' predictions.

Symbols: ``n`` pictures; cells as in `_design`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sharewise.families._sample import Predictions
from sharewise.families.pictures._answers import said
from sharewise.families.pictures._build import PictureNet, backbone_of
from sharewise.families.pictures._inputs import CHUNK, frozen_maps, pixels_of
from sharewise.families.pictures._model import PictureNets
from sharewise.modalities.images import Backbone
from sharewise.problems import Table
from sharewise.tasks import BoxRows, Kind, cells
from sharewise.tasks.dense import fused

Networks = tuple[Backbone | None, tuple[PictureNet, ...]]
"""The backbone that all read through where it is frozen, and every snapshot's network."""


def predicted(nets: PictureNets, table: Table, code: NDArray[np.intp], found: Predictions) -> None:
    """Puts into ``found`` what networks say, for every row ``(n,)`` whose level they serve."""
    if not len(table) or not nets.snapshots:
        return
    backbone, networks = rebuilt(nets)
    pixels = pixels_of(table)
    for start in range(0, len(table), CHUNK):
        rows = np.arange(start, min(start + CHUNK, len(table)))
        outputs = list(_outputs(nets, backbone, networks, pixels[rows]))
        for cell in np.flatnonzero((nets.serves >= 0).any(axis=1)).tolist():
            target, level = divmod(cell, nets.design.levels)
            own = np.flatnonzero(code[rows] == level)
            if len(own):
                members = [
                    said(
                        nets.design.kinds[target],
                        outputs[place][cell][own],
                        nets.design,
                        float(nets.mean[cell, fold]),
                        float(nets.spread[cell, fold]),
                    )
                    for fold, place in enumerate(nets.serves[cell].tolist())
                    if place >= 0
                ]
                found[target][rows[own]] = together(nets.design.kinds[target], members)


def _outputs(
    nets: PictureNets, backbone: Backbone | None, networks: tuple[PictureNet, ...], pixels: Tensor
) -> Iterator[dict[int, Tensor]]:
    """Raw outputs of each network, the frozen backbone asked once."""
    from sharewise.families.pictures._build import read

    with torch.inference_mode():
        shared = None if backbone is None else frozen_maps(nets.design, backbone, pixels)
        x = None if shared is not None else read(nets.design, pixels)
        for network in networks:
            yield network(shared if shared is not None else network.backbone(x))


def together(kind: Kind, members: list[NDArray[Any]]) -> NDArray[Any]:
    """What a committee says, of what each member does: the mean of probabilities and numbers, boxes fused."""
    if not kind.ragged:
        mean: NDArray[Any] = np.mean(members, axis=0)
        return mean
    columns = [member[:, 0] for member in members]
    join = fused if isinstance(kind, BoxRows) else _mean
    return cells([join([column[row] for column in columns]) for row in range(len(columns[0]))])[:, None]


def _mean(one: list[NDArray[Any]]) -> NDArray[np.float32]:
    total: NDArray[np.float32] = np.mean(one, axis=0, dtype=np.float32)
    return total


def rebuilt(nets: PictureNets) -> Networks:
    """The networks with their weights, built the first time they are asked for."""
    if nets.built is None:
        with torch.random.fork_rng(devices=[]):
            found = _rebuilt(nets)
        object.__setattr__(nets, "built", found)  # frozen for everybody else
    networks: Networks = nets.built
    return networks


def _rebuilt(nets: PictureNets) -> Networks:
    shared = None
    if nets.design.frozen:
        shared = backbone_of(nets.design, pretrained=False).eval()
        shared.load_state_dict(_tensors(nets.common), assign=True)
    networks = []
    for snapshot in nets.snapshots:
        body = shared if shared is not None else backbone_of(nets.design, pretrained=False)
        network = PictureNet(nets.design, snapshot.cells, body)
        # A frozen backbone's names are not among a snapshot's: it has its weights already.
        network.load_state_dict(_tensors(snapshot.weights), strict=not nets.design.frozen, assign=True)
        networks.append(network.eval().requires_grad_(False))
    return shared, tuple(networks)


def _tensors(weights: dict[str, NDArray[Any]]) -> dict[str, Tensor]:
    """The arrays themselves where they may be written to, so that nothing lies in memory twice."""
    return {
        name: torch.from_numpy(value if value.flags.writeable else value.copy())
        for name, value in weights.items()
    }
