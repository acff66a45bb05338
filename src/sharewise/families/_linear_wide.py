"""Linear models that share across the targets of a wide table.

Low rank: all targets are read from a few common directions of the features (reduced-rank regression,
Izenman 1975; with a ridge penalty, Mukherjee & Zhu 2011). Group sparsity: all targets keep the same
features (multi-task elastic net, Obozinski et al. 2010).

Symbols: ``n`` rows, ``P`` encoded features, ``W`` columns of the indicator matrix (one a number, one
a class), ``r`` rank.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sharewise.families._cross_fit import choose_rows
from sharewise.families._linear_alone import elastic_net, fit_logistic, ridge_with_gaps
from sharewise.families._parts import FEWEST_ROWS, LinearPart, PartsModel, fit_constant
from sharewise.families._sample import Fit, Part, Run, Sample
from sharewise.modalities import TabularEncoder
from sharewise.problems import Target
from sharewise.tasks import Array, Classification

SHARES = (0.25, 0.5, 0.75, 1.0)
"""How far predictions move from the targets' own ridge (0) to the common low-rank one (1)."""
MOST_RANKS = 6
REACH = 3.0
"""Scale of the common directions beside standardised features in the classifiers' inputs."""


def indicators(labels: Array, targets: Sequence[Target]) -> tuple[Array, Array, Array, list[slice]]:
    """Labels ``(n, D)`` as standardised columns ``(n, W)`` with NaN gaps.

    Returns the matrix, each column's mean and spread, and each target's columns.
    """
    blocks: list[Array] = []
    places: list[slice] = []
    for place, target in enumerate(targets):
        y = labels[:, place]
        if isinstance(target.kind, Classification):
            block = (y[:, None] == np.arange(target.kind.width)).astype(np.float64)
            block[np.isnan(y)] = np.nan
        else:
            block = y[:, None]
        start = places[-1].stop if places else 0
        places.append(slice(start, start + block.shape[1]))
        blocks.append(block)
    Z = np.hstack(blocks)
    known = ~np.isnan(Z)
    count = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, Z, 0.0).sum(axis=0) / count
    spread = np.sqrt(np.where(known, (Z - mean) ** 2, 0.0).sum(axis=0) / count)
    spread[spread < 1e-12] = 1.0
    return (Z - mean) / spread, mean, spread, places


def common_directions(X: Array, weights: Array) -> Array:
    """Orthonormal directions ``(W, W)`` of the fitted values' variation, strongest first (columns)."""
    fitted = (X - X.mean(axis=0)) @ weights
    _, _, right = np.linalg.svd(fitted, full_matrices=True)
    directions: Array = right.T
    return directions


def low_rank(weights: Array, directions: Array, rank: int, share: float) -> Array:
    """Ridge weights ``(P, W)`` moved by ``share`` towards their projection on ``rank`` directions."""
    top = directions[:, :rank]
    moved: Array = (1 - share) * weights + share * (weights @ top) @ top.T
    return moved


def fit_low_rank(sample: Sample, run: Run) -> Fit:
    """Reduced-rank ridge; rank and share by held-out squared error; classes read the directions."""
    encoder = TabularEncoder.fit(sample.table, "linear")
    X = encoder.transform(sample.table)
    Z, mean, spread, places = indicators(sample.labels, sample.targets)
    ranks = range(1, max(2, min(Z.shape[1] - 1, MOST_RANKS) + 1))
    grid = [(rank, share) for rank in ranks for share in SHARES]
    held = np.full((len(grid), *Z.shape), np.nan)
    common: list[Array] = []
    for train, valid in sample.folds:
        weights, intercept = ridge_with_gaps(X[train], Z[train])
        directions = common_directions(X[train], weights)
        centre = X[train].mean(axis=0)
        typical = centre @ weights + intercept
        for place, (rank, share) in enumerate(grid):
            held[place, valid] = (X[valid] - centre) @ low_rank(weights, directions, rank, share) + typical
        common.append(weights @ directions)
        run.tick(fits=1)
    held_rows, best = choose_rows(held, _row_losses(held - Z, places), sample.folds)
    rank, share = grid[best]
    weights, intercept = ridge_with_gaps(X, Z)
    directions = common_directions(X, weights)
    shared = low_rank(weights, directions, rank, share)
    intercept = intercept + X.mean(axis=0) @ (weights - shared)
    common.append(weights @ directions)
    run.tick(fits=1)

    held_out = sample.blank()
    parts: list[Part] = []
    for place, target in enumerate(sample.targets):
        columns = places[place]
        if isinstance(target.kind, Classification):
            part, own = _classes(sample, place, X, [axes[:, :rank] for axes in common], run)
        else:
            part = LinearPart(
                shared[:, columns] * spread[columns],
                intercept[columns] * spread[columns] + mean[columns],
                "identity",
            )
            own = held_rows[:, columns] * spread[columns] + mean[columns]
        parts.append(part)
        held_out[place][:] = own
    return Fit(PartsModel(encoder, tuple((part,) for part in parts)), held_out)


def _row_losses(difference: Array, places: list[slice]) -> Array:
    """Squared differences ``(C, n, W)`` as losses ``(C, n)``, targets weighing the same whatever their width."""
    losses = [np.mean(difference[:, :, columns] ** 2, axis=2) for columns in places]
    total: Array = np.nansum(losses, axis=0)
    return total


def _classes(sample: Sample, place: int, X: Array, common: list[Array], run: Run) -> tuple[Part, Array]:
    """Logistic regression on the features and the common directions (as in Ando & Zhang 2005).

    ``common`` holds directions ``(P, r)`` learnt from each inner fold's training rows, then those of
    the whole sample, so that no held-out label shapes its own prediction.
    """
    kind = sample.targets[place].kind
    assert isinstance(kind, Classification)
    rows = np.flatnonzero(sample.known(place))
    y = sample.labels[rows, place]
    folds = sample.folds_within(rows)
    own = np.full((len(sample), kind.width), np.nan)
    if len(rows) < FEWEST_ROWS or len(folds) < len(sample.folds) or len(np.unique(y)) < 2:
        part, own[rows] = fit_constant(sample, place, rows)
        return part, own
    axes = [direction * (REACH / np.maximum((X @ direction).std(axis=0), 1e-9)) for direction in common]
    inputs = [np.hstack([X[rows], X[rows] @ direction]) for direction in axes]
    fitted, own[rows] = fit_logistic(inputs[-1], y, kind, folds, run, by_fold=inputs[:-1])
    merged = fitted.weights[: X.shape[1]] + axes[-1] @ fitted.weights[X.shape[1] :]
    return LinearPart(merged, fitted.intercept, "softmax"), own


def fit_group_sparse(sample: Sample, run: Run) -> Fit:
    """Multi-task elastic net for number targets."""
    encoder = TabularEncoder.fit(sample.table, "linear")
    X = encoder.transform(sample.table)
    weights, intercept, own = elastic_net(X, sample.labels, sample.folds, run)
    parts = tuple(
        (LinearPart(weights[:, [place]], intercept[[place]], "identity"),)
        for place in range(len(sample.targets))
    )
    return Fit(PartsModel(encoder, parts), [own[:, [place]] for place in range(len(sample.targets))])
