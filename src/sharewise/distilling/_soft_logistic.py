"""Multinomial logistic regression on probabilities in place of classes.

Symbols: ``n`` rows, ``P`` features, ``W`` classes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import minimize

from sharewise.families._parts import LinearPart
from sharewise.tasks import PROBABILITY_FLOOR, Array

MOST_STEPS = 200


def soft_logistic(X: Array, aims: Array, C: float, start: Array | None = None) -> Array:
    """Weights over an intercept ``(P + 1, W)`` that minimise ``C·Σ -aims·log p + |weights|²/2``, by L-BFGS.

    The same as fitting every row once for each class, weighted by its probability. A class without any probability
    gets half a label's, as in the families' own logistic regression.

    Args:
        X: ``(n, P)``.
        aims: ``(n, W)``, rows summing to 1.
        C: Inverse penalty, as scikit-learn writes it.
        start: What a neighbouring ``C`` ended with.
    """
    spare = 0.5 / len(X)
    Q = (1 - spare) * aims + spare / aims.shape[1]
    shape = X.shape[1] + 1, aims.shape[1]

    def loss(flat: Array) -> tuple[float, Array]:
        weights = flat.reshape(shape)
        scores = X @ weights[:-1] + weights[-1]
        scores -= scores.max(axis=1, keepdims=True)
        total = np.log(np.exp(scores).sum(axis=1, keepdims=True))
        difference = np.exp(scores - total) - Q
        slope = np.vstack([C * X.T @ difference + weights[:-1], C * difference.sum(axis=0)[None]])
        value = -C * float((Q * (scores - total)).sum()) + 0.5 * float((weights[:-1] ** 2).sum())
        return value / (C * len(X)), slope.ravel() / (C * len(X))

    if start is None:
        start = np.zeros(shape)
        start[-1] = np.log(Q.mean(axis=0))
    fun: Any = loss  # whose value and slope come together
    options: Any = {"maxiter": MOST_STEPS, "ftol": 1e-10, "gtol": 1e-6}
    found = minimize(fun, start.ravel(), jac=True, method="L-BFGS-B", options=options)
    weights: Array = found.x.reshape(shape)
    return weights


def as_part(weights: Array) -> LinearPart:
    """Weights of `soft_logistic` as a fitted predictor."""
    return LinearPart(weights[:-1], weights[-1], "softmax")


def soft_losses(found: Array, aims: Array) -> Array:
    """``(n,)`` cross-entropy of probabilities ``(n, W)`` against the aimed ones."""
    losses: Array = -(aims * np.log(np.clip(found, PROBABILITY_FLOOR, 1.0))).sum(axis=1)
    return losses
