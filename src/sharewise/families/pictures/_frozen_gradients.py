"""Simple features where no backbone is installed: histograms of oriented gradients, and a small copy of the picture.

Histograms as Dalal & Triggs 2005 (https://doi.org/10.1109/CVPR.2005.177, sections 6.2 to 6.4), with cells that are a
share of the picture and votes for the nearest bin alone.

Symbols: as in `_frozen`; ``G`` cells a side, ``O`` orientations.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Real = NDArray[np.float32]

CELLS = 8
ORIENTATIONS = 9
THUMBNAIL = 16


def gradients(pixels: NDArray[np.uint8]) -> Real:
    """``(b, C, H, W)`` to ``(b, P)``."""
    x = np.asarray(pixels / np.float32(255), dtype=np.float32)
    grey: Real = x.mean(axis=1)
    small = averaged(x, THUMBNAIL)
    return np.hstack([histograms(grey), small.reshape(len(x), -1)]).astype(np.float32)


def histograms(grey: Real) -> Real:
    """Grey pictures ``(b, H, W)`` to ``(b, (G − 1)² · 4 · O)``: histograms of 2 × 2 cells, of length one each."""
    down, across = np.gradient(grey, axis=(1, 2))
    strength = np.hypot(down, across)
    angle = np.arctan2(down, across) % np.pi
    place = np.minimum((angle * (ORIENTATIONS / np.pi)).astype(np.intp), ORIENTATIONS - 1)
    votes = np.where(place[:, None] == np.arange(ORIENTATIONS)[:, None, None], strength[:, None], 0.0)
    cells = averaged(votes.astype(np.float32), CELLS)  # (b, O, G, G)
    blocks = np.concatenate(
        [cells[:, :, i : i + cells.shape[2] - 1, j : j + cells.shape[3] - 1] for i in (0, 1) for j in (0, 1)],
        axis=1,
    )
    length = np.sqrt((blocks**2).sum(axis=1, keepdims=True) + 1e-6)
    found: Real = (blocks / length).reshape(len(grey), -1)
    return found


def averaged(maps: Real, side: int) -> Real:
    """``(b, K, H, W)`` averaged over ``side × side`` cells, fewer where the picture has fewer pixels."""
    for axis in (2, 3):
        length = maps.shape[axis]
        edges = np.linspace(0, length, min(side, length) + 1).astype(np.intp)
        sums = np.add.reduceat(maps, edges[:-1], axis=axis)
        shape = [1] * maps.ndim
        shape[axis] = -1
        maps = np.asarray(sums / np.diff(edges).reshape(shape), dtype=np.float32)
    return maps
