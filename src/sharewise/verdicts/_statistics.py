"""Intervals and probabilities for differences measured on overlapping folds.

Symbols: ``J`` rounds (outer folds over all repeats), ``T`` tasks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from sharewise.tasks import Array, Metric

MOST_GAIN = 1.0
"""A task counts at most this much, either way, in one round: a task that one strategy predicts almost
exactly would else outweigh all others."""


@dataclass(frozen=True)
class Difference:
    """A relative gain with what is known of it.

    Attributes:
        mean: Average over rounds; 0.01 is one percent.
        interval: At the confidence asked for; None where fewer than two rounds say anything.
        better, equivalent, worse: Posterior probabilities of a gain above, inside and below the region
            of practical equivalence (Benavoli et al. 2017); None without an interval.
        p_value: Two-sided, of no difference.
        rounds: ``J``.
        spread: Standard deviation over rounds.
        overlap: Test rows per training row of a round.
    """

    mean: float
    interval: tuple[float, float] | None
    better: float | None
    equivalent: float | None
    worse: float | None
    p_value: float | None
    rounds: int
    spread: float
    overlap: float


def difference(values: Array, *, overlap: float, rope: float, confidence: float) -> Difference:
    """The corrected resampled t-test (Nadeau & Bengio 2003) and its Bayesian reading (Corani & Benavoli
    2015): variance ``(1/J + overlap) s²``, Student's t with ``J - 1`` degrees of freedom.

    Args:
        values: ``(J,)`` differences, one a round; NaN where a round says nothing.
        overlap: Test rows per training row: folds share training rows, so their differences are
            correlated and the plain ``s²/J`` is too small.
    """
    known = values[~np.isnan(values)]
    count = len(known)
    mean = float(known.mean()) if count else float("nan")
    if count < 2:
        return Difference(mean, None, None, None, None, None, count, float("nan"), overlap)
    spread = float(known.std(ddof=1))
    error = np.sqrt((1.0 / count + overlap) * spread**2)
    if error < 1e-12:
        inside, above = abs(mean) <= rope, mean > rope
        p_value = 1.0 if abs(mean) < 1e-12 else 0.0
        return Difference(
            mean, (mean, mean), float(above), float(inside), float(not inside and not above),
            p_value, count, spread, overlap,
        )  # fmt: skip
    posterior = stats.t(df=count - 1, loc=mean, scale=error)
    half = float(stats.t.ppf(0.5 + confidence / 2, df=count - 1) * error)
    better, worse = float(posterior.sf(rope)), float(posterior.cdf(-rope))
    p_value = float(2 * stats.t.sf(abs(mean) / error, df=count - 1))
    return Difference(
        mean, (mean - half, mean + half), better, 1.0 - better - worse, worse, p_value, count, spread, overlap
    )  # fmt: skip


def gains(scores: Array, reference: Array, metrics: Sequence[Metric]) -> Array:
    """Relative gains ``(J, T)`` of ``scores`` over ``reference``, both ``(J, T)``.

    A task's gain in a round is divided by the reference's mean over rounds, not by that round's value:
    on few test rows the latter can be next to nothing by chance.
    """
    found = np.full(scores.shape, np.nan)
    for task, metric in enumerate(metrics):
        both = ~np.isnan(scores[:, task]) & ~np.isnan(reference[:, task])
        if not both.any():
            continue
        scale = float(reference[both, task].mean())
        for row in np.flatnonzero(both):
            gain = metric.gain(scores[row, task], reference[row, task], scale=scale)
            found[row, task] = np.clip(gain, -MOST_GAIN, MOST_GAIN)
    return found


def mean_over_tasks(values: Array) -> Array:
    """``(J, T) -> (J,)``, tasks weighing the same; a task unknown in a round is left out of it."""
    known = ~np.isnan(values)
    count = known.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean: Array = np.where(known, values, 0.0).sum(axis=1) / count
    return mean


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values that control the chance of any false claim (Holm 1979)."""
    order = np.argsort(p_values)
    adjusted = np.empty(len(p_values))
    highest = 0.0
    for rank, place in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = highest
    return [float(value) for value in adjusted]


@dataclass(frozen=True)
class Need:
    """What would settle an open question, if the gain is as large as it looks.

    Attributes:
        rounds: Rounds that would do on the rows at hand, or None where no number would.
        factor: Times as many labels that would do with the rounds at hand.
    """

    rounds: int | None
    factor: float


def need(found: Difference, *, rope: float, confidence: float) -> Need:
    """Rounds or labels until the interval's half width falls to the larger of the gain and the ROPE.

    The variance over rounds is taken to fall as one over the rows (a rule of thumb, not a promise).
    """
    goal = max(abs(found.mean), rope)
    rounds: int | None = None
    for count in (*range(found.rounds + 1, 31), 40, 50, 75, 100):
        quantile = stats.t.ppf(0.5 + confidence / 2, df=count - 1)
        if quantile * np.sqrt(1 / count + found.overlap) * found.spread <= goal:
            rounds = count
            break
    half = (found.interval[1] - found.interval[0]) / 2 if found.interval else float("inf")
    return Need(rounds, float(min((half / goal) ** 2, 1e6)))
