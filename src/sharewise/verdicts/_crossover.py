"""Where a curve of gains meets a level: simple shapes fitted forwards, read backwards.

A gain at ``n`` labels is taken to be ``a + b n^-c``, the difference of two learning curves of one rate, which
are power laws as a rule (Viering & Loog, "The Shape of Learning Curves: a Review", TPAMI 45, 2023);
``c = 0`` stands for its limit, ``a - b log n``. For a fixed ``c`` the fit is linear in what the rounds
measured, so that the fitted gain at *any* ``n`` is a mean over rounds, and its interval that of `difference`.
The labels at which that interval holds the level are those that the data do not rule out as the meeting
point (Fieller's construction). A bootstrap over three or five rounds would promise more than they know.

Symbols: ``P`` points of the curve, ``J`` rounds, ``G`` numbers of labels asked about.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from scipy import stats

from sharewise.tasks import Array
from sharewise.verdicts._statistics import Difference, difference

EXPONENTS = (0.5, 0.0, 0.25, 0.75, 1.0, 1.25, 1.5)
"""Rates ``c`` that are tried; the first is the best guess unless the points reject it. They lie so close
that a rate between two of them is covered as well: with 0, 0.5 and 1 alone, a truth of 0.3 or 0.7 fell
outside 95% intervals of an extrapolated crossing in a third of simulated studies."""
REACH = 8.0
"""A curve is extrapolated to at most this many times its most labels, and never below its fewest."""
STEPS = 96
"""Numbers of labels looked at; ends of an interval are rounded outwards to them."""


@dataclass(frozen=True)
class Projection:
    """A fitted gain at some number of labels; the interval is the hull over all plausible shapes."""

    labels: float
    mean: float
    interval: tuple[float, float] | None


@dataclass(frozen=True)
class Meeting:
    """Where a fitted gain meets a level.

    Attributes:
        labels: Best guess; None where the fit does not meet the level within reach.
        low, high: Labels outside of which the level is ruled out; None at an end beyond reach.
        status: ``found``; ``never`` where the level is ruled out everywhere within reach; ``open`` where
            it can be ruled out at neither end, so that nothing is known.
        falling: Whether the fitted gain falls as labels grow.
        above: Whether the fitted gain lies above the level at the most labels that were measured.
    """

    labels: float | None
    low: float | None
    high: float | None
    status: Literal["found", "never", "open"]
    falling: bool
    above: bool


@dataclass(frozen=True)
class GainFit:
    """Shapes fitted to the gains of a learning curve.

    Attributes:
        labels: ``(P,)`` ascending, at least two.
        gains: ``(P, J)``, NaN where a round lacks a point.
        overlap: Test rows per training row.
        confidence: Of the intervals.
    """

    labels: Array
    gains: Array
    overlap: float
    confidence: float

    @property
    def reach(self) -> tuple[float, float]:
        """Fewest and most labels that the fit speaks about."""
        return float(self.labels[0]), float(self.labels[-1]) * REACH

    @cached_property
    def _variances(self) -> Array:
        """``(P,)`` of the points' means, each shrunk half-way to the average: a few rounds know it badly."""
        own = np.array([self._summary(row).error ** 2 for row in self.gains])
        pooled = float(np.nanmean(own)) if not np.isnan(own).all() else 1.0
        return np.maximum(np.where(np.isnan(own), pooled, (own + pooled) / 2), 1e-12)

    def _summary(self, values: Array) -> Difference:
        return difference(values, overlap=self.overlap, rope=0.0, confidence=self.confidence)

    def _basis(self, labels: Array, exponent: float) -> Array:
        """``(G, 2)``: one, and ``n^-c`` (or ``-log n``) around the middle of the curve."""
        ratio = labels / np.exp(np.log(self.labels).mean())
        second = -np.log(ratio) if exponent == 0 else ratio**-exponent
        return np.column_stack([np.ones_like(second), second])

    def rounds_at(self, labels: Array, exponent: float) -> Array:
        """Fitted gains ``(G, J)``; NaN for a round with fewer than two points."""
        weights = 1 / np.sqrt(self._variances)
        basis, asked = self._basis(self.labels, exponent), self._basis(labels, exponent)
        found = np.full((len(labels), self.gains.shape[1]), np.nan)
        for place, gains in enumerate(self.gains.T):
            known = ~np.isnan(gains)
            if known.sum() > 1:
                scaled = basis[known] * weights[known, None]
                found[:, place] = asked @ np.linalg.lstsq(scaled, gains[known] * weights[known])[0]
        return found

    @cached_property
    def exponents(self) -> list[float]:
        """The plausible rates: those that a likelihood ratio does not reject against the best. The usual rate
        comes first where it is one of them, else the best: four points choose badly among rates."""
        means = np.array([np.nanmean(row) for row in self.gains])

        def misfit(exponent: float) -> float:
            missed = means - _means(self.rounds_at(self.labels, exponent))
            return float(np.sum(missed**2 / self._variances))

        found = {exponent: misfit(exponent) for exponent in EXPONENTS}
        limit = min(found.values()) + float(stats.chi2.ppf(self.confidence, df=1))
        kept = [exponent for exponent in EXPONENTS if found[exponent] <= limit]
        return sorted(kept, key=lambda exponent: (exponent != EXPONENTS[0], found[exponent]))

    def at(self, labels: float) -> Projection | None:
        """The gain at some number of labels; None beyond reach."""
        low, high = self.reach
        if not low <= labels <= high:
            return None
        shapes = self.exponents
        ends = [self._bounds(np.array([labels]), shape)[0] for shape in shapes]
        known = not np.isnan(ends).any()
        interval = (min(end[0] for end in ends), max(end[1] for end in ends)) if known else None
        mean = float(_means(self.rounds_at(np.array([labels]), shapes[0]))[0])
        return Projection(labels, mean, interval)

    def _bounds(self, labels: Array, exponent: float) -> list[tuple[float, float]]:
        """``G`` intervals of the fitted gain, NaN where fewer than two rounds speak."""
        intervals = [self._summary(values).interval for values in self.rounds_at(labels, exponent)]
        return [(float("nan"), float("nan")) if each is None else each for each in intervals]

    def meets(self, level: float) -> Meeting:
        """Where the gain meets ``level``: a best guess, and what the data do not rule out."""
        shapes = self.exponents
        first, last = (float(mean) for mean in _means(self.rounds_at(self.labels[[0, -1]], shapes[0])))
        falling, above = last < first, last > level
        guess = self._best_guess(level, first, last, shapes[0])
        grid = np.geomspace(*self.reach, STEPS)
        if guess is not None:
            grid = np.unique([*grid, guess])
        bounds = np.array([self._bounds(grid, shape) for shape in shapes])
        if np.isnan(bounds).any():
            return Meeting(None, None, None, "open", falling, above)
        possible = np.flatnonzero(((bounds[..., 0] <= level) & (level <= bounds[..., 1])).any(axis=0))
        if not len(possible):
            return Meeting(None, None, None, "never", falling, above)
        begins, ends = int(possible[0]) - 1, int(possible[-1]) + 1
        if begins < 0 and ends == len(grid):
            return Meeting(None, None, None, "open", falling, above)
        return Meeting(
            guess,
            float(grid[begins]) if begins >= 0 else None,
            float(grid[ends]) if ends < len(grid) else None,
            "found",
            falling,
            above,
        )

    def _best_guess(self, level: float, first: float, last: float, exponent: float) -> float | None:
        """The fitted curve is a straight line in its basis: solve for the labels, within reach only."""
        least, most, farthest = self._basis(np.array([*self.labels[[0, -1]], self.reach[1]]), exponent)[:, 1]
        if abs(last - first) < 1e-12:
            return None
        at = float(least + (level - first) / (last - first) * (most - least))
        if not farthest <= at <= least:  # both bases fall as labels grow
            return None
        middle = float(np.exp(np.log(self.labels).mean()))
        return middle * float(np.exp(-at) if exponent == 0 else at ** (-1 / exponent))


def _means(values: Array) -> Array:
    """``(G, J) -> (G,)`` over the rounds that speak; NaN where none does."""
    known = ~np.isnan(values)
    total: Array = np.where(known, values, 0.0).sum(axis=1)
    return np.where(known.any(axis=1), total / np.maximum(known.sum(axis=1), 1), np.nan)
