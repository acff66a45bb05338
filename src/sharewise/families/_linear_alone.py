"""Linear models of one task: ridge, elastic net, logistic; the penalty by validation."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np

from sharewise.families._cross_fit import choose_rows
from sharewise.families._parts import FEWEST_ROWS, LinearPart
from sharewise.families._sample import Fold, Part, Run
from sharewise.modalities import TabularEncoder
from sharewise.problems import Target
from sharewise.tasks import PROBABILITY_FLOOR, Array, Classification

PENALTIES = np.logspace(-2, 5, 15)
"""Ridge penalties tried, for standardised features and a sum of squared errors."""
INVERSE_PENALTIES = (0.003, 0.03, 0.3, 3.0, 30.0)
"""Logistic regression's C, smallest (strongest penalty) first."""
MIXES = (0.5, 0.95)
"""Shares of the L1 penalty in the elastic net."""


def ridge(X: Array, Y: Array) -> tuple[Array, Array]:
    """Ridge weights ``(P, W)`` and intercepts ``(W,)``, one penalty a column of ``Y`` ``(n, W)``.

    The penalty is chosen by the closed-form leave-one-out error.
    """
    if X.shape[1] == 0:
        return np.zeros((0, Y.shape[1])), Y.mean(axis=0)
    from sklearn.linear_model import RidgeCV

    model = RidgeCV(alphas=PENALTIES, alpha_per_target=True).fit(X, Y)
    return np.atleast_2d(model.coef_).T.reshape(X.shape[1], -1), np.atleast_1d(model.intercept_)


def ridge_with_gaps(X: Array, Z: Array) -> tuple[Array, Array]:
    """`ridge` a column of ``Z`` on the rows where it is known; columns of one pattern share a fit."""
    weights, intercept = np.zeros((X.shape[1], Z.shape[1])), np.zeros(Z.shape[1])
    known = ~np.isnan(Z)
    patterns: dict[bytes, list[int]] = {}
    for place in range(Z.shape[1]):
        patterns.setdefault(known[:, place].tobytes(), []).append(place)
    for places in patterns.values():
        rows = known[:, places[0]]
        if rows.sum() >= FEWEST_ROWS:
            weights[:, places], intercept[places] = ridge(X[rows], Z[rows][:, places])
    return weights, intercept


def filled(X: Array, Z: Array) -> Array:
    """``Z`` ``(n, W)`` with its gaps predicted from ``X`` by ridge on the rows where it is known."""
    if not np.isnan(Z).any():
        return Z
    weights, intercept = ridge_with_gaps(X, Z)
    return np.where(np.isnan(Z), X @ weights + intercept, Z)


def fit_ridge(
    X: Array, y: Array, target: Target, folds: tuple[Fold, ...], encoder: TabularEncoder, run: Run
) -> tuple[Part, Array]:
    """Ridge for a number, logistic regression for a class."""
    if isinstance(target.kind, Classification):
        return fit_logistic(X, y, target.kind, folds, run)
    held_out = np.full((len(y), 1), np.nan)
    for train, valid in folds:
        weights, intercept = ridge(X[train], y[train, None])
        held_out[valid] = X[valid] @ weights + intercept
        run.tick(fits=1)
    weights, intercept = ridge(X, y[:, None])
    run.tick(fits=1)
    return LinearPart(weights, intercept, "identity"), held_out


def fit_elastic_net(
    X: Array, y: Array, target: Target, folds: tuple[Fold, ...], encoder: TabularEncoder, run: Run
) -> tuple[Part, Array]:
    """Elastic net, mix and penalty by the inner folds; logistic regression for a class."""
    if isinstance(target.kind, Classification):
        return fit_logistic(X, y, target.kind, folds, run)
    weights, intercept, held_out = elastic_net(X, y[:, None], folds, run)
    return LinearPart(weights, intercept, "identity"), held_out


def elastic_net(X: Array, Y: Array, folds: tuple[Fold, ...], run: Run) -> tuple[Array, Array, Array]:
    """Elastic net over a path of penalties; with several columns in ``Y`` ``(n, W)`` the penalty is
    the multi-task one, which keeps or drops a feature for all columns at once (Obozinski et al. 2010).

    Columns weigh by their spread, so that units do not matter. Gaps (NaN) in the training rows of a
    fit are first filled by each column's own ridge on those rows. Returns weights ``(P, W)``, intercept
    ``(W,)``, and cross-fitted held-out predictions ``(n, W)``.
    """
    spread = np.nanstd(Y, axis=0)
    spread[spread < 1e-12] = 1.0
    Z = Y / spread
    whole = filled(X, Z)
    centred = whole - whole.mean(axis=0)
    reach = float(np.max(np.linalg.norm((X - X.mean(axis=0)).T @ centred, axis=1), initial=1e-12)) / len(X)
    grid = [(mix, penalty) for mix in MIXES for penalty in reach / mix * np.logspace(0, -3, _PATH)]
    held = np.full((len(grid), *Z.shape), np.nan)
    for train, valid in folds:
        known = filled(X[train], Z[train])
        for place, mix in enumerate(MIXES):
            part = slice(place * _PATH, (place + 1) * _PATH)
            path, intercepts = _path(X[train], known, mix, np.array([penalty for _, penalty in grid[part]]))
            held[part, valid] = np.einsum("np,apw->anw", X[valid], path) + intercepts[:, None]
            run.tick(fits=1)
    held_out, best = choose_rows(held, _mean_known((held - Z) ** 2), folds)
    mix, penalty = grid[best]
    path, intercepts = _path(X, whole, mix, np.array([penalty]))
    run.tick(fits=1)
    return path[0] * spread, intercepts[0] * spread, held_out * spread


def _mean_known(values: Array) -> Array:
    """Mean over the last axis of what is not NaN; NaN where all is."""
    known = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        mean: Array = np.where(known, values, 0.0).sum(axis=-1) / known.sum(axis=-1)
    return mean


_PATH = 30


def _path(X: Array, Z: Array, mix: float, penalties: Array) -> tuple[Array, Array]:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import enet_path

    mean_x, mean_z = X.mean(axis=0), Z.mean(axis=0)
    single = Z.shape[1] == 1
    with warnings.catch_warnings():
        # The weakest penalties of the path may stop short of the tolerance; validation judges them.
        warnings.simplefilter("ignore", ConvergenceWarning)
        _, coefficients, _ = enet_path(
            np.asfortranarray(X - mean_x),
            (Z - mean_z)[:, 0] if single else np.asfortranarray(Z - mean_z),
            l1_ratio=mix,
            alphas=penalties,
            tol=1e-3,
            max_iter=500,
        )
    # (P, A) for one column, (W, P, A) for several; the path runs from strong to weak.
    weights = coefficients.T[:, :, None] if single else np.moveaxis(coefficients, 2, 0).transpose(0, 2, 1)
    return weights, mean_z - np.einsum("p,apw->aw", mean_x, weights)


def fit_logistic(
    X: Array,
    y: Array,
    kind: Classification,
    folds: tuple[Fold, ...],
    run: Run,
    by_fold: Sequence[Array] | None = None,
) -> tuple[LinearPart, Array]:
    """Multinomial logistic regression, penalty by the inner folds' log loss.

    ``by_fold`` holds each fold's own inputs ``(n, P)`` where they were learnt from its training rows.
    """
    held = np.full((len(INVERSE_PENALTIES), len(y), kind.width), np.nan)
    for fold, (train, valid) in enumerate(folds):
        start = None
        inputs = X if by_fold is None else by_fold[fold]
        for place, C in enumerate(INVERSE_PENALTIES):
            part, start = logistic(inputs[train], y[train], kind, C, start)
            held[place, valid] = part.predict(inputs[valid])
            run.tick(fits=1)
    held_out, best = choose_rows(held, log_losses(held, y), folds)
    part, _ = logistic(X, y, kind, INVERSE_PENALTIES[best], None)
    run.tick(fits=1)
    return part, held_out


def log_losses(held: Array, y: Array) -> Array:
    """Log loss ``(C, n)`` of each row under probabilities ``(C, n, W)``."""
    picked = held[:, np.arange(len(y)), y.astype(np.intp)]
    losses: Array = -np.log(np.clip(picked, PROBABILITY_FLOOR, 1.0))
    return losses


def logistic(
    X: Array, y: Array, kind: Classification, C: float, start: tuple[Array, Array] | None
) -> tuple[LinearPart, tuple[Array, Array] | None]:
    """One fit at penalty ``1/C``; classes absent here keep a small constant share.

    ``start`` is what the previous (stronger) penalty ended with, a warm start for this one.
    """
    seen, counts = np.unique(y, return_counts=True)
    width = kind.width
    # A class that these rows lack gets the log odds of half a label.
    intercept = np.full(width, np.log(0.5 / len(y)))
    weights = np.zeros((X.shape[1], width))
    if len(seen) < 2 or X.shape[1] == 0:
        intercept[seen.astype(np.intp)] = np.log(counts / len(y))
        return LinearPart(weights, intercept, "softmax"), None
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=C, max_iter=300, tol=1e-3, warm_start=start is not None)
    if start is not None:
        model.coef_, model.intercept_, model.classes_ = start[0].copy(), start[1].copy(), seen
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X, y)
    codes = seen.astype(np.intp)
    if len(seen) == 2:
        weights[:, codes[1]] = model.coef_[0]
        intercept[codes] = 0.0, model.intercept_[0]
    else:
        weights[:, codes] = model.coef_.T
        intercept[codes] = model.intercept_
    if len(seen) < width:
        # Put the missing classes' odds beside an average row's scores.
        typical = X.mean(axis=0) @ weights + intercept
        top = float(np.log(np.exp(typical[codes]).sum()))
        absent = np.setdiff1d(np.arange(width), codes)
        intercept[absent] = top + np.log(0.5 / len(y))
    return LinearPart(weights, intercept, "softmax"), (model.coef_, model.intercept_)
