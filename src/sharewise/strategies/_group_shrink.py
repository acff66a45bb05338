"""Gains shrunk for having picked the best of many groups, so that about what is promised is delivered.

Symbols: ``n`` groups, ``T`` tasks.
"""

from __future__ import annotations

import numpy as np

from sharewise.tasks import Array

POOLED = 8.0
"""A task's own variances count as much as those of all tasks once it has so many groups more than one."""
LEAST_KEPT = 0.05
"""Of a difference between groups, however noisy, so that the better one still comes first."""
REACH = 10.0
"""Standard errors below a task's best gain at which worse ones are taken to lie: how badly some groups ruin
a task says nothing of how much the good ones differ."""


def shrunken(gains: Array, errors: Array) -> Array:
    """Empirical Bayes estimates of gains, which picking the best does not flatter.

    A task's measured gains are ``y_S ~ N(θ_S, e²)`` with ``θ_S ~ N(μ, τ²)`` over the groups ``S`` that hold it.
    The posterior mean, ``μ + (1 - e² / (e² + τ²)) (y_S - μ)`` with ``μ`` and ``e² + τ²`` estimated by mean and
    variance over groups (Efron & Morris 1975), is the same whether or not ``S`` was picked for its ``y_S``
    (Dawid 1994). Variances of tasks with few groups lean on those of all tasks.

    Args:
        gains: ``(n, T)``, NaN outside a group.
        errors: ``(n, T)`` standard errors, NaN where not known; where none is known, gains stay as they are.
    """
    known = ~np.isnan(gains)
    measured = known & ~np.isnan(errors)
    if not measured.any():
        return gains.copy()
    count = known.sum(axis=0)
    # A median: a group that ruins a task measures its ruin badly, and does not come into question.
    own = np.zeros(len(count))
    for task in np.flatnonzero(measured.any(axis=0)):
        own[task] = np.median(errors[measured[:, task], task] ** 2)
    noise = _pooled(own, np.where(measured.any(axis=0), count, 0))
    top = np.where(known, gains, -np.inf).max(axis=0)
    near = np.where(known, np.maximum(gains, top - REACH * np.sqrt(noise)), 0.0)
    mean = near.sum(axis=0) / np.maximum(count, 1)
    squares = np.where(known, (near - mean) ** 2, 0.0).sum(axis=0)
    between = _pooled(squares / np.maximum(count - 1, 1), count)
    kept = np.clip(1.0 - noise / np.maximum(between, 1e-300), LEAST_KEPT, 1.0)
    shrunk = np.minimum(mean + kept * (near - mean), np.where(gains < near, gains, np.inf))
    found: Array = np.where(known, shrunk, np.nan)
    return found


def _pooled(variance: Array, count: Array) -> Array:
    """Each task's variance ``(T,)``, drawn towards the mean over tasks the fewer groups are behind it."""
    freedom = np.maximum(count - 1, 0)
    total = freedom.sum()
    common = (variance * freedom).sum() / total if total else float(variance.mean())
    pooled: Array = (variance * freedom + common * POOLED) / (freedom + POOLED)
    return pooled
