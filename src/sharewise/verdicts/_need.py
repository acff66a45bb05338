"""How much more evidence would settle an open question.

*Settled* means that the interval leaves zero out and the gain reaches the ROPE, or that it lies inside the
ROPE. How likely that is with more labels follows from what is believed today: the future estimate scatters
around the true gain by its own error, and today's belief around it by today's (the assurance of O'Hagan,
Stevens and Campbell 2005, in place of a power that takes today's estimate for the truth).

More labels also change what there is to gain, and nothing measured at one size tells how. Three courses
stand for what can happen, and the chance is their mean: the gain stays, as harm from pooling unlike tasks
does, and its error falls with the root of the labels; both fall with the labels, as what sharing saves in
estimation error does; or half of each. Where a learning curve was measured it knows better.

Symbols: ``F`` factors by which labels may grow.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, stdtrit

from sharewise.tasks import Array
from sharewise.verdicts._difference import Difference, folds_of, precision

SETTLING = 2 / 3
"""Chance of settling at which enough is enough."""
COURSES = ((0.0, 0.5), (0.5, 0.75), (1.0, 1.0))
"""Powers of the factor by which the gain and its standard error fall."""
FACTORS = np.concatenate([[1.0], np.geomspace(1.05, 1e4, 200)])
ROUNDS: tuple[int, ...] = (*range(2, 31), 40, 50, 75, 100)


@dataclass(frozen=True)
class Need:
    """What would settle an open question.

    Attributes:
        rounds: Rounds that would do on the rows at hand if the gain is what it looks like, or None where
            no number would.
        factor: Times as many labels, with the rounds at hand, that would do with a chance of `SETTLING`;
            infinite where no number in reach would.
    """

    rounds: int | None
    factor: float


def need(
    found: Difference,
    *,
    rope: float,
    confidence: float,
    looks: int = 1,
    belief: tuple[float, float] | None = None,
) -> Need:
    """Rounds or labels that would settle a question.

    Args:
        looks: Questions looked at together, each of which must hold against all (Bonferroni).
        belief: What is believed of the true gain, mean and standard deviation, where more is known than the
            difference itself tells: of many tasks those that look nearest to settled look so by luck too.
    """
    if found.interval is None:
        return Need(None, float("inf"))
    level = 1 - (1 - confidence) / looks
    mean, spread = belief or (found.mean, found.error)
    quantile = float(stdtrit(found.freedom, 0.5 + level / 2))
    chances = np.zeros(len(FACTORS))
    for gain_falls, error_falls in COURSES:
        left, error = FACTORS**-gain_falls, found.error * FACTORS**-error_falls
        scatter = np.hypot(spread * left, error)
        chances += chance_of_settling(mean * left, scatter, quantile * error, rope=rope) / len(COURSES)
    enough = np.flatnonzero(chances >= SETTLING)
    factor = float(FACTORS[enough[0]]) if len(enough) else float("inf")
    return Need(_rounds(found, rope, level), factor)


def further_labels(need: Need, labels: int) -> int | None:
    """Further labels beside the ``labels`` of today, or None where no number in reach would do."""
    return max(1, math.ceil(labels * (need.factor - 1))) if need.factor < np.inf else None


def settles(mean: float, half: float, *, rope: float) -> bool:
    """Whether an interval of half width ``half`` settles what a gain is: clear, or inside the ROPE."""
    return abs(mean) >= max(rope, half) or abs(mean) + half <= rope


def chance_of_settling(mean: Array, scatter: Array, half: Array, *, rope: float) -> Array:
    """Chances ``(F,)`` that an estimate `settles` the question, given where it will fall.

    Args:
        mean, scatter: ``(F,)`` expectation and standard deviation of the estimate.
        half: ``(F,)`` half widths of the interval around it.
    """
    claim, inside = np.maximum(rope, half), np.maximum(rope - half, 0.0)
    scatter = np.maximum(scatter, 1e-12)

    def below(limit: Array) -> Array:
        chance: Array = ndtr((limit - mean) / scatter)
        return chance

    settled: Array = 1 - below(claim) + below(-claim) + below(inside) - below(-inside)
    return settled


def _rounds(found: Difference, rope: float, level: float) -> int | None:
    """Rounds with which today's mean and spread would settle it."""
    folds = folds_of(found.overlap, most=ROUNDS[-1])
    for rounds in ROUNDS:
        if rounds <= found.rounds:
            continue
        share, freedom = precision(min(folds, rounds), rounds)
        half = float(stdtrit(freedom, 0.5 + level / 2)) * found.spread * math.sqrt(share)
        if settles(found.mean, half, rope=rope):
            return rounds
    return None
