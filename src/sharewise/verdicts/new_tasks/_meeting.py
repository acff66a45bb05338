"""At how many labels a curve of gains meets a level.

Between two measured numbers of labels every round's gain is taken to be straight over their logarithm; beyond them
nothing is said. The curve's value anywhere is then a mean over rounds, with the interval of `difference`, and the
numbers of labels at which that interval holds the level are those that cannot be ruled out as the meeting point
(Fieller's construction, as in `sharewise.verdicts._crossover`). No shape is assumed, monotone or other. A bootstrap
over three or five rounds would promise more than they know.

Symbols: ``J`` rounds, ``K`` numbers of labels, ``G`` numbers of labels asked about.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sharewise.tasks import Array
from sharewise.verdicts._difference import Difference

STEPS = 96
"""Numbers of labels looked at; ends of an interval are rounded outwards to them."""


@dataclass(frozen=True)
class Meeting:
    """Where a curve of gains meets a level.

    Attributes:
        level: Which.
        labels: Best guess: where the mean over rounds meets it.
        low, high: Outside of these the level is ruled out; None at an end where it is not, as far as was measured.
        falling: Whether the curve lies above the level on the side of fewer labels.
    """

    level: float
    labels: float
    low: float | None
    high: float | None
    falling: bool

    @property
    def clear(self) -> bool:
        """Whether it is known on both sides which of the two is better."""
        return self.low is not None and self.high is not None


def interpolated(shots: Sequence[int], gains: Array, labels: Array) -> Array:
    """Gains ``(J, G)`` at ``labels`` ``(G,)``, straight between the ``K`` measured ones over the logarithm."""
    if len(shots) == 1:
        return np.repeat(gains, len(labels), axis=1)
    at, asked = np.log(shots), np.log(labels)
    right = np.clip(np.searchsorted(at, asked), 1, len(at) - 1)
    share = (asked - at[right - 1]) / (at[right] - at[right - 1])
    low, high = gains[:, right - 1], gains[:, right]
    # at a measured number itself the neighbour need not be known
    found: Array = np.where(share <= 0, low, np.where(share >= 1, high, low + share * (high - low)))
    return found


def meetings(
    shots: Sequence[int], gains: Array, *, level: float, summarise: Callable[[Array], Difference]
) -> tuple[Meeting, ...]:
    """Every crossing of a level, fewest labels first.

    Where the mean crosses several times inside one stretch in which the level cannot be ruled out, that is one
    crossing (an odd number) or none (an even one): the rest is noise.

    Args:
        gains: ``(J, K)``, NaN where a round says nothing.
        summarise: What ``(J,)`` values say.
    """
    if len(shots) < 2:
        return ()
    grid = np.unique([*np.geomspace(shots[0], shots[-1], STEPS), *shots])
    rounds = interpolated(shots, gains, grid)
    found = [summarise(rounds[:, place]) for place in range(len(grid))]
    above = np.array([one.mean for one in found]) - level
    turns = np.flatnonzero(
        np.isfinite(above[:-1]) & np.isfinite(above[1:]) & ((above[:-1] > 0) != (above[1:] > 0))
    )
    open_ = np.array([one.interval is None or one.interval[0] <= level <= one.interval[1] for one in found])
    stretches: dict[tuple[int, int], list[int]] = {}
    for turn in turns:
        stretches.setdefault(_stretch(open_, int(turn)), []).append(int(turn))
    return tuple(
        Meeting(
            level,
            _between(grid, above, own[len(own) // 2]),
            float(grid[begins]) if begins >= 0 else None,
            float(grid[ends]) if ends < len(grid) else None,
            bool(above[own[0]] > 0),
        )
        for (begins, ends), own in stretches.items()
        if len(own) % 2
    )


def _stretch(open_: NDArray[np.bool_], turn: int) -> tuple[int, int]:
    """The nearest places before and after a turn at which the level is ruled out; one beyond the end where none is."""
    begins, ends = turn, turn + 1
    while begins >= 0 and open_[begins]:
        begins -= 1
    while ends < len(open_) and open_[ends]:
        ends += 1
    return begins, ends


def _between(grid: Array, above: Array, turn: int) -> float:
    share = above[turn] / (above[turn] - above[turn + 1])
    return math.exp(math.log(grid[turn]) + float(share) * math.log(grid[turn + 1] / grid[turn]))
