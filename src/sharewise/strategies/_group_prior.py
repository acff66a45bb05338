"""Hints at which tasks go together, from what a study has anyway; only real trainings decide.

How much of one task's labels can another task's *separate* model explain? Affinities are known to mislead
(Standley et al. 2020), so `GroupSearch` only starts from them.

Symbols: ``n`` rows, ``D`` targets, ``L`` levels, ``P`` features, ``T`` tasks, ``W`` columns of labels and
predictions (one a number, one a class).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sharewise.families import Predictions, Sample
from sharewise.modalities import TabularEncoder
from sharewise.tasks import Array, Classification, Kind

MOST_FEATURES = 32
"""A level's own linear model reads at most so many (principal) directions of the features."""
FEWEST_PAIRS = 8
"""Tasks that meet on fewer rows than this say nothing of each other."""


def affinity(sample: Sample, held_out: Predictions, cells: Sequence[int] | None = None) -> Array:
    """How well each task is explained by each other one's separate model, ``(T, T)`` in -1 … 1.

    Entry ``[i, j]`` is the squared correlation (its sign kept in a long table) of task ``i``'s labels with
    what task ``j``'s model says about the same rows, as a share of what ``i``'s own model reaches: about 0
    for strangers, 1 where the other model is as good, negative for opposites. Where both target and level
    differ it is the product of the two shares.

    Args:
        sample: Training rows.
        held_out: Of the separate models, as in their `Fit`; read between targets, which share rows. Levels
            do not: there each one's small ridge regression is applied to the others' rows.
        cells: Codes ``target * L + level`` of the ``T`` tasks; all cells by default.
    """
    targets, levels = len(sample.targets), sample.n_levels
    between = across_targets(sample, held_out) if targets > 1 else np.ones((1, 1))
    whole = np.empty((targets, levels, targets, levels))
    for place in range(targets):
        own = across_levels(sample, place) if sample.level is not None else np.ones((1, 1))
        whole[place] = own[:, None, :] * between[place][None, :, None]
    codes = np.arange(targets * levels) if cells is None else np.asarray(cells)
    found: Array = whole.reshape(targets * levels, -1)[np.ix_(codes, codes)]
    return found


def across_targets(sample: Sample, held_out: Predictions) -> Array:
    """`affinity` of the targets ``(D, D)``, over all levels; the best pair of columns speaks for a class."""
    blocks = [_columns(sample.labels[:, place], target.kind) for place, target in enumerate(sample.targets)]
    Y, guess = np.hstack(blocks), np.hstack(held_out)
    Y = Y - np.nanmean(np.where(np.isnan(Y).all(axis=0), 0.0, Y), axis=0)
    known, said = (~np.isnan(Y)).astype(np.float64), (~np.isnan(guess)).astype(np.float64)
    y, f = np.nan_to_num(Y), np.nan_to_num(guess)
    rows = known.T @ said  # every sum below runs over the rows where both are known, (W, W)
    with np.errstate(invalid="ignore", divide="ignore"):
        shared = y.T @ f - (y.T @ said) * (known.T @ f) / rows
        spread_y = (y**2).T @ said - (y.T @ said) ** 2 / rows
        spread_f = known.T @ f**2 - (known.T @ f) ** 2 / rows
        square = shared**2 / (spread_y * spread_f) - 1 / rows
    square[~np.isfinite(square) | (rows < FEWEST_PAIRS)] = 0.0
    starts = np.cumsum([0, *(block.shape[1] for block in blocks[:-1])])
    best = np.maximum.reduceat(np.maximum.reduceat(square, starts, axis=0), starts, axis=1)
    return _as_share(np.maximum(best, 0.0))


def _columns(labels: Array, kind: Kind) -> Array:
    """Labels ``(n,)`` as numbers or indicators of the classes ``(n, W)``, NaN where unknown."""
    if not isinstance(kind, Classification):
        return labels[:, None]
    hot: Array = (labels[:, None] == np.arange(kind.width)).astype(np.float64)
    hot[np.isnan(labels)] = np.nan
    return hot


def across_levels(sample: Sample, place: int) -> Array:
    """`affinity` of the levels of one target ``(L, L)``, by their ridge regressions."""
    assert sample.level is not None
    rows = np.flatnonzero(sample.known(place))
    y, level = sample.labels[rows, place], sample.level[rows]
    X = _directions(TabularEncoder.fit(sample.table, "linear").transform(sample.table)[rows])
    grams = np.zeros((sample.n_levels, X.shape[1], X.shape[1]))
    products, spreads = np.zeros(grams.shape[:2]), np.zeros(sample.n_levels)
    own, counts = np.zeros(sample.n_levels), np.bincount(level, minlength=sample.n_levels)
    order = np.argsort(level, kind="stable")
    ends = np.cumsum(counts)
    for code in np.flatnonzero(counts >= 2):
        mine = order[ends[code] - counts[code] : ends[code]]
        A, b = X[mine] - X[mine].mean(axis=0), y[mine] - y[mine].mean()
        grams[code], products[code], spreads[code] = A.T @ A, A.T @ b, b @ b
        own[code] = _left_out(A, b)
    # A penalty of P is that of a signal as strong as the noise, for standardised features.
    ridged = grams + X.shape[1] * np.eye(X.shape[1])
    weights = np.linalg.solve(ridged, products[:, :, None])[:, :, 0]
    shared = products @ weights.T
    spread_f = np.stack([((gram @ weights.T) * weights.T).sum(axis=0) for gram in grams])
    with np.errstate(invalid="ignore", divide="ignore"):
        square = shared**2 / (spreads[:, None] * spread_f) - 1 / counts[:, None]
    square[~np.isfinite(square) | (counts < FEWEST_PAIRS)[:, None]] = 0.0
    signed = np.sign(shared) * np.maximum(square, 0.0)
    np.fill_diagonal(signed, own)
    return _as_share(signed)


def _directions(X: Array) -> Array:
    """At most `MOST_FEATURES` principal directions ``(n, P)``, the first of standard deviation 1."""
    X = X - X.mean(axis=0)
    left, size, _ = np.linalg.svd(X, full_matrices=False)
    kept = max(1, min(MOST_FEATURES, int((size > 1e-9 * size[0]).sum()))) if len(size) else 0
    scores: Array = left[:, :kept] * size[:kept]
    return scores


def _left_out(A: Array, b: Array) -> float:
    """Squared correlation of ``b`` ``(n,)`` with leave-one-out ridge predictions from ``A`` ``(n, P)``."""
    hat = A @ np.linalg.solve(A.T @ A + A.shape[1] * np.eye(A.shape[1]), A.T)
    guess = b - (b - hat @ b) / np.maximum(1.0 - np.diag(hat) - 1.0 / len(b), 1e-6)
    if np.ptp(guess) < 1e-12 or np.ptp(b) < 1e-12:
        return 0.0
    return max(float(np.corrcoef(guess, b)[0, 1]), 0.0) ** 2


def _as_share(explained: Array) -> Array:
    """Rows divided by their own model's part, or by the entry where the other model explains more."""
    own = np.diag(explained)[:, None]
    base = np.maximum(np.maximum(own, np.abs(explained)), 1e-12)
    share: Array = explained / base
    np.fill_diagonal(share, 1.0)
    return share


__all__ = ["affinity"]
