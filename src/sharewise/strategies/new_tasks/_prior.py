"""The prior of a mixed model, learnt across tasks by its marginal likelihood.

A row of task t is y = x·β + z·u_t + e with e ~ N(0, σ²/weight), u_t ~ N(0, diag(δ)) (Laird & Ware 1982,
https://doi.org/10.2307/2529876, eq. 2.1) and β ~ N(0, s²) but for its intercept. β is solved for in closed form (its
posterior mean); δ and σ² by the minorise-maximise steps of Zhou et al. 2019
(https://doi.org/10.1080/10618600.2018.1529601, eq. 4–5): a variance is multiplied by the root of a ratio, so it stays
positive and the likelihood never falls, whatever columns are collinear or constant.

Symbols: ``T`` tasks, ``n`` rows, ``p`` columns of x (the first is 1), ``q`` columns of z. ``V_t`` = σ² + Z diag(δ) Z' is
the covariance of a task's labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from sharewise.tasks import Array

SMALLEST = 1e-10
"""Least variance, in units of the labels' own."""


@dataclass(frozen=True)
class Sums:
    """What the likelihood needs of the rows; their number no longer matters.

    Attributes:
        zz, zx, zy: ``(T, q, q)``, ``(T, q, p)``, ``(T, q)`` weighted sums of products in each task.
        xx, xy, yy: ``(p, p)``, ``(p,)`` and a number: of all rows.
        rows: ``n``.
    """

    zz: Array
    zx: Array
    zy: Array
    xx: Array
    xy: Array
    yy: float
    rows: int

    @classmethod
    def of(cls, x: Array, z: Array, y: Array, weight: Array | None, tasks: Sequence[slice]) -> Sums:
        """Of ``(n, p)``, ``(n, q)``, ``(n,)`` sorted by task, and weights ``(n,)`` of the rows (None: 1)."""
        wx, wz, wy = (x, z, y) if weight is None else (x * weight[:, None], z * weight[:, None], y * weight)
        return cls(
            np.array([wz[own].T @ z[own] for own in tasks]),
            np.array([wz[own].T @ x[own] for own in tasks]),
            np.array([wz[own].T @ y[own] for own in tasks]),
            wx.T @ x,
            wx.T @ y,
            float(wy @ y),
            len(y),
        )


@dataclass(frozen=True)
class Prior:
    """Where a new task starts.

    Attributes:
        mean: ``(p,)`` β, the intercept first.
        spread: ``(q,)`` δ.
        noise: σ².
        slack: s², the variance of β.
    """

    mean: Array
    spread: Array
    noise: float
    slack: float


@dataclass(frozen=True)
class Step:
    """One step of learning.

    Attributes:
        prior: After it.
        u: ``(T, q)`` posterior means of the tasks' effects before it.
        evidence: Log marginal likelihood before it, up to a constant.
    """

    prior: Prior
    u: Array
    evidence: float


def step(sums: Sums, prior: Prior, *, known_noise: bool = False) -> Step:
    """β in closed form, then one multiplicative step of every variance.

    Args:
        known_noise: σ² stays (as for working labels of classes, whose weights carry it).
    """
    root, noise = np.sqrt(prior.spread), prior.noise
    width = len(root)
    inner = np.eye(width) + root[:, None] * sums.zz * root / noise
    M = root[:, None] * np.linalg.inv(inner) * root  # (δ⁻¹ + Z'Z/σ²)⁻¹, safe where δ is 0

    # β: its precision is Σ X'V⁻¹X + 1/s², with V⁻¹ = (1 − Z M Z'/σ²)/σ².
    mzx = M @ sums.zx
    precision = (sums.xx - np.einsum("tqp,tqr->pr", sums.zx, mzx) / noise) / noise
    target = (sums.xy - np.einsum("tqp,tq->p", mzx, sums.zy) / noise) / noise
    loose = np.full(len(target), 1.0 / prior.slack)
    loose[0] = 1e-8 * precision[0, 0]
    covariance = np.linalg.inv(precision + np.diag(loose))
    mean = covariance @ target
    slopes = mean[1:] ** 2 + np.diag(covariance)[1:]
    slack = float(slopes.mean()) if len(slopes) else prior.slack

    # Residuals r = y − Xβ enter as Z'r and r'r.
    zr = sums.zy - sums.zx @ mean
    rr = sums.yy - 2 * mean @ sums.xy + mean @ sums.xx @ mean
    u = np.einsum("tqr,tr->tq", M, zr) / noise
    zzu = np.einsum("tqr,tr->tq", sums.zz, u)
    pull = ((zr - zzu) / noise) ** 2  # (Z'V⁻¹r)²
    mzz = M @ sums.zz
    need = (np.einsum("tqq->tq", sums.zz) - np.einsum("tqr,trq->tq", sums.zz, mzz) / noise) / noise  # Z'V⁻¹Z
    # A column of a constant 0 pulls and needs nothing: its variance does not matter.
    ratio = pull.sum(axis=0) / np.maximum(need.sum(axis=0), 1e-300)
    spread = np.maximum(prior.spread * np.sqrt(ratio), SMALLEST)
    square = max(rr - 2 * float((u * zr).sum()) + float((u * zzu).sum()), 0.0)  # |r − Zu|² = |σ² V⁻¹ r|²
    trace = (sums.rows - float(np.einsum("tqq->", mzz)) / noise) / noise
    evidence = -0.5 * (
        sums.rows * np.log(noise)
        + float(np.linalg.slogdet(inner)[1].sum())
        + (rr - float((u * zr).sum())) / noise
    )
    if not known_noise:
        noise = max(noise * float(np.sqrt(square / noise**2 / max(trace, 1e-300))), SMALLEST)
    return Step(
        replace(prior, mean=mean, spread=spread, noise=noise, slack=max(slack, SMALLEST)), u, evidence
    )


def posterior(prior: Prior, x: Array, z: Array, y: Array) -> Array:
    """``(q,)`` mean of a new task's effects given ``k`` rows (Laird & Ware 1982, eq. 3.2)."""
    r = y - x @ prior.mean
    if len(y) < len(prior.spread):
        scaled = z * prior.spread
        return np.asarray(scaled.T @ np.linalg.solve(scaled @ z.T + prior.noise * np.eye(len(y)), r))
    root = np.sqrt(prior.spread)
    scaled = z * root
    return np.asarray(
        root * np.linalg.solve(scaled.T @ scaled + prior.noise * np.eye(len(root)), scaled.T @ r)
    )
