"""Scores of ordered classes: what they cost grows with the distance from the right one.

Symbols: ``n`` rows; ``K`` classes, coded 0 to ``K - 1`` in their order.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

ROUNDING = 1e-9
"""A cumulative probability that is a half but for rounding counts as a half."""


def median_class(prediction: NDArray[np.float64]) -> NDArray[np.intp]:
    """``(n, K)`` probabilities to ``(n,)`` codes: the first class that half of the probability does not exceed."""
    below = np.cumsum(prediction, axis=1)[:, :-1] < 0.5 - ROUNDING
    codes: NDArray[np.intp] = below.sum(axis=1)
    return codes


def rps(y: NDArray[np.float64], prediction: NDArray[np.float64]) -> float:
    """Ranked probability score: the mean squared distance between the cumulative probabilities and the truth's.

    Epstein, *A Scoring System for Probability Forecasts of Ranked Categories*, Journal of Applied Meteorology 8,
    1969; in the form of Murphy 1971 divided by ``K - 1``, so that 0 is perfect, 1 the other end of the scale, and
    two classes give the Brier score. It is proper: only honest probabilities reach the least expected score.
    """
    if prediction.shape[1] < 2:
        return 0.0
    reached = y[:, None] <= np.arange(prediction.shape[1] - 1)
    return float(np.mean((np.cumsum(prediction, axis=1)[:, :-1] - reached) ** 2))


def mae_ranks(y: NDArray[np.float64], prediction: NDArray[np.float64]) -> float:
    """Mean distance, in classes, of the median class, which of all classes has the least expected distance."""
    return float(np.mean(np.abs(median_class(prediction) - y)))


def quadratic_kappa(y: NDArray[np.float64], prediction: NDArray[np.float64]) -> float:
    """Agreement of the median class beyond chance, with squared distances (Cohen, *Weighted kappa*, Psychological
    Bulletin 70, 1968); NaN where truth and prediction are one class throughout."""
    found = median_class(prediction).astype(np.float64)
    observed = float(np.mean((y - found) ** 2))
    # By chance: every truth beside every prediction.
    chance = float(y.var() + found.var() + (y.mean() - found.mean()) ** 2)
    return 1.0 - observed / chance if chance > 0 else float("nan")


def accuracy_median(y: NDArray[np.float64], prediction: NDArray[np.float64]) -> float:
    """Share of rows whose median class is the right one."""
    return float(np.mean(median_class(prediction) == y))
