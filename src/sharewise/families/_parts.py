"""Models put together from one predictor a task over shared encoded features."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sharewise.families._sample import Fit, Fold, Model, Part, Predictions, Run, Sample
from sharewise.modalities import Style, TabularEncoder
from sharewise.problems import Table, Target
from sharewise.tasks import Array

FEWEST_ROWS = 4
"""A task with fewer training rows than this is served by its constant."""


@dataclass(frozen=True)
class ConstantPart(Part):
    """The same prediction ``(W,)`` for every row."""

    value: Array

    def predict(self, X: Array) -> Array:
        return np.tile(self.value, (len(X), 1))


@dataclass(frozen=True)
class LinearPart(Part):
    """Linear scores, passed through the link of the target's kind.

    Attributes:
        weights: ``(P, W)``.
        intercept: ``(W,)``.
        link: ``identity`` or ``softmax``.
    """

    weights: Array
    intercept: Array
    link: str

    def predict(self, X: Array) -> Array:
        scores = X @ self.weights + self.intercept
        return softmax(scores) if self.link == "softmax" else scores


def softmax(scores: Array) -> Array:
    """Rows of ``(n, W)`` scores to probabilities."""
    shifted = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares: Array = shifted / shifted.sum(axis=1, keepdims=True)
    return shares


@dataclass(frozen=True)
class PartsModel(Model):
    """One part a (target, level); a wide problem has the single level 0.

    Attributes:
        encoder: Shared by all parts.
        parts: ``D`` tuples of ``L`` parts.
    """

    encoder: TabularEncoder
    parts: tuple[tuple[Part, ...], ...]

    def predict(self, table: Table, level: NDArray[np.intp] | None) -> Predictions:
        X = self.encoder.transform(table)
        found = []
        for parts in self.parts:
            if level is None or len(parts) == 1:
                found.append(parts[0].predict(X))
                continue
            out: Array | None = None
            for code in np.unique(level):
                rows = np.flatnonzero(level == code)
                values = parts[code].predict(X[rows])
                out = np.full((len(X), values.shape[1]), np.nan) if out is None else out
                out[rows] = values
            found.append(out if out is not None else parts[0].predict(X))
        return found


FitPart = Callable[[Array, Array, Target, tuple[Fold, ...], TabularEncoder, Run], tuple[Part, Array]]
"""``(X, y, target, folds, encoder, run) -> (part, held-out predictions (n, W))`` for one task."""


def fit_each(sample: Sample, style: Style, run: Run, fit: FitPart) -> Fit:
    """Fit every task by itself with ``fit``; too small a task gets its constant."""
    encoder = TabularEncoder.fit(sample.table, style)
    X = encoder.transform(sample.table)
    held_out = sample.blank()
    parts: list[list[Part]] = [[] for _ in sample.targets]
    for place, _, rows in sample.cells():
        target = sample.targets[place]
        y = sample.labels[rows, place]
        folds = sample.folds_within(rows)
        part, own = fit_constant(sample, place, rows)
        if len(rows) >= FEWEST_ROWS and folds and len(np.unique(y)) > 1:
            part, better = fit(X[rows], y, target, folds, encoder, run)
            own = np.where(np.isnan(better), own, better)
        parts[place].append(part)
        held_out[place][rows] = own
        run.tick()
    return Fit(PartsModel(encoder, tuple(tuple(row) for row in parts)), held_out)


def fit_constant(sample: Sample, place: int, rows: NDArray[np.intp]) -> tuple[Part, Array]:
    """The constant of one task (``rows`` of the target at ``place``), and its held-out predictions
    ``(len(rows), W)``; where the task has no other labels it is that of all labels of the target."""
    kind, labels = sample.targets[place].kind, sample.labels[:, place]

    def constant(mine: NDArray[np.intp], everyone: NDArray[np.intp]) -> Array:
        y = labels[mine] if len(mine) else labels[everyone]
        return kind.constant(y[~np.isnan(y)])

    inside = np.zeros(len(sample), dtype=bool)
    inside[rows] = True
    own = np.full((len(sample), kind.width), np.nan)
    for train, valid in sample.folds:
        own[valid] = constant(train[inside[train]], train)
    return ConstantPart(constant(rows, np.arange(len(sample)))), own[rows]


def fill_held_out(sample: Sample, held_out: Predictions) -> Predictions:
    """``held_out`` with each task's constant where a model had nothing to say of a labelled row."""
    for place, _, rows in sample.cells():
        gaps = np.isnan(held_out[place][rows]).any(axis=1)
        if gaps.any():
            _, own = fit_constant(sample, place, rows)
            held_out[place][rows[gaps]] = own[gaps]
    return held_out
