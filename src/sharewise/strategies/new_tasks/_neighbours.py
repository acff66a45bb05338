"""Nearest support rows on standardised features.

Symbols: ``k`` support rows, ``q`` query rows, ``P`` features, ``W`` classes (1 for numbers), ``m`` neighbours.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np
from numpy.typing import NDArray

from sharewise.families import Configuration, Part, Run, configuration
from sharewise.problems import Table
from sharewise.strategies.new_tasks._base import Adapter, NewTaskStrategy
from sharewise.strategies.new_tasks._rows import RowReader, readable
from sharewise.strategies.new_tasks._sample import TaskSample
from sharewise.tasks import PROBABILITY_FLOOR, Array

COUNTS = (1, 2, 3, 5, 8, 13, 21, 34, 55)
"""Numbers of neighbours that compete."""


def distances(A: Array, B: Array) -> Array:
    """Euclidean, ``(a, P), (b, P) -> (a, b)``."""
    square = (A**2).sum(axis=1)[:, None] + (B**2).sum(axis=1) - 2 * A @ B.T
    # Rounding leaves a trace where two rows are equal.
    square[square < 1e-12 * (1 + square.max(initial=0.0))] = 0.0
    return np.asarray(np.sqrt(square))


def means_by_count(distance: Array, Y: Array, counts: Sequence[int]) -> Array:
    """Predictions by the nearest ``counts`` rows, ``(C, q, W)``.

    A neighbour at distance d weighs 1 / (d + mean distance of the neighbours), so that an equal row counts for
    about two, and not for all: labels are noisy.

    Args:
        distance: ``(q, k)``; a row at an infinite one is taken last, and must not be among the counted.
        Y: ``(k, W)`` numbers or indicators of classes.
        counts: Each between 1 and k.
    """
    most = max(counts)
    part = distance
    places = np.broadcast_to(np.arange(distance.shape[1]), distance.shape)
    if most < distance.shape[1]:
        places = np.argpartition(distance, most - 1, axis=1)[:, :most]
        part = np.take_along_axis(distance, places, axis=1)
    order = part.argsort(axis=1, kind="stable")[:, :most]
    near, labels = np.take_along_axis(part, order, axis=1), Y[np.take_along_axis(places, order, axis=1)]
    found = np.empty((len(counts), len(distance), Y.shape[1]))
    for place, count in enumerate(counts):
        d = near[:, :count]
        weights = 1.0 / np.maximum(d + d.mean(axis=1, keepdims=True), 1e-12)
        weights /= weights.sum(axis=1, keepdims=True)
        found[place] = np.einsum("qm,qmw->qw", weights, labels[:, :count])
    return found


def smoothed(shares: Array, count: int) -> Array:
    """Shares ``(…, W)`` of ``count`` neighbours with one more label spread evenly (Laplace's rule, 1/W each)."""
    return np.asarray((shares * count + 1.0 / shares.shape[-1]) / (count + 1))


def root_count(k: int) -> int:
    """The root of ``k`` support rows, rounded."""
    return max(1, round(math.sqrt(k)))


def best_count(X: Array, Y: Array, classes: bool) -> int:
    """The number of neighbours with the least leave-one-out error (squared, or log loss); the larger where two tie.

    With fewer than three rows, or fewer than two of each class, leaving one out says nothing: the root of ``k``.
    """
    if len(X) < 3 or (classes and Y.sum(axis=0)[Y.any(axis=0)].min() < 2):
        return root_count(len(X))
    apart = distances(X, X)
    np.fill_diagonal(apart, np.inf)
    counts = [m for m in COUNTS if m < len(X)]
    left_out = means_by_count(apart, Y, counts)
    if classes:
        shares = np.array([smoothed(part, m) for part, m in zip(left_out, counts, strict=True)])
        losses = -np.log(np.maximum((shares * Y).sum(axis=2), PROBABILITY_FLOOR)).mean(axis=1)
    else:
        losses = ((left_out - Y) ** 2).mean(axis=(1, 2))
    return counts[len(losses) - 1 - int(losses[::-1].argmin())]


@final
@dataclass(frozen=True)
class NearestPart(Part):
    """A task's support rows.

    Attributes:
        X: ``(k, P)``.
        Y: ``(k, W)`` numbers, or indicators of classes.
        count: ``m``.
        classes: Whether shares of classes are predicted.
    """

    X: Array
    Y: Array
    count: int
    classes: bool

    def predict(self, X: Array) -> Array:
        means = means_by_count(distances(X, self.X), self.Y, [self.count])[0]
        return smoothed(means, self.count) if self.classes else means


@final
@dataclass(frozen=True)
class NearestAdapter(Adapter):
    """Scales of features, learnt from other tasks' rows without their labels.

    Attributes:
        rows: Reads tables.
        rule: ``left-out`` (see `best_count`) or ``root``: the root of ``k``.
    """

    rows: RowReader
    rule: str

    def encode(self, table: Table) -> NDArray[Any]:
        return self.rows.transform(table)

    def adapt(self, X: NDArray[Any], y: Array, classes: int | None) -> Part:
        Y = y[:, None] if classes is None else (y[:, None] == np.arange(classes)).astype(np.float64)
        left_out = self.rule == "left-out"
        count = best_count(X, Y, classes is not None) if left_out else root_count(len(X))
        return NearestPart(X, Y, count, classes is not None)


@final
class Neighbours(NewTaskStrategy):
    """The labels of the nearest support rows, nearer ones counting more (Cover & Hart 1967; Dudani 1976).

    Nothing is learnt from other tasks' labels; their rows give the scales of the features.
    """

    name: ClassVar[str] = "neighbours"
    shares: ClassVar[bool] = False

    def configurations(self, sample: TaskSample, family: str, *, effort: int) -> tuple[Configuration, ...]:
        if family != "none" or not readable(sample.table):
            return ()
        return configuration("nearest", count="left-out"), configuration("nearest", count="root")

    def fit(
        self, sample: TaskSample, family: str, configuration: Configuration, run: Run, *, seconds: float
    ) -> Adapter:
        adapter = NearestAdapter(RowReader.fit(sample), configuration.word("count", "left-out"))
        run.tick(fits=1)
        return adapter
