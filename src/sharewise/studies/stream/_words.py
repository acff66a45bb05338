"""Who recovers fastest, in a sentence that claims no more than the intervals do.

Symbols: ``C`` contenders, ``R`` replicates.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sharewise.tasks import Array


class Recovered(Protocol):
    """What is asked of a recovery."""

    @property
    def rows(self) -> int | None: ...


def interval(values: Array | NDArray[np.intp], confidence: float) -> tuple[float, float]:
    """Percentiles of replicates ``(R,)``."""
    tail = (1 - confidence) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(low), float(high)


def later_than(first: int, rows: Array, replicates: Array, confidence: float) -> list[int]:
    """Contenders that clearly recover later than ``first``: the interval of the difference lies above zero, with the
    level shared among all pairs (Bonferroni), as the first was chosen for being so.

    Args:
        rows: ``(C,)``.
        replicates: ``(R, C)``.
    """
    count = len(rows)
    each = 1 - (1 - confidence) / max(count * (count - 1) / 2, 1)
    others = [place for place in range(count) if place != first]
    return [place for place in others if interval(replicates[:, place] - replicates[:, first], each)[0] > 0]


def sentence(
    names: Sequence[str],
    rows: Array,
    replicates: Array,
    recoveries: Sequence[Sequence[Recovered]],
    confidence: float,
    n: int,
) -> str:
    """Names the first, those that are clearly later, and those that cannot be told from it.

    Args:
        rows: ``(C,)`` mean rows to recover.
        replicates: ``(R, C)``.
        recoveries: By change and contender.
        n: Rows of the stream.
    """
    if not len(recoveries):
        return f"No change of the losses is known or was found in {n:,} rows, so there is nothing to recover from."
    never = [all(own[place].rows is None for own in recoveries) for place in range(len(names))]
    if all(never):
        return "No contender recovered before the stream ended or changed again."
    first = int(np.argmin(np.where(never, np.inf, rows)))
    later = later_than(first, rows, replicates, confidence)
    if not later:
        return "Which contender recovers fastest is not clear: no difference from the first is beyond chance."
    low, high = interval(replicates[:, first], confidence)
    told = f"{names[first]} recovers fastest, in {_rows(rows[first])} after a change "
    told += f"({confidence:.0%} interval {low:,.0f} to {high:,.0f})"
    told += ", clearly sooner than " + _listed([_one(names[p], rows[p], never[p]) for p in later])
    even = [names[place] for place in range(len(names)) if place != first and place not in later]
    return told + (f"; {_listed(even)} cannot be told from it." if even else ".")


def _one(name: str, rows: float, never: bool) -> str:
    return f"{name} (never)" if never else f"{name} ({rows:,.0f})"


def _rows(count: float) -> str:
    return "1 row" if round(count) == 1 else f"{count:,.0f} rows"


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1]
