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
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sharewise.strategies._group_design import Members
from sharewise.tasks import Array

if TYPE_CHECKING:
    from sklearn.ensemble import ExtraTreesRegressor

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
        from scipy.special import ndtr

        ahead = self.mean - best
        z = ahead / self.spread
        density = np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi)
        total: Array = np.nansum(ahead * ndtr(z) + self.spread * density, axis=1)
        return total


@dataclass(frozen=True)
class Surrogate:
    """The three parts, fitted.

    Attributes:
        hint: ``(T, T)`` what a task (row) is thought to gain from another (column) beforehand.
        told: ``(n, T)`` the groups it was fitted to.
        centre, width: ``(F,)`` of the features.
        slope: ``(F,)`` of the common part.
        level: Mean gain beside the common part.
        scale: Standard deviation of all gains told, the unit of the own part.
        own: Each task's own part.
        trees: Of the rest.
        helps: ``(T, T)`` what each task's own part says it gains from each other one.
    """

    hint: Array
    told: Members
    centre: Array
    width: Array
    slope: Array
    level: float
    scale: float
    own: tuple[_Own, ...]
    trees: ExtraTreesRegressor
    helps: Array

    @classmethod
    def fit(cls, told: Members, gains: Array, hint: Array, seed: int) -> Surrogate:
        """Fit to what is known.

        Args:
            told: ``(n, T)``, at least one group.
            gains: ``(n, T)``, NaN outside the groups, not NaN everywhere.
            hint: ``(T, T)``, zero on the diagonal.
            seed: Of the trees.
        """
        from sklearn.ensemble import ExtraTreesRegressor

        seen = told & ~np.isnan(gains)
        y = gains[seen]
        scale = float(y.std()) or max(float(np.abs(y).max()), 1e-9)
        raw = _features(told, hint)
        centre, width = raw[seen].mean(axis=0), raw[seen].std(axis=0)
        width[width < 1e-9] = np.inf
        low = _standard(raw, centre, width)
        slope = _common(low, gains, seen)
        left = np.where(seen, gains - low @ slope, np.nan)
        level = float(np.mean(left[seen]))
        left = (left - level) / scale
        near = _kernel(told, told)
        own = tuple(_Own.fit(near, left[:, task]) for task in range(told.shape[1]))
        for task, part in enumerate(own):
            left[part.rows, task] -= near[np.ix_(part.rows, part.rows)] @ part.pull
        rng = np.random.default_rng(seed)
        group, task_of = np.nonzero(seen)
        kept = np.sort(rng.permutation(len(group))[:MOST_PAIRS])
        trees = ExtraTreesRegressor(
            n_estimators=TREES, max_features=0.6, bootstrap=True, random_state=int(rng.integers(2**31))
        ).fit(_pairs(told, low, group[kept], task_of[kept]), left[group[kept], task_of[kept]])
        helps = np.stack([part.pull @ (told[part.rows] - 0.5) for part in own])
        np.fill_diagonal(helps, 0.0)
        return cls(hint, told, centre, width, slope, level, scale, own, trees, helps)

    def forecast(self, asked: Members) -> Forecast:
        """Predict the gains of groups ``(C, T)``."""
        low = _standard(_features(asked, self.hint), self.centre, self.width)
        cross = _kernel(asked, self.told)
        mean, variance = np.zeros(asked.shape), np.full(asked.shape, NUGGET * NOISE)
        for task, part in enumerate(self.own):
            wanted = np.flatnonzero(asked[:, task])
            near = cross[np.ix_(wanted, part.rows)]
            mean[wanted, task] = near @ part.pull
            variance[wanted, task] += part.variance(near, asked.shape[1])
        group, task_of = np.nonzero(asked)
        pairs = _pairs(asked, low, group, task_of)
        trees = np.stack([tree.tree_.predict(pairs).ravel() for tree in self.trees.estimators_])
        mean[group, task_of] += trees.mean(axis=0)
        variance[group, task_of] += trees.var(axis=0)
        mean = low @ self.slope + self.level + self.scale * mean
        return Forecast(np.where(asked, mean, np.nan), self.scale * np.sqrt(variance))


@dataclass(frozen=True)
class _Own:
    """A task's Gaussian process over the other members of its groups.

    Attributes:
        rows: The ``m`` groups told that hold it.
        pull: ``(m,)`` their weights in the mean.
        inverse: ``(m, m)`` of their kernel with noise.
    """

    rows: NDArray[np.intp]
    pull: Array
    inverse: Array

    @classmethod
    def fit(cls, near: Array, left: Array) -> _Own:
        """From the kernel of all groups told ``(n, n)`` and what is left of the task's gains ``(n,)``."""
        rows = np.flatnonzero(~np.isnan(left))
        kernel = near[np.ix_(rows, rows)] + NOISE * np.eye(len(rows))
        inverse = np.asarray(np.linalg.inv(kernel), dtype=np.float64)
        return cls(rows, inverse @ left[rows], inverse)

    def variance(self, near: Array, tasks: int) -> Array:
        """``(C,)`` at groups whose kernel with the task's own ones is ``near`` ``(C, m)``."""
        prior = LEVEL + HELP * (tasks - 1) / tasks
        found: Array = np.maximum(prior - ((near @ self.inverse) * near).sum(axis=1), 1e-6)
        return found


def _kernel(one: Members, other: Members) -> Array:
    """Of two sets of groups ``(C, n)``, for a task that is in all of them.

    Memberships count as -1/2 and 1/2, and the task's own one not at all; it is alike for all tasks.
    """
    alike = (one - 0.5) @ (other - 0.5).T - 0.25
    found: Array = LEVEL + HELP * 4 / one.shape[1] * alike
    return found


def _standard(features: Array, centre: Array, width: Array) -> Array:
    standard: Array = np.clip((features - centre) / width, -3, 3)
    return standard


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


def _pairs(
    members: Members, low: Array, group: NDArray[np.intp], task: NDArray[np.intp]
) -> NDArray[np.float32]:
    """What the trees read of each pair: features, and of few tasks the members and whose gain it is."""
    parts: list[Array] = [low[group, task]]
    if members.shape[1] <= MOST_BITS:
        parts += [members[group].astype(np.float64), np.eye(members.shape[1])[task]]
    return np.hstack(parts).astype(np.float32)
