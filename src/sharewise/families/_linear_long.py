"""Linear models that share across the levels of a long table.

Numbers: a mixed model ``y = x·β + b_l + x·δ_l`` with pooled slopes ``β``, task offsets ``b_l`` shrunken
towards zero, and (second configuration) task slopes ``δ_l`` shrunken towards zero. All three penalties
come from validation rather than from variance components (Laird & Ware 1982).

Symbols: ``n`` rows, ``P`` encoded features, ``L`` levels, ``n_l`` rows of level ``l``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sharewise.families._cross_fit import choose_rows
from sharewise.families._linear_alone import INVERSE_PENALTIES, log_losses, logistic, ridge
from sharewise.families._parts import softmax
from sharewise.families._sample import Fit, Fold, Model, Predictions, Run, Sample
from sharewise.modalities import TabularEncoder
from sharewise.problems import Table
from sharewise.tasks import Array, Classification

OFFSET_PENALTIES = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 1e6)
SLOPE_PENALTIES = (3.0, 10.0, 30.0, 100.0, 300.0, 1e3, 1e4)
OFFSET_SCALES = (0.1, 0.5, 2.0)
"""Scale of the level indicators beside standardised features in logistic regression: the smaller,
the stronger the shrinkage of the offsets."""


@dataclass(frozen=True)
class LevelLinear:
    """Scores of one target: ``x·weights + intercept + offsets[level] + x·slopes[level]``.

    Attributes:
        weights: ``(P, W)``.
        intercept: ``(W,)``.
        offsets: ``(L, W)``.
        slopes: ``(L, P, W)``, or None.
        link: ``identity`` or ``softmax``.
    """

    weights: Array
    intercept: Array
    offsets: Array
    slopes: Array | None
    link: str

    def predict(self, X: Array, level: NDArray[np.intp]) -> Array:
        scores: Array = X @ self.weights + self.intercept + self.offsets[level]
        if self.slopes is not None:
            scores = scores + np.einsum("np,npw->nw", X, self.slopes[level])
        return softmax(scores) if self.link == "softmax" else scores


@dataclass(frozen=True)
class LevelLinearModel(Model):
    """Pooled slopes with shrunken offsets, a `LevelLinear` a target."""

    encoder: TabularEncoder
    parts: tuple[LevelLinear, ...]

    def predict(self, table: Table, level: NDArray[np.intp] | None) -> Predictions:
        assert level is not None
        X = self.encoder.transform(table)
        return [part.predict(X, level) for part in self.parts]


def fit_pooled(sample: Sample, run: Run, *, slopes: bool) -> Fit:
    """Pool all levels of each target; ``slopes`` adds shrunken slopes of each level."""
    assert sample.level is not None
    encoder = TabularEncoder.fit(sample.table, "linear")
    X = encoder.transform(sample.table)
    held_out = sample.blank()
    parts: list[LevelLinear] = []
    for place, target in enumerate(sample.targets):
        rows = np.flatnonzero(sample.known(place))
        y, level = sample.labels[rows, place], sample.level[rows]
        folds = sample.folds_within(rows)
        if isinstance(target.kind, Classification):
            part, own = _classes(X[rows], y, level, sample.n_levels, target.kind, folds, run)
        else:
            part, own = _numbers(X[rows], y, level, sample.n_levels, folds, run, slopes=slopes)
        parts.append(part)
        held_out[place][rows] = own
    return Fit(LevelLinearModel(encoder, tuple(parts)), held_out)


def _numbers(
    X: Array,
    y: Array,
    level: NDArray[np.intp],
    count: int,
    folds: tuple[Fold, ...],
    run: Run,
    *,
    slopes: bool,
) -> tuple[LevelLinear, Array]:
    held = np.full((len(OFFSET_PENALTIES), len(y), 1), np.nan)
    for train, valid in folds:
        for place, penalty in enumerate(OFFSET_PENALTIES):
            part = offsets_fit(X[train], y[train], level[train], count, penalty)
            held[place, valid] = part.predict(X[valid], level[valid])
            run.tick(fits=1)
    own, best = choose_rows(held, (held[:, :, 0] - y) ** 2, folds)
    part = offsets_fit(X, y, level, count, OFFSET_PENALTIES[best])
    run.tick(fits=1)
    if not slopes:
        return part, own
    held = np.full((len(SLOPE_PENALTIES), len(y), 1), np.nan)
    for train, valid in folds:
        base = offsets_fit(X[train], y[train], level[train], count, OFFSET_PENALTIES[best])
        for place, penalty in enumerate(SLOPE_PENALTIES):
            bent = slopes_fit(base, X[train], y[train], level[train], count, penalty)
            held[place, valid] = bent.predict(X[valid], level[valid])
            run.tick(fits=1)
    own, steep = choose_rows(held, (held[:, :, 0] - y) ** 2, folds)
    return slopes_fit(part, X, y, level, count, SLOPE_PENALTIES[steep]), own


def offsets_fit(X: Array, y: Array, level: NDArray[np.intp], count: int, penalty: float) -> LevelLinear:
    """Least squares with ridge slopes and offsets under ``penalty · b_l²``.

    For given slopes the best offset is ``n_l / (n_l + penalty)`` of the level's mean residual; putting
    that in leaves a ridge problem on quasi-demeaned rows (the random-effects transform,
    ``θ_l = 1 - sqrt(penalty / (n_l + penalty))``).
    """
    from scipy import sparse

    centre_x, centre_y = X.mean(axis=0), float(y.mean())
    sizes = np.bincount(level, minlength=count).astype(np.float64)
    safe = np.maximum(sizes, 1.0)
    theta = 1.0 - np.sqrt(penalty / (sizes + penalty))
    mean_y = np.bincount(level, weights=y - centre_y, minlength=count) / safe
    members = sparse.csr_array((np.ones(len(y)), (level, np.arange(len(y)))), shape=(count, len(y)))
    mean_x = (members @ (X - centre_x)) / safe[:, None]
    flat_x = X - centre_x - (theta[:, None] * mean_x)[level]
    flat_y = y - centre_y - (theta * mean_y)[level]
    weights, _ = ridge(flat_x, flat_y[:, None])
    residual = mean_y - mean_x @ weights[:, 0]
    offsets = sizes / (sizes + penalty) * residual
    return LevelLinear(weights, np.array([centre_y]) - centre_x @ weights, offsets[:, None], None, "identity")


def slopes_fit(
    base: LevelLinear, X: Array, y: Array, level: NDArray[np.intp], count: int, penalty: float
) -> LevelLinear:
    """``base`` with each level's own slopes and a correction of its offset, ridge on its residuals."""
    residual = y - base.predict(X, level)[:, 0]
    slopes = np.zeros((count, X.shape[1], 1))
    offsets = base.offsets.copy()
    order = np.argsort(level, kind="stable")
    bounds = np.searchsorted(level[order], np.arange(count + 1))
    for code in range(count):
        rows = order[bounds[code] : bounds[code + 1]]
        if len(rows) < 2:
            continue
        centre = X[rows].mean(axis=0)
        own = X[rows] - centre
        if len(rows) < X.shape[1]:
            dual = np.linalg.solve(own @ own.T + penalty * np.eye(len(rows)), residual[rows])
            slope = own.T @ dual
        else:
            slope = np.linalg.solve(own.T @ own + penalty * np.eye(X.shape[1]), own.T @ residual[rows])
        slopes[code, :, 0] = slope
        offsets[code, 0] -= float(centre @ slope)
    return LevelLinear(base.weights, base.intercept, offsets, slopes, base.link)


def _classes(
    X: Array,
    y: Array,
    level: NDArray[np.intp],
    count: int,
    kind: Classification,
    folds: tuple[Fold, ...],
    run: Run,
) -> tuple[LevelLinear, Array]:
    """Logistic regression on features and scaled level indicators; scale and penalty by validation."""
    indicator = np.zeros((len(y), count))
    indicator[np.arange(len(y)), level] = 1.0
    grid = [(scale, C) for scale in OFFSET_SCALES for C in INVERSE_PENALTIES[1:-1]]
    held = np.full((len(grid), len(y), kind.width), np.nan)
    for train, valid in folds:
        start = None
        for place, (scale, C) in enumerate(grid):
            inputs = np.hstack([X, scale * indicator])
            part, start = logistic(inputs[train], y[train], kind, C, start)
            held[place, valid] = part.predict(inputs[valid])
            run.tick(fits=1)
    own, best = choose_rows(held, log_losses(held, y), folds)
    scale, C = grid[best]
    part, _ = logistic(np.hstack([X, scale * indicator]), y, kind, C, None)
    run.tick(fits=1)
    width = X.shape[1]
    offsets = scale * part.weights[width:]
    return LevelLinear(part.weights[:width], part.intercept, offsets, None, "softmax"), own
