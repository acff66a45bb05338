"""A sample's pictures as networks read them while they learn: maps of the backbone, computed each time or once.

Symbols: ``n`` pictures, ``B`` of them in a batch.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import final

import numpy as np
import torch
from torch import Tensor

from sharewise.families.pictures._build import Maps, PictureNet, read
from sharewise.families.pictures._change import Change, draw
from sharewise.families.pictures._design import Design
from sharewise.modalities.images import Backbone
from sharewise.problems import Table

CHUNK = 32
"""Pictures that go through a network at once where nothing is learnt."""


def pixels_of(table: Table) -> Tensor:
    """(n, C, H, W) bytes."""
    (column,) = table.of_kind("tensor")
    return torch.from_numpy(np.ascontiguousarray(column.values))


class Inputs(ABC):
    """Abstract."""

    @abstractmethod
    def draw(self, count: int, generator: torch.Generator, *, mirror: bool) -> Change:
        """What is to happen to each picture of a batch."""

    @abstractmethod
    def maps(self, network: PictureNet, rows: Tensor, change: Change | None) -> Maps:
        """Of the rows (B,), changed."""


@final
class Learning(Inputs):
    """The backbone learns, so that every batch goes through it."""

    def __init__(self, design: Design, pixels: Tensor) -> None:
        self.design, self.pixels = design, pixels

    def draw(self, count: int, generator: torch.Generator, *, mirror: bool) -> Change:
        return draw(count, self.design.shape[1:], generator, mirror=mirror)

    def maps(self, network: PictureNet, rows: Tensor, change: Change | None) -> Maps:
        x = read(self.design, self.pixels[rows])
        found: Maps = network.backbone(x if change is None else change.pictures(x))
        return found


@final
class Frozen(Inputs):
    """Maps of every picture as it is and, where that is allowed, mirrored; computed once, since they see no label.

    Args:
        tick: Called for every batch that went through the backbone.
    """

    def __init__(
        self, design: Design, pixels: Tensor, backbone: Backbone, *, mirror: bool, tick: Callable[[], None]
    ) -> None:
        sides = [pixels, pixels.flip(3)] if mirror else [pixels]
        self.count = len(pixels)
        parts = [
            frozen_maps(design, backbone, one[start : start + CHUNK], tick)
            for one in sides
            for start in range(0, self.count, CHUNK)
        ]
        self.levels = [torch.cat(level) for level in zip(*parts, strict=True)]

    def draw(self, count: int, generator: torch.Generator, *, mirror: bool) -> Change:
        chance = (torch.rand(count, generator=generator) < 0.5) & mirror
        return Change(chance, torch.zeros(2, count, dtype=torch.long), None)

    def maps(self, network: PictureNet, rows: Tensor, change: Change | None) -> Maps:
        places = rows if change is None else rows + self.count * change.mirror.long()
        return [level[places] for level in self.levels]


def frozen_maps(
    design: Design, backbone: Backbone, pixels: Tensor, tick: Callable[[], None] | None = None
) -> Maps:
    """Of a few pictures, without a graph."""
    with torch.no_grad():
        found: Maps = backbone.eval()(read(design, pixels))
    if tick is not None:
        tick()
    return found
