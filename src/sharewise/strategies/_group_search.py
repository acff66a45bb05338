"""Which group of tasks to train next, and which group serves each task in the end.

Symbols: ``T`` tasks, ``n`` groups told; a group is an ascending tuple of task places.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from sharewise.errors import OptionError
from sharewise.strategies._group_design import Group, Members, candidates, first_groups
from sharewise.strategies._group_shrink import shrunken
from sharewise.strategies._group_surrogate import Surrogate
from sharewise.tasks import Array

FEWEST_TASKS = 3
DROP_ONE_AFTER = 3
"""Trainings a task after which the groups of all tasks but one are trained in any case: they say who harms
whom."""
DROP_ONE_TASKS = 16
"""With more tasks than this they are not: each would say little, and there are many."""


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

    Which tasks should learn together is a question for real trainings (Standley et al. 2020); there are
    2^T groups, so a surrogate chooses which to train: the one with the greatest expected improvement of the
    sum over tasks of each one's best gain (`sharewise.strategies._group_surrogate`). Nothing is trained in
    here, and the same tells and asks in the same order give the same groups.

    Args:
        n_tasks: ``T``, at least 3.
        prior: ``(T, T)`` affinity: how well task ``i`` is explained by task ``j``'s model; or None.
        seed: Source of all randomness.

    Raises:
        OptionError: Too few tasks, or a prior of another shape.

    >>> search = GroupSearch(3, prior=None, seed=0)
    >>> search.ask(1)
    [(0, 1, 2)]
    >>> search.tell((0, 1, 2), np.array([0.1, 0.2, -0.1]))
    >>> [one.group for one in search.assignment()]
    [(0, 1, 2), (0, 1, 2), (2,)]
    """

    def __init__(self, n_tasks: int, *, prior: Array | None, seed: int) -> None:
        if n_tasks < FEWEST_TASKS:
            raise OptionError(
                f"groups are sought among at least {FEWEST_TASKS} tasks; got {n_tasks}. "
                "Compare separate and joint models instead."
            )
        if prior is not None and prior.shape != (n_tasks, n_tasks):
            raise OptionError(
                f"an affinity has a row and a column a task ({n_tasks}); got shape {prior.shape}. "
                "Take it from `affinity`."
            )
        self.n_tasks, self.seed = n_tasks, seed
        self.hint = np.zeros((n_tasks, n_tasks)) if prior is None else np.nan_to_num(prior)
        np.fill_diagonal(self.hint, 0.0)
        self.told: dict[Group, tuple[Array, Array]] = {}
        self.asked: set[Group] = set()
        rng = np.random.default_rng(seed)
        # Where the prior says nothing, halves are at random.
        noise = 1e-9 * rng.normal(size=self.hint.shape)
        self._first = first_groups(self.hint + self.hint.T + noise + noise.T)
        everything = tuple(range(n_tasks))
        self._drop_one = [
            everything[:out] + everything[out + 1 :] for out in everything if n_tasks <= DROP_ONE_TASKS
        ]

    def tell(self, group: Iterable[int], gains: Array, errors: Array | None = None) -> None:
        """Take note of a training, asked for or not; told again, the later one counts.

        Args:
            group: Places of the tasks. A lone task's gain is 0 by definition and need not be told.
            gains: ``(T,)`` relative gain of each member over its own separate model, NaN outside the
                group and where it is not known.
            errors: ``(T,)`` standard errors of the gains; NaN or None where not known.

        Raises:
            OptionError: The group names no tasks or unknown ones, or the arrays are of another shape.
        """
        key = tuple(sorted(set(group)))
        given = np.asarray(gains, dtype=np.float64)
        error = np.full(self.n_tasks, np.nan) if errors is None else np.asarray(errors, dtype=np.float64)
        if not key or key[0] < 0 or key[-1] >= self.n_tasks:
            raise OptionError(f"a group holds tasks 0 to {self.n_tasks - 1}; got {key}. Name tasks by place.")
        if given.shape != (self.n_tasks,) or error.shape != given.shape:
            raise OptionError(
                f"gains and errors hold one number a task ({self.n_tasks}); got shapes {given.shape} and "
                f"{error.shape}. Put NaN outside the group."
            )
        if len(key) == 1:
            return
        inside = np.zeros(self.n_tasks, dtype=bool)
        inside[list(key)] = True
        inside &= np.isfinite(given)
        self.told[key] = np.where(inside, given, np.nan), np.where(inside, error, np.nan)
        self.asked.add(key)

    def ask(self, count: int) -> list[Group]:
        """The next groups to train, best first; at least two tasks each, none that was asked or told before.

        Fewer than ``count`` where all groups have been.
        """
        planned = list(self._first)
        if len(self.asked) >= DROP_ONE_AFTER * self.n_tasks:
            planned += self._drop_one
        found = [group for group in planned if group not in self.asked][: max(count, 0)]
        self.asked.update(found)
        if len(found) < count:
            chosen = self._chosen(count - len(found))
            self.asked.update(chosen)
            found += chosen
        return found

    def _chosen(self, count: int) -> list[Group]:
        """Up to ``count`` groups by expected improvement, each after what the ones before it should bring."""
        rng = np.random.default_rng([self.seed, len(self.asked)])
        told, gains, _ = self._table()
        if not np.isfinite(gains).any():
            drawn = candidates([self.hint], told[:0], rng)
            return [group for group in drawn if group not in self.asked][:count]
        surrogate = Surrogate.fit(told, gains, self.hint, int(rng.integers(2**31)))
        serving = told[sorted({row for row in _best(gains) if row >= 0})]
        drawn = candidates([self.hint, surrogate.helps], serving, rng)
        fresh = [group for group in drawn if group not in self.asked]
        # What is under way is expected to bring what the surrogate says of it.
        ahead = surrogate.forecast(self._members([*fresh, *sorted(self.asked - self.told.keys())]))
        best = np.fmax(0.0, np.nanmax(np.vstack([gains, ahead.mean[len(fresh) :]]), axis=0, initial=0.0))
        found: list[Group] = []
        for _ in range(min(count, len(fresh))):
            worth = ahead.improvement(best)[: len(fresh)]
            worth[[fresh.index(group) for group in found]] = -np.inf
            pick = int(np.argmax(worth))
            found.append(fresh[pick])
            best = np.fmax(best, ahead.mean[pick])
        return found

    def assignment(self) -> list[Assigned]:
        """For each task the group that serves it, or itself alone where no shrunken gain is above 0."""
        _, gains, errors = self._table()
        groups = list(self.told)
        shrunk = shrunken(gains, errors)
        found = []
        for task, row in enumerate(_best(shrunk)):
            if row < 0 or not shrunk[row, task] > 0:
                found.append(Assigned((task,), 0.0, 0.0))
            else:
                found.append(Assigned(groups[row], float(gains[row, task]), float(shrunk[row, task])))
        return found

    def _table(self) -> tuple[Members, Array, Array]:
        """What was told: members, gains and errors ``(n, T)``."""
        blank = np.empty((0, self.n_tasks))
        gains = np.array([gain for gain, _ in self.told.values()]) if self.told else blank
        errors = np.array([error for _, error in self.told.values()]) if self.told else blank
        return self._members(list(self.told)), gains, errors

    def _members(self, groups: Sequence[Group]) -> Members:
        members = np.zeros((len(groups), self.n_tasks), dtype=bool)
        for row, group in enumerate(groups):
            members[row, list(group)] = True
        return members


def _best(gains: Array) -> list[int]:
    """Each task's row with the greatest value ``(n, T)``, -1 where there is none."""
    if not len(gains):
        return [-1] * gains.shape[1]
    known = np.where(np.isnan(gains), -np.inf, gains)
    return [
        int(row) if np.isfinite(known[row, task]) else -1 for task, row in enumerate(known.argmax(axis=0))
    ]
