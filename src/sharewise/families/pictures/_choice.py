"""Which epoch's weights each cell of a network is served by.

Symbols: a *curve* is a cell's loss after each epoch on rows that the network did not learn from, and that it will not be
judged by either: `judged` takes the other inner folds' networks' losses, so that a fold's held-out predictions are not
made to look better than they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from sharewise.tasks import Array

NEAR = 0.02
"""A cell takes its network's common epoch unless its own best one has a loss smaller by more than this share: what is
less is noise, and costs a second network wherever it is served."""

Curves = Mapping[int, Sequence[float]]
"""By cell."""


def judged(mine: Curves, others: Sequence[Curves]) -> dict[int, Array]:
    """The mean over the other folds' networks' curves; a cell's own where no other has learnt it."""
    found: dict[int, Array] = {}
    for cell, own in mine.items():
        curves = [other[cell] for other in others if cell in other] or [own]
        found[cell] = np.mean(np.array(curves, dtype=np.float64), axis=0)
    return found


def best(curve: Array) -> int | None:
    """The epoch of the least loss, the first of equal ones; None where no loss is finite."""
    known = np.where(np.isfinite(curve), curve, np.inf)
    return int(known.argmin()) if np.isfinite(known).any() else None


def common(curves: Mapping[int, Array]) -> int | None:
    """The epoch of the least mean over cells, each in shares of its own first loss."""
    shares = [curve / max(float(curve[0]), 1e-9) for curve in curves.values()]
    return best(np.mean(shares, axis=0)) if shares else None


def chosen(curves: Mapping[int, Array]) -> dict[int, int]:
    """By cell its epoch; cells without a finite loss are left out."""
    middle = common(curves)
    found: dict[int, int] = {}
    for cell, curve in curves.items():
        own = best(curve)
        if own is None:
            continue
        near = middle is not None and curve[middle] <= (1 + NEAR) * curve[own]
        found[cell] = middle if near and middle is not None else own
    return found


def possible(curves: Mapping[int, Array]) -> set[int]:
    """Epochs that `chosen` may still name when curves have grown: no other weights need be kept meanwhile. Least losses
    stay the least of what came before them, and none that is given up is asked for again."""
    found = {best(curve) for curve in curves.values()} | {common(curves)}
    return {epoch for epoch in found if epoch is not None}


def is_over(curves: Mapping[int, Array], patience: int) -> bool:
    """Whether no cell has had a new least loss for so many epochs."""
    length = max(map(len, curves.values()))
    return all(length - 1 - (best(curve) or 0) >= patience for curve in curves.values())
