"""Frozen features of pictures as torch modules, for graphs: what `sharewise.families.pictures` computes, operation by
operation.

Symbols: ``b`` pictures, ``C`` channels, ``H`` × ``W`` pixels, ``P`` features.
"""

from __future__ import annotations

import math
from functools import cache
from typing import final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from sharewise.families.pictures._frozen import BACKBONE
from sharewise.families.pictures._frozen_backbone import GRIDS, LEAST_SIDE, _backbone
from sharewise.families.pictures._frozen_gradients import CELLS, ORIENTATIONS, THUMBNAIL
from sharewise.families.pictures._frozen_map import PictureFeatures

Places = NDArray[np.intp]


@final
class Directions(nn.Module):
    """Of `PictureFeatures`: bytes ``(b, C, H, W)`` to scores ``(b, R)`` in double."""

    mean: Tensor
    spread: Tensor
    directions: Tensor

    def __init__(self, features: PictureFeatures) -> None:
        super().__init__()
        self.extract = PooledLevels() if features.name == BACKBONE else Gradients()
        for name in ("mean", "spread", "directions"):
            self.register_buffer(name, torch.from_numpy(getattr(features, name).copy()))

    def forward(self, x: Tensor) -> Tensor:
        """Bytes ``(b, C, H, W)`` to ``(b, R)``."""
        found: Tensor = ((self.extract(x.float() / 255.0) - self.mean) / self.spread) @ self.directions
        return found.double()


@final
class PooledLevels(nn.Module):
    """`sharewise.families.pictures._frozen_backbone.pooled_levels` of numbers from 0 to 1."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = _backbone()

    def forward(self, x: Tensor) -> Tensor:
        """``(b, C, H, W)`` to ``(b, 1408)``."""
        height, width = x.shape[2:]
        enlarge = LEAST_SIDE / max(height, width)
        if enlarge > 1:
            size = [max(1, round(height * enlarge)), max(1, round(width * enlarge))]
            x = F.interpolate(x, size=size, mode="bilinear")
        maps = self.backbone(x.expand(-1, 3, -1, -1))
        return torch.cat([_pooled(maps[level], side).flatten(1) for level, side in GRIDS], dim=1)


@final
class Gradients(nn.Module):
    """`sharewise.families.pictures._frozen_gradients.gradients` of numbers from 0 to 1.

    Which bin a gradient votes for is asked by its side of the bins' borders, as graphs have no arc tangent of two
    numbers; sums of channels go in NumPy's order, so that a gradient of nothing is nothing in both.
    """

    def forward(self, x: Tensor) -> Tensor:
        """``(b, C, H, W)`` to ``(b, P)``."""
        grey = x[:, 0]
        for channel in range(1, x.shape[1]):
            grey = grey + x[:, channel]
        grey = grey / x.shape[1]
        return torch.cat([self._histograms(grey), _averaged(x, THUMBNAIL).flatten(1)], 1)

    @staticmethod
    def _histograms(grey: Tensor) -> Tensor:
        down, across = _slope(grey, 1), _slope(grey, 2)
        strength = (down * down + across * across).sqrt()
        below = (down < 0) | ((down == 0) & (across < 0))
        sign = 1.0 - 2.0 * below.double()
        y, x = down.double() * sign, across.double() * sign
        place = torch.zeros_like(y)
        for border in range(1, ORIENTATIONS):
            angle = border * math.pi / ORIENTATIONS
            place = place + (y * math.cos(angle) - x * math.sin(angle) >= 0).double()
        # An angle of nearly half a turn is, as a float32, half a turn, which counts as none.
        flat = (down > 0) & (across < 0) & (down.double() < -across.double() * _nearly())
        place = torch.where(flat, torch.zeros_like(place), place)
        votes = [strength * (place == one) for one in range(ORIENTATIONS)]
        cells = _averaged(torch.stack(votes, 1), CELLS)
        tall, wide = cells.shape[2] - 1, cells.shape[3] - 1
        blocks = torch.cat([cells[:, :, i : i + tall, j : j + wide] for i in (0, 1) for j in (0, 1)], 1)
        return (blocks / ((blocks * blocks).sum(1, keepdim=True) + 1e-6).sqrt()).flatten(1)


def _slope(x: Tensor, axis: int) -> Tensor:
    """NumPy's gradient: central differences, one-sided at both ends."""
    count = x.shape[axis]
    inside = (x.narrow(axis, 2, count - 2) - x.narrow(axis, 0, count - 2)) / 2.0
    first = x.narrow(axis, 1, 1) - x.narrow(axis, 0, 1)
    last = x.narrow(axis, count - 1, 1) - x.narrow(axis, count - 2, 1)
    return torch.cat([first, inside, last], axis)


def _averaged(maps: Tensor, side: int) -> Tensor:
    """``(b, K, H, W)`` averaged over ``side × side`` cells, fewer where the picture has fewer pixels."""
    height, width = maps.shape[2:]
    edges = [np.linspace(0, size, min(side, size) + 1).astype(np.intp) for size in (height, width)]
    down, across = (torch.from_numpy(_shares(one[:-1], one[1:], one[-1])) for one in edges)
    return down @ maps @ across.T


def _pooled(maps: Tensor, side: int) -> Tensor:
    """Adaptive averages ``(b, K, side, side)``, whose windows may overlap."""
    places = np.arange(side)
    both = []
    for size in maps.shape[2:]:
        both.append(torch.from_numpy(_shares(places * size // side, -(-(places + 1) * size // side), size)))
    return both[0] @ maps @ both[1].T


def _shares(starts: Places, stops: Places, size: int) -> NDArray[np.float32]:
    """Rows of ``(windows, size)`` that average a window each."""
    place = np.arange(size)
    inside = (place >= starts[:, None]) & (place < stops[:, None])
    shares: NDArray[np.float32] = (inside / inside.sum(axis=1, keepdims=True)).astype(np.float32)
    return shares


@cache
def _nearly() -> float:
    """Slopes up to which an angle beside half a turn is rounded to it: as NumPy does here, whose libraries differ."""
    slopes = np.linspace(0.0, 4e-7, 40_001, dtype=np.float32)
    angles = np.arctan2(slopes, np.full_like(slopes, -1.0))
    return float(slopes[angles == np.float32(np.pi)].max(initial=0.0))
