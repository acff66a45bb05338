"""Scores that every benchmark here shares, so that their numbers may stand in one table.

Nothing to run; in code, from a script beside this file::

    import scores
    error = scores.rmse(truth, prediction)        # (T,)
    mean, low, high = scores.corrected_interval(gains, test_share=0.2)

Symbols: ``N`` rows, ``T`` targets (or tasks of a long table), ``R`` runs (repeats x folds).
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Array = NDArray[np.float64]
Implied = Literal["share", "separate", "equivalent", "unclear"]


def rmse(truth: Array, prediction: Array) -> Array:
    """Root mean squared error of each column, ``(T,)``; gaps in ``truth`` do not count, NaN where all are."""
    known = ~np.isnan(truth)
    count = known.sum(axis=0)
    squares = np.where(known, (truth - prediction) ** 2, 0.0).sum(axis=0)
    mean = np.divide(squares, count, out=np.full(truth.shape[1], np.nan), where=count > 0)
    return np.asarray(np.sqrt(mean), np.float64)


def rmse_by_task(truth: Array, prediction: Array, place: NDArray[np.intp], n_tasks: int) -> Array:
    """RMSE of each task of a long table, ``(n_tasks,)``; ``place`` ``(N,)`` holds each row's task."""
    count = np.bincount(place, minlength=n_tasks)
    squares = np.bincount(place, weights=(truth - prediction) ** 2, minlength=n_tasks)
    mean = np.divide(squares, count, out=np.full(n_tasks, np.nan), where=count > 0)
    return np.asarray(np.sqrt(mean), np.float64)


def gains(separate: Array, shared: Array) -> Array:
    """Relative gain of ``shared`` in each run, ``(R,)``, from RMSE ``(R, T)`` of both.

    The mean over runs is the mean over targets of ``(mean sep - mean shared) / mean sep``: a target is
    divided by its mean over runs, not by each run's own value, which may be near zero in a small fold.
    """
    scale = np.nanmean(separate, axis=0)
    usable = scale > 0
    parts = (separate[:, usable] - shared[:, usable]) / scale[usable]
    runs = np.isfinite(parts).sum(axis=0)
    # A target missing from some runs weighs as much as the others in the mean over runs.
    weighted = np.where(np.isfinite(parts), parts, 0.0) * (len(parts) / runs)
    return np.asarray(weighted.mean(axis=1), np.float64)


def relative(errors: Array, floor: Array) -> float:
    """aRRMSE: errors ``(R, T)`` over those of the training mean ``(R, T)``, averaged over targets."""
    scale = np.nanmean(floor, axis=0)
    return float(np.mean(np.nanmean(errors, axis=0)[scale > 0] / scale[scale > 0]))


def corrected_interval(values: Array, test_share: float, level: float = 0.95) -> tuple[float, float, float]:
    """Mean and interval of ``R`` runs of repeated K-fold, whose training rows overlap.

    Nadeau & Bengio, Inference for the generalization error (2003): the variance of the mean is
    ``(1/R + n_test/n_train) s²``; Student's t with ``R - 1`` degrees of freedom.

    Args:
        values: ``(R,)``.
        test_share: Test rows over all rows, ``1/K``.
        level: Of the interval.
    """
    runs = len(values)
    mean = float(np.mean(values))
    if runs < 2:
        return mean, -np.inf, np.inf
    error = np.sqrt((1 / runs + test_share / (1 - test_share)) * np.var(values, ddof=1))
    half = float(stats.t.ppf(0.5 + level / 2, runs - 1) * error)
    return mean, mean - half, mean + half


def implied(low: float, high: float, rope: float = 0.01) -> Implied:
    """What an interval of a gain says: equivalent when all of it is within ``rope``, else its sign."""
    if -rope < low and high < rope:
        return "equivalent"
    if low > 0:
        return "share"
    return "separate" if high < 0 else "unclear"
