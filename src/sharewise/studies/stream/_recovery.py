"""From losses to recovery: how many rows after a change a contender's smoothed loss is back.

Symbols: ``n`` rows after a change, ``R`` replicates, ``m`` rows smoothed over.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sharewise.studies.stream._changes import block_of
from sharewise.tasks import Array


def smoothed(losses: Array, m: int) -> Array:
    """``(n,)``: the mean of each loss and those after it, ``m`` in all; near the end, of the last ``m``.

    It looks ahead, so that the losses before a contender has recovered do not weigh on those after.
    """
    total = np.concatenate([[0.0], np.cumsum(losses)])
    m = min(m, len(losses))
    start = np.minimum(np.arange(len(losses)), len(losses) - m)
    means: Array = (total[start + m] - total[start]) / m
    return means


def bound(level: Array, tolerance: float) -> Array:
    """The loss at which a contender is back: it explains at least ``1 − tolerance`` of what ``level`` does, where 1 is
    the loss of a constant; where the level explains nothing, the level itself."""
    return level + tolerance * np.maximum(1 - level, 0.0)


def rows_to_recover(losses: Array, level: Array, m: int, tolerance: float) -> NDArray[np.intp]:
    """``(R,)``: rows until the mean of the next ``m`` losses is within the `bound` of the level's; ``n`` where that
    never comes.

    Args:
        losses: ``(R, n)`` after a change.
        level: ``(R, n)``: the losses to get back to, on the same rows, or the same number throughout.
    """
    back = _means(losses, m) <= bound(_means(level, m), tolerance)
    found: NDArray[np.intp] = np.where(back.any(axis=1), back.argmax(axis=1), losses.shape[1])
    return found


def _means(values: Array, m: int) -> Array:
    """``(R, n − m + 1)`` means over ``m`` rows from each on."""
    total = np.hstack([np.zeros((len(values), 1)), np.cumsum(values, axis=1)])
    means: Array = (total[:, m:] - total[:, :-m]) / m
    return means


def local_blocks(n: int, m: int, replicates: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """``(R, n)`` places of rows: each block of the course is replaced by one that begins near it (the local block
    bootstrap, Paparoditis & Politis 2002), as how far the change lies back matters, and neighbours depend.

    Args:
        m: A block is moved by at most half as many rows, or by its own length.
    """
    block = block_of(n)
    starts = np.arange(0, n, block)
    reach = max(block, m // 2)
    moved = starts + rng.integers(-reach, reach + 1, (replicates, len(starts)))
    moved = np.clip(moved, 0, max(n - block, 0))
    places = (moved[:, :, None] + np.arange(block)).reshape(replicates, -1)[:, :n]
    inside: NDArray[np.intp] = np.minimum(places, n - 1)
    return inside


def replicate(
    losses: Array, level: Array, m: int, tolerance: float, replicates: int, rng: np.random.Generator
) -> NDArray[np.intp]:
    """``(R, C)`` recoveries of ``C`` contenders, all on the same resampled rows.

    Args:
        losses: ``(C, n)``.
        level: ``(C, n)``.
    """
    places = local_blocks(losses.shape[1], m, replicates, rng)
    return np.column_stack(
        [
            rows_to_recover(own[places], base[places], m, tolerance)
            for own, base in zip(losses, level, strict=True)
        ]
    )
