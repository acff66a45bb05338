"""What rounds say of a difference: its mean, an interval that keeps its promise, and probabilities.

*What is estimated.* In every round two procedures (say, "the side that shares, represented by whom its
inner folds prefer" and the same without sharing) are trained on the round's training rows and measured on
its test rows. The estimand is the expected relative gain of one procedure over the other, on new rows from
the same distribution, when both are trained on as many rows as a round trains on. The expectation is over
training sets too: it is what cross-validation estimates, rather than the gain of the very models at hand
(Bates, Hastie and Tibshirani 2024, *Cross-validation: what does it estimate and how well does it do it?*,
section 3).

*How precisely.* The rounds of one repeat test on disjoint rows, those of the next repeat on the same rows
again. Within a repeat the values scatter with variance ``s²``. Nadeau and Bengio (2003) widen ``s²/J`` by
the ratio of test to training rows, for test sets drawn anew each time; no unbiased variance exists (Bengio
and Grandvalet 2004). For whole folds of procedures that are stable the covariances between folds nearly
cancel and ``s²/K`` is right in the limit (Bayle, Bayle, Janson and Mackey 2020, *Cross-validation
confidence intervals for test error*, theorem 1; Austern and Zhou 2020): a test row's luck is paid back when
it trains. So one repeat of ``K`` rounds has variance ``s²/K``; further repeats only average out how the
rows fell into folds, which is a `RESHUFFLED` share of it. ``benchmarks/calibration.py`` measures what the
intervals promise, on problems whose truth is known.

Symbols: ``J`` rounds, ``K`` rounds of a whole repeat, ``R = J/K`` repeats.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

from sharewise.tasks import Array

RESHUFFLED = 1 / 2
"""Share of one repeat's variance that endless repeats would average out: a third in simulations of ridge
with and without sharing, two thirds in whole studies, where inner folds also choose who competes."""
FRESH = 1 / 2
"""Degrees of freedom that endless repeats add, as a share of one repeat's: their rows are the same."""
RESOLUTION = 1 / 10
"""Standard error below which nothing is known, as a share of the ROPE. Where a penalty or a representative
is chosen, all rounds of one data set may fall on the same side of the choice and hardly scatter, and those
of the next on the other side. The difference is far too small to matter, and so is what this adds."""
CERTAIN = 1e-12
"""Below this standard error nothing varies but the last bits."""


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
        spread: Standard deviation over the rounds of a repeat, ``s``.
        overlap: Test rows per training row of a round.
        error: Standard error of the mean, no less than the `RESOLUTION`; NaN without an interval.
        freedom: Degrees of freedom of Student's t.
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
    error: float = float("nan")
    freedom: float = float("nan")

    def told(self) -> dict[str, tuple[float, float] | float | None]:
        """How sure the mean is, as every record writes it."""
        return {
            "interval": self.interval,
            "probability_better": self.better,
            "probability_equivalent": self.equivalent,
            "probability_worse": self.worse,
        }


def difference(
    values: Array,
    *,
    overlap: float,
    rope: float,
    confidence: float,
    repeats: NDArray[np.intp] | None = None,
) -> Difference:
    """Student's t for the mean over rounds, and its Bayesian reading (Corani and Benavoli 2015).

    Args:
        values: ``(J,)`` differences, one a round; NaN where a round says nothing.
        overlap: Test rows per training row.
        repeats: ``(J,)`` which repeat of the outer folds each round belongs to; None where rounds come in
            order and `overlap` tells how many make a repeat.
    """
    told = ~np.isnan(values)
    known = values[told]
    count = len(known)
    mean = float(known.mean()) if count else float("nan")
    if count < 2:
        return Difference(mean, None, None, None, None, None, count, float("nan"), overlap)
    groups = in_order(len(values), overlap) if repeats is None else repeats
    spread, largest = _within(known, groups[told])
    share, freedom = precision(largest, count)
    error = float(np.hypot(spread * np.sqrt(share), RESOLUTION * rope))
    if error < CERTAIN:
        inside, above = abs(mean) <= rope, mean > rope
        p_value = 1.0 if abs(mean) < CERTAIN else 0.0
        return Difference(
            mean, (mean, mean), float(above), float(inside), float(not inside and not above),
            p_value, count, spread, overlap, 0.0, freedom,
        )  # fmt: skip
    half = float(stdtrit(freedom, 0.5 + confidence / 2)) * error
    better = float(stdtr(freedom, (mean - rope) / error))
    worse = float(stdtr(freedom, (-rope - mean) / error))
    p_value = float(2 * stdtr(freedom, -abs(mean) / error))
    return Difference(
        mean, (mean - half, mean + half), better, 1.0 - better - worse, worse, p_value, count, spread, overlap,
        error, freedom,
    )  # fmt: skip


def precision(fold_rounds: int, rounds: int) -> tuple[float, float]:
    """Variance of the mean over ``rounds`` as a share of ``s²``, and degrees of freedom.

    Args:
        fold_rounds: Rounds ``K`` of the largest repeat, at least 2.
        rounds: ``J`` over all repeats.
    """
    further = 1 - fold_rounds / rounds
    return (1 - RESHUFFLED * further) / fold_rounds, (fold_rounds - 1) * (1 + FRESH * further)


def folds_of(overlap: float, *, most: int) -> int:
    """Rounds of a whole repeat whose test rows are that share of its training rows, at least 2."""
    return max(most, 2) if overlap * most <= 1 else max(2, round(1 + 1 / overlap))


def in_order(rounds: int, overlap: float) -> NDArray[np.intp]:
    """The repeat ``(J,)`` of rounds that come repeat by repeat."""
    return np.arange(rounds, dtype=np.intp) // folds_of(overlap, most=rounds)


def _within(values: Array, groups: NDArray[np.intp]) -> tuple[float, int]:
    """Standard deviation around the repeats' own means, and the rounds of the largest repeat."""
    _, places, counts = np.unique(groups, return_inverse=True, return_counts=True)
    if counts.max() < 2:  # one round of each repeat: nothing better than to take them for one
        return float(values.std(ddof=1)), len(values)
    means = np.bincount(places, weights=values) / counts
    squares = float(((values - means[places]) ** 2).sum())
    return float(np.sqrt(squares / (counts - 1).sum())), int(counts.max())
