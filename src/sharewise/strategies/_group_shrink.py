"""Gains shrunk for having picked the best of many groups, so that what is promised is delivered.

Symbols: ``n`` groups, ``T`` tasks.
"""

from __future__ import annotations

import numpy as np

from sharewise.tasks import Array

POOLED = 8.0
"""A task's own variances count as much as those of all tasks together once it has so many groups more than 1."""
LEAST_KEPT = 0.05
"""Of a difference between groups, however noisy, so that the better one still comes first."""
UNKNOWN_NOISE = 0.5
"""Share of the variance between groups taken for noise where no standard error is told."""


def shrunken(gains: Array, errors: Array) -> Array:
    """Empirical Bayes estimates of gains, which stay unbiased when the best is picked.

    Of a task's gains ``y_S ~ N(θ_S, e²)``, ``θ_S ~ N(μ, τ²)`` over the groups ``S`` that hold it, the posterior
    mean is ``μ + (1 - e² / (e² + τ²)) (y_S - μ)`` (Efron & Morris 1975, eq. 1.4 with the denominator estimated
    by the variance between groups; Efron 2011 on why picking does not hurt it). Variances of tasks with few
    groups lean on those of all tasks.

    Args:
        gains: ``(n, T)``, NaN outside a group.
        errors: ``(n, T)`` standard errors, NaN where not known.
    """
    known = ~np.isnan(gains)
    count = known.sum(axis=0)
    mean = np.where(known, gains, 0.0).sum(axis=0) / np.maximum(count, 1)
    squares = np.where(known, (gains - mean) ** 2, 0.0).sum(axis=0)
    between = _pooled(squares / np.maximum(count - 1, 1), count)
    measured = ~np.isnan(errors) & known
    if measured.any():
        # A median, as a group that ruins a task measures its ruin badly, and does not come into question.
        own = [
            np.median(errors[measured[:, t], t] ** 2) if measured[:, t].any() else 0.0
            for t in range(len(count))
        ]
        noise = _pooled(np.array(own), np.where(measured.any(axis=0), count, 0))
    else:
        noise = UNKNOWN_NOISE * between
    kept = np.clip(1.0 - noise / np.maximum(between, 1e-300), LEAST_KEPT, 1.0)
    shrunk: Array = mean + kept * (gains - mean)
    return shrunk


def _pooled(variance: Array, count: Array) -> Array:
    """Each task's variance ``(T,)``, drawn towards the mean over tasks the fewer groups are behind it."""
    freedom = np.maximum(count - 1, 0)
    total = freedom.sum()
    common = (variance * freedom).sum() / total if total else 0.0
    pooled: Array = (variance * freedom + common * POOLED) / (freedom + POOLED)
    return pooled
