"""Change points in a course of losses, by a rank test at a stated false-alarm rate.

Pettitt's statistic (1979, https://doi.org/10.2307/2346729), the largest cumulative sum of centred ranks (after Page
1954, https://doi.org/10.1093/biomet/41.1-2.100), is compared with its own values when blocks of consecutive losses are
put in random order; where no change is found in the whole, none is looked for in its parts (binary segmentation). So
on a stationary stream the chance of any false alarm is at most the level: exactly where losses are exchangeable, about
where they depend on one another over less than a block. It only serves to judge a replay afterwards: no contender
hears of it.

Symbols: ``n`` losses.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata

from sharewise.tasks import Array

PERMUTATIONS = 499
LEAST = 20
"""Rows on either side of a change at least."""


def block_of(rows: int) -> int:
    """Rows of a block: the cube root of their number, the best order for a variance (Hall, Horowitz & Jing 1995)."""
    return max(1, round(float(np.cbrt(rows))))


def change_points(
    losses: Array, *, level: float = 0.05, seed: int = 0, least: int = LEAST
) -> tuple[int, ...]:
    """Places ``0 < c < n`` of the first row after each change, rising.

    Args:
        losses: ``(n,)`` of a model that nothing updates.
        level: Chance of one or more false alarms on a stationary stream, at most.
        least: Rows before and after a change, at least.
    """
    rng = np.random.default_rng(seed)
    found: list[int] = []
    parts = [(0, len(losses))]
    while parts:
        start, stop = parts.pop()
        place = _split(losses[start:stop], level, least, rng)
        if place is not None:
            found.append(start + place)
            parts += [(start, start + place), (start + place, stop)]
    return tuple(sorted(found))


def _split(losses: Array, level: float, least: int, rng: np.random.Generator) -> int | None:
    if len(losses) < 2 * least:
        return None
    block = block_of(len(losses))
    kept = len(losses) // block * block  # whole blocks only, so that every order of them is as likely
    ranks = rankdata(losses[:kept]) - (kept + 1) / 2
    sums = np.abs(np.cumsum(ranks))[least - 1 : kept - least]
    if not len(sums):
        return None
    blocks = ranks.reshape(-1, block)
    above = 0
    for _ in range(PERMUTATIONS):
        shuffled = np.cumsum(rng.permutation(blocks).ravel())[least - 1 : kept - least]
        above += int(np.abs(shuffled).max() >= sums.max())
    p = (1 + above) / (1 + PERMUTATIONS)
    return least + int(sums.argmax()) if p <= level else None
