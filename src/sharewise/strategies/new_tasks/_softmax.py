"""Logistic regression with Gaussian priors, for supports of a few rows: no line search, many fits side by side.

Symbols: ``n`` rows, ``P`` features, ``d`` directions (at most ``min(n, P)``), ``W`` classes, ``G`` fits side by side.

The Hessian of the log loss never exceeds ½ A'A (Böhning 1992, https://doi.org/10.1007/BF00048682, eq. 3.4: here with
½(I − 11'/W) bounded by ½ I). In directions where A'A is diagonal a step with that bound costs two products with A;
Nesterov's momentum with restarts (O'Donoghue & Candès 2015, section 3.2) makes the steps few.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sharewise.tasks import Array

MOST_STEPS = 300
TOLERANCE = 1e-6


@dataclass(frozen=True)
class Directions:
    """Features in the directions in which they are uncorrelated.

    Attributes:
        A: ``(n, d)`` with ``A'A = diag(square)``.
        square: ``(d,)``.
        axes: ``(P, d)``: weights ``B`` of ``A`` are weights ``axes @ B`` of the features.
    """

    A: Array
    square: Array
    axes: Array

    @classmethod
    def of(cls, X: Array) -> Directions:
        """By the singular values of ``X`` ``(n, P)``; directions without spread are left out."""
        U, s, axes = np.linalg.svd(X, full_matrices=False)
        kept = s > 1e-9 * max(s.max(initial=0.0), 1e-300)
        return cls(U[:, kept] * s[kept], s[kept] ** 2, axes[kept].T)

    def with_intercept(self) -> Directions:
        """A first direction in which all rows are one; the others must be centred."""
        n, d = self.A.shape
        axes = np.zeros((len(self.axes) + 1, d + 1))
        axes[0, 0], axes[1:, 1:] = 1.0, self.axes
        return Directions(np.column_stack([np.ones(n), self.A]), np.concatenate([[n], self.square]), axes)


def softmax(scores: Array) -> Array:
    """Scores ``(…, W)`` to probabilities."""
    shares = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=-1, keepdims=True))


def fit_softmax(
    directions: Directions,
    Y: Array,
    penalties: Array,
    *,
    offset: Array | None = None,
    rows: Array | None = None,
    tolerance: float = TOLERANCE,
) -> Array:
    """Weights ``(G, d, W)`` that minimise the summed log loss plus ``½ Σ penalties · B²``.

    Args:
        directions: Of the rows.
        Y: ``(n, W)`` indicators of classes.
        penalties: ``(G, d)`` precisions of the prior, above zero.
        offset: ``(n, W)`` scores to start from.
        rows: ``(G, n)`` weights of the rows, at most 1: 0 leaves a row out of a fit.
        tolerance: A fit ends when no step in any direction moves the rows' scores by more than this.
    """
    A = directions.A
    bound = 0.5 * directions.square + penalties
    reach = np.sqrt(directions.square / max(len(A), 1))[:, None]
    start = np.zeros((1, 1)) if offset is None else offset
    weigh = np.ones((len(penalties), 1)) if rows is None else rows
    B = ahead = np.zeros((*penalties.shape, Y.shape[1]))
    pace = 1.0
    for _ in range(MOST_STEPS):
        miss = weigh[:, :, None] * (softmax(A @ ahead + start) - Y)
        step = (A.T @ miss + penalties[:, :, None] * ahead) / bound[:, :, None]
        new = ahead - step
        if float((np.abs(step) * reach).max(initial=0.0)) < tolerance:
            return new
        # Momentum that points uphill is dropped, for all fits at once: they share the schedule.
        if float((step * bound[:, :, None] * (new - B)).sum()) > 0:
            pace = 1.0
        following = (1 + np.sqrt(1 + 4 * pace**2)) / 2
        ahead, B, pace = new + (pace - 1) / following * (new - B), new, following
    return B
