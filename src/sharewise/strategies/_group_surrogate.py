"""What a group that was not trained yet would bring its members, and how sure that is.

The gain of task ``t`` in group ``S`` is put together from three parts, each fitted to what the ones before
it leave over:

1. what all tasks have in common: a ridge regression on the group's size and on the hint's sums over the
   group's other members;
2. what is the task's own: a Gaussian process with a linear kernel over membership, that is a Bayesian sum
   of how much each other member helps or harms this task;
3. what does not add up: extremely randomised trees (Geurts et al. 2006) over membership, with their spread
   over trees, as in sequential model-based optimisation (Hutter et al. 2011).

Symbols: ``T`` tasks, ``n`` groups told, ``C`` candidates, ``R`` (group, member) pairs of either, ``F``
features. Memberships are boolean, one row a group.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr
from sklearn.ensemble import ExtraTreesRegressor

from sharewise.strategies._group_design import Members
from sharewise.tasks import Array

TREES = 30
MOST_PAIRS = 4000
"""Trees are grown on at most so many pairs, drawn at random."""
MOST_BITS = 64
"""Up to so many tasks the trees see each member by itself; above, only the features of `_features`."""
RIDGE_ROWS = 3.0
"""The common part is shrunk as if so many rows (of standardised features) said that there is none."""
LEVEL, HELP, NOISE = 1.0, 0.5, 0.3
"""Variances of the own part: of a task's level, of all its helpers together, of a gain that is not either;
as shares of the variance of all gains told."""
NUGGET = 0.3
"""Share of that last one which is the group's own and could be gained by training it, not mere error."""


@dataclass(frozen=True)
class Forecast:
    """Gains of candidates' members; NaN for tasks outside.

    Attributes:
        mean, spread: ``(C, T)``; the spread is a standard deviation.
    """

    mean: Array
    spread: Array

    def improvement(self, best: Array) -> Array:
        """Expected improvement ``(C,)`` of the sum over tasks of the best gain (Jones et al. 1998, eq. 15).

        Args:
            best: ``(T,)`` each task's gain so far, at least 0, which its own model has.
        """
        ahead = self.mean - best
        z = ahead / self.spread
        density = np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi)
        total: Array = np.nansum(ahead * ndtr(z) + self.spread * density, axis=1)
        return total


def forecast(told: Members, gains: Array, asked: Members, hint: Array, seed: int) -> Forecast:
    """Predict the gains of groups.

    Args:
        told: ``(n, T)``, at least one group.
        gains: ``(n, T)``, NaN outside the groups.
        asked: ``(C, T)``.
        hint: ``(T, T)`` what a task (row) is thought to gain from another (column); zero diagonal.
        seed: Of the trees.
    """
    seen = told & ~np.isnan(gains)
    group, task = np.nonzero(seen)
    y = gains[group, task]
    scale = float(y.std()) or max(float(np.abs(y).max()), 1e-9)
    low, low_asked = _features(told, hint), _features(asked, hint)
    centre, width = low[seen].mean(axis=0), low[seen].std(axis=0)
    width[width < 1e-9] = np.inf
    low, low_asked = (np.clip((values - centre) / width, -3, 3) for values in (low, low_asked))

    slope = _common(low, gains, seen)
    left = np.where(seen, gains - low @ slope, np.nan)
    level = float(np.mean(left[seen]))
    fitted, own, variance = _own(told, (left - level) / scale, asked)
    mean = low_asked @ slope + level + scale * own
    variance = scale**2 * (variance + NUGGET * NOISE)

    rest = left[group, task] - level - scale * fitted[group, task]
    pairs = np.nonzero(asked)
    bend, bend_spread = _bend(told, low, (group, task), rest, asked, low_asked, pairs, seed)
    mean[pairs] += bend
    variance[pairs] += bend_spread**2
    return Forecast(np.where(asked, mean, np.nan), np.sqrt(variance))


def _features(members: Members, hint: Array) -> Array:
    """``(C, T, 5)``: of each task's partners in each group their number, the hint at what they give
    (sum, mean), at what they get (mean), and at what they give each other (mean)."""
    inside = members.astype(np.float64)
    partners = np.maximum(inside.sum(axis=1, keepdims=True) - 1, 1)
    given, got = inside @ hint.T, inside @ hint
    among = (inside * given).sum(axis=1, keepdims=True) - given - got
    size = np.broadcast_to(partners, given.shape)
    pairs = np.maximum(partners * (partners - 1), 1)
    return np.stack([size, given, given / partners, got / partners, among / pairs], axis=2)


def _common(low: Array, gains: Array, seen: Members) -> Array:
    """Ridge slopes ``(F,)`` within tasks, so that tasks that gain more by any group do not tilt them."""
    count = np.maximum(seen.sum(axis=0), 1)
    y = np.where(seen, gains, 0.0)
    X = np.where(seen[:, :, None], low, 0.0)
    y = np.where(seen, y - y.sum(axis=0) / count, 0.0).ravel()
    X = np.where(seen[:, :, None], X - X.sum(axis=0) / count[:, None], 0.0).reshape(-1, low.shape[2])
    slope: Array = np.linalg.solve(X.T @ X + RIDGE_ROWS * np.eye(X.shape[1]), X.T @ y)
    return slope


def _own(told: Members, left: Array, asked: Members) -> tuple[Array, Array, Array]:
    """Each task's own part: fitted at the groups told ``(n, T)``, and mean and variance ``(C, T)``.

    Memberships count as -1/2 and 1/2, and the task's own one not at all, so that its kernel between two
    groups is a corner of one matrix less a constant.
    """
    tasks = told.shape[1]
    signed, signed_asked = told - 0.5, asked - 0.5
    weight = HELP * 4 / tasks
    near = LEVEL + weight * (signed @ signed.T - 0.25)
    near_asked = LEVEL + weight * (signed_asked @ signed.T - 0.25)
    prior = LEVEL + weight * (tasks - 1) / 4
    fitted, mean = np.zeros(told.shape), np.zeros(asked.shape)
    variance = np.full(asked.shape, prior)
    for task in range(tasks):
        rows, wanted = np.flatnonzero(~np.isnan(left[:, task])), np.flatnonzero(asked[:, task])
        if not len(rows):
            continue
        kernel, cross = near[np.ix_(rows, rows)], near_asked[np.ix_(wanted, rows)]
        solved = np.linalg.solve(
            kernel + NOISE * np.eye(len(rows)), np.column_stack([left[rows, task], cross.T])
        )
        fitted[rows, task] = kernel @ solved[:, 0]
        mean[wanted, task] = cross @ solved[:, 0]
        variance[wanted, task] = np.maximum(prior - (cross * solved[:, 1:].T).sum(axis=1), 1e-6)
    return fitted, mean, variance


def _bend(
    told: Members,
    low: Array,
    seen: tuple[NDArray[np.intp], NDArray[np.intp]],
    rest: Array,
    asked: Members,
    low_asked: Array,
    pairs: tuple[NDArray[np.intp], NDArray[np.intp]],
    seed: int,
) -> tuple[Array, Array]:
    """Mean and spread over trees ``(R,)`` of what is left over, at the pairs asked for."""
    rng = np.random.default_rng(seed)
    kept = np.sort(rng.permutation(len(rest))[:MOST_PAIRS])
    X = _pairs(told, low, (seen[0][kept], seen[1][kept]))
    model = ExtraTreesRegressor(
        n_estimators=TREES, max_features=0.6, bootstrap=True, random_state=int(rng.integers(2**31))
    ).fit(X, rest[kept])
    wanted = _pairs(asked, low_asked, pairs)
    trees = np.stack([tree.tree_.predict(wanted).ravel() for tree in model.estimators_])
    return trees.mean(axis=0), trees.std(axis=0)


def _pairs(
    members: Members, low: Array, pairs: tuple[NDArray[np.intp], NDArray[np.intp]]
) -> NDArray[np.float32]:
    """What the trees read of each pair: features, and of few tasks the members and whose gain it is."""
    group, task = pairs
    parts = [low[group, task]]
    if members.shape[1] <= MOST_BITS:
        parts += [members[group], np.eye(members.shape[1])[task]]
    return np.hstack(parts).astype(np.float32)
