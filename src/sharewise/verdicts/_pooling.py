"""What sharing does to each task, when every task's own estimate is weak: the tasks inform one another.

A hierarchical model (Gelman et al., *Bayesian Data Analysis*, section 5.4; for comparisons of learners
Corani, Benavoli, Demšar, Mangili and Zaffalon 2017): task ``t`` gains ``θ_t = μ + δ_t`` with
``δ_t ~ N(0, τ²)``. The rounds tell ``μ``, the mean over tasks, and each task's deviation from it. How far
tasks differ, ``τ``, is integrated over a half-Cauchy prior whose scale is the mean gain itself or the ROPE,
whichever is larger. Where tasks are alike their own noise is not taken for harm; where one stands out, it
keeps its own estimate.

Symbols: ``T`` tasks, ``G`` values of ``τ``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr

from sharewise.tasks import Array
from sharewise.verdicts._difference import Difference

GRID = 60
LEND = 1.0
"""Degrees of freedom that the tasks' common error variance counts for, as a multiple of a task's own
(Smyth 2004: a variance from five rounds alone is too often next to nothing)."""


@dataclass(frozen=True)
class Pooled:
    """Posterior of every task's gain.

    Attributes:
        mean, error: ``(T,)``, and its standard deviation.
        losing, gaining: ``(T,)`` probabilities of a loss, and of a gain, beyond the ROPE.
    """

    mean: Array
    error: Array
    losing: Array
    gaining: Array


def pool(overall: Difference, deviations: Sequence[Difference], *, rope: float) -> Pooled:
    """The posterior of ``T`` tasks.

    Args:
        overall: Mean gain over tasks, with an interval.
        deviations: Each task's gain less the mean over tasks; one without an interval says nothing.
    """
    means = np.array([found.mean if found.interval is not None else 0.0 for found in deviations])
    errors = moderated(deviations)
    scale = max(rope, abs(overall.mean))
    taus = scale * np.tan(np.pi / 2 * (np.arange(GRID) + 0.5) / GRID)
    total = taus[:, None] ** 2 + errors**2  # (G, T)
    finite = np.isfinite(errors)
    fit = np.where(finite, -0.5 * (np.log(np.where(finite, total, 1.0)) + means**2 / total), 0.0).sum(axis=1)
    weight = np.exp(fit - fit.max())
    weight /= weight.sum()
    keep = np.where(finite, taus[:, None] ** 2 / total, 0.0)
    centre = overall.mean + keep * means
    variance = overall.error**2 + (1 - keep) * taus[:, None] ** 2  # (1 - keep) τ² = keep · error²
    sure = np.maximum(np.sqrt(variance), 1e-12)
    losing = stdtr(overall.freedom, (-rope - centre) / sure)
    gaining = stdtr(overall.freedom, (centre - rope) / sure)
    mean = weight @ centre
    error = np.sqrt(weight @ (variance + (centre - mean) ** 2))
    return Pooled(mean, error, weight @ losing, weight @ gaining)


def safe(losing: Array, *, limit: float) -> NDArray[np.bool_]:
    """``(T,)`` the largest set of tasks of which at most a share ``limit`` is expected to lose: those least
    likely to, as long as their mean probability stays within it (the Bayesian false discovery rate of
    Müller, Parmigiani and Rice 2007)."""
    order = np.argsort(losing, kind="stable")
    running = np.cumsum(losing[order]) / np.arange(1, len(losing) + 1)
    chosen = np.zeros(len(losing), dtype=bool)
    chosen[order[running <= limit]] = True
    return chosen


def moderated(differences: Sequence[Difference]) -> Array:
    """Standard errors ``(T,)``, each variance drawn towards their mean; infinite where a task says nothing."""
    known = np.array([found.interval is not None for found in differences], dtype=bool)
    variances = np.array([found.error**2 if found.interval is not None else np.inf for found in differences])
    if known.any():
        variances[known] = (variances[known] + LEND * variances[known].mean()) / (1 + LEND)
    errors: Array = np.maximum(np.sqrt(variances), 1e-9)
    return errors
