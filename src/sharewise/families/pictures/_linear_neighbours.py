"""Nearest neighbours on features: small, fast, and the classic for faces.

Symbols: ``n`` rows, ``P`` features, ``W`` columns of a prediction, ``m`` neighbours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from sharewise.families._cross_fit import choose_rows
from sharewise.families._linear_alone import log_losses
from sharewise.families._sample import Fold, Part, Run
from sharewise.modalities import TabularEncoder
from sharewise.problems import Target
from sharewise.tasks import Array, Classification

COUNTS = (1, 2, 3, 5, 8, 13, 21, 34)
"""Numbers of neighbours that the inner folds choose from."""


@final
@dataclass(frozen=True)
class NeighboursPart(Part):
    """The labels of the training rows that are most alike by cosine, averaged (Cover & Hart 1967).

    Attributes:
        X: ``(n, P)`` training rows of length one.
        Y: ``(n, W)`` numbers, or indicators of classes.
        count: ``m``.
        classes: Whether shares of classes are predicted.
    """

    X: Array
    Y: Array
    count: int
    classes: bool

    def predict(self, X: Array) -> Array:
        found: Array = means(unit(X) @ self.X.T, self.Y, (self.count,), self.classes)[0]
        return found


def unit(X: Array) -> Array:
    """Rows of length one."""
    length = np.linalg.norm(X, axis=1, keepdims=True)
    rows: Array = X / np.maximum(length, 1e-12)
    return rows


def means(alike: Array, Y: Array, counts: Sequence[int], classes: bool) -> Array:
    """Predictions ``(C, q, W)`` by the most alike of rows ``(q, n)``, for several numbers of them.

    Shares of classes count one label more, spread by the training rows' own shares (Laplace's rule with a prior).
    """
    most = min(max(counts), alike.shape[1])
    near = np.argpartition(-alike, most - 1, axis=1)[:, :most]
    order = np.argsort(-np.take_along_axis(alike, near, axis=1), axis=1, kind="stable")
    labels = Y[np.take_along_axis(near, order, axis=1)]
    sums = np.cumsum(labels, axis=1)
    found = []
    for asked in counts:
        count = min(asked, most)
        total = sums[:, count - 1]
        found.append((total + Y.mean(axis=0)) / (count + 1) if classes else total / count)
    return np.stack(found)


def fit_neighbours(
    X: Array, y: Array, target: Target, folds: tuple[Fold, ...], encoder: TabularEncoder, run: Run
) -> tuple[Part, Array]:
    """Neighbours, their number by the inner folds' log loss or squared error."""
    classes = isinstance(target.kind, Classification)
    Y = (y[:, None] == np.arange(target.kind.width)).astype(np.float64) if classes else y[:, None]
    rows = unit(X)
    held = np.full((len(COUNTS), *Y.shape), np.nan)
    for train, valid in folds:
        held[:, valid] = means(rows[valid] @ rows[train].T, Y[train], COUNTS, classes)
        run.tick(fits=1)
    losses = log_losses(held, y) if classes else (held[:, :, 0] - y) ** 2
    held_out, best = choose_rows(held, losses, folds)
    return NeighboursPart(rows, Y, COUNTS[best], classes), held_out
