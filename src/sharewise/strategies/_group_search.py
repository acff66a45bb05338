"""Which group of tasks to train next: extra-trees over membership, expected improvement.

Symbols: ``T`` tasks; a group is an ascending tuple of task places.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from sklearn.ensemble import ExtraTreesRegressor

from sharewise.tasks import Array

Group = tuple[int, ...]
TREES = 60
POOL = 300
"""Groups looked at before each choice."""


@dataclass(frozen=True)
class Assigned:
    """What serves one task.

    Attributes:
        group: The tasks it learns with; itself alone where no group helps.
        gain, shrunk: Over its own model, as measured and after shrinking for having picked the best.
    """

    group: Group
    gain: float
    shrunk: float


class GroupSearch:
    """Ask which groups to train, tell what they gained.

    Args:
        n_tasks: ``T``, at least 3.
        prior: ``(T, T)`` affinity, or None.
        seed: Source of all randomness.
    """

    def __init__(self, n_tasks: int, *, prior: Array | None, seed: int) -> None:
        self.n_tasks, self.seed = n_tasks, seed
        self.prior = np.zeros((n_tasks, n_tasks)) if prior is None else np.nan_to_num(prior)
        self.told: dict[Group, tuple[Array, Array]] = {}
        self.asked: set[Group] = set()

    def tell(self, group: Group, gains: Array, errors: Array | None = None) -> None:
        """Gains ``(T,)`` of a trained group's members, NaN outside, and their standard errors."""
        self.told[tuple(group)] = gains, np.full(self.n_tasks, np.nan) if errors is None else errors
        self.asked.add(tuple(group))

    def ask(self, count: int) -> list[Group]:
        """The next groups to train, best first; none twice."""
        found: list[Group] = []
        for group in [*self._start(), *self._ranked()]:
            if len(found) == count:
                break
            if group not in self.asked:
                self.asked.add(group)
                found.append(group)
        return found

    def _start(self) -> list[Group]:
        everything = tuple(range(self.n_tasks))
        groups = [everything]
        if self.n_tasks <= 12:
            groups += [tuple(t for t in everything if t != out) for out in everything]
        return [g for g in groups if len(g) >= 2]

    def _pool(self, rng: np.random.Generator) -> list[Group]:
        pool: set[Group] = set()
        if self.n_tasks <= 8:
            for code in range(1, 1 << self.n_tasks):
                group = tuple(t for t in range(self.n_tasks) if code >> t & 1)
                if len(group) >= 2:
                    pool.add(group)
        else:
            for _ in range(POOL):
                size = int(rng.integers(2, self.n_tasks))
                pool.add(tuple(sorted(rng.choice(self.n_tasks, size, replace=False).tolist())))
        return sorted(pool - self.asked)

    def _features(self, groups: list[Group], tasks: NDArray[np.intp]) -> Array:
        bits = np.zeros((len(groups), self.n_tasks))
        for row, group in enumerate(groups):
            bits[row, list(group)] = 1.0
        pull = (bits * self.prior[tasks]).sum(axis=1)
        return np.column_stack([bits, tasks == np.arange(self.n_tasks)[:, None].repeat(0), bits.sum(axis=1), pull]) if False else np.column_stack([bits, tasks, bits.sum(axis=1), pull])

    def _ranked(self) -> list[Group]:
        rng = np.random.default_rng([self.seed, len(self.asked)])
        pool = self._pool(rng)
        if not pool or not self.told:
            return pool
        rows = [(g, t, gains[t]) for g, (gains, _) in self.told.items() for t in g if not np.isnan(gains[t])]
        if len(rows) < 3:
            return pool
        groups, tasks = [r[0] for r in rows], np.array([r[1] for r in rows])
        forest = ExtraTreesRegressor(TREES, min_samples_leaf=2, bootstrap=True, random_state=self.seed)
        forest.fit(self._features(groups, tasks), np.array([r[2] for r in rows]))
        best = np.zeros(self.n_tasks)
        for gains, _ in self.told.values():
            best = np.fmax(best, gains)
        pairs = [(g, t) for g in pool for t in g]
        X = self._features([g for g, _ in pairs], np.array([t for _, t in pairs])).astype(np.float32)
        each = np.array([tree.predict(X) for tree in forest.estimators_])
        mean, spread = each.mean(axis=0), each.std(axis=0) + 1e-6
        above = (mean - best[[t for _, t in pairs]]) / spread
        improvement = spread * (above * stats.norm.cdf(above) + stats.norm.pdf(above))
        total: dict[Group, float] = {}
        for (group, _), value in zip(pairs, improvement, strict=True):
            total[group] = total.get(group, 0.0) + float(value)
        return sorted(pool, key=lambda g: (-total[g], g))

    def assignment(self) -> list[Assigned]:
        """For each task the group that serves it."""
        found = []
        for task in range(self.n_tasks):
            own = [
                (float(gains[task]), float(errors[task]), group)
                for group, (gains, errors) in self.told.items()
                if task in group and not np.isnan(gains[task])
            ]
            if not own:
                found.append(Assigned((task,), 0.0, 0.0))
                continue
            values = np.array([gain for gain, _, _ in own])
            noise = float(np.nanmean([error**2 for _, error, _ in own])) if len(own) else 0.0
            middle, spread = float(values.mean()), float(values.var())
            keep = max(0.0, 1.0 - (noise if np.isfinite(noise) else 0.0) / max(spread, 1e-12))
            gain, _, group = max(own)
            shrunk = middle + keep * (gain - middle)
            found.append(Assigned(group, gain, shrunk) if shrunk > 0 else Assigned((task,), 0.0, 0.0))
        return found

