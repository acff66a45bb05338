"""A Pareto front by preference vectors: one balancer a preference, and what remains of the models they lead to.

`T` tasks, `K` preferences. A model is worth showing if no other is at least as good on every task and better on one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sharewise.balancing._base import Balancer
from sharewise.balancing._preference import as_preference
from sharewise.balancing._stch import STCH
from sharewise.errors import DataError, OptionError

Array = NDArray[np.float64]

MOST_PREFERENCES = 10_000
"""A lattice with more points than this is refused: each is a training."""


@dataclass(frozen=True, slots=True)
class Aim:
    """One training to be done for a front."""

    preference: tuple[float, ...]
    """(T,) on the simplex."""
    balancer: Balancer


@dataclass(frozen=True, slots=True)
class ParetoFront:
    """What trainings by preference reached: all that a plot or a choice needs."""

    tasks: tuple[str, ...]
    preferences: Array
    """(K, T)."""
    losses: Array
    """(K, T) each model's loss a task, less is better."""
    on_front: NDArray[np.bool_]
    """(K,) whether no other model dominates this one."""

    @classmethod
    def of(cls, tasks: Sequence[str], preferences: ArrayLike, losses: ArrayLike) -> ParetoFront:
        """The front among models whose `losses` (K, T), best on held-out rows, came of `preferences` (K, T).

        Raises:
            DataError: if the shapes do not fit, or a loss is NaN or infinite.
        """
        aims, reached = np.asarray(preferences, dtype=np.float64), np.asarray(losses, dtype=np.float64)
        if (
            reached.ndim != 2
            or aims.shape != reached.shape
            or reached.shape[1] != len(tasks)
            or not len(reached)
        ):
            raise DataError(
                f"A front has one preference and one loss for each of {len(tasks)} tasks and each model; got shapes "
                f"{aims.shape} and {reached.shape}. Give both a row a model and a column a task."
            )
        return cls(tuple(tasks), aims, reached, nondominated(reached))

    def hypervolume(self, reference: Sequence[float]) -> float:
        """Volume that the front dominates below `reference` (T,): one number to compare fronts by, more is better."""
        corner = np.asarray(reference, dtype=np.float64)
        if corner.shape != (len(self.tasks),):
            raise OptionError(
                f"A reference point has {len(self.tasks)} losses, one a task; got {corner.shape}."
            )
        points = self.losses[self.on_front]
        return _volume(points[(points < corner).all(axis=1)], corner)

    def nearest(self, preference: Sequence[float]) -> int:
        """Position (0 to K - 1) of the model on the front whose worst loss, weighted by `preference` (T,), is least."""
        wanted = np.asarray(as_preference(preference, "preferences").values)
        if len(wanted) != len(self.tasks):
            raise OptionError(f"A preference has {len(self.tasks)} numbers, one a task; got {len(wanted)}.")
        span = np.ptp(self.losses[self.on_front], axis=0)
        ideal = self.losses[self.on_front].min(axis=0)
        scaled = (self.losses - ideal) / np.where(span > 0, span, 1.0)
        worst = np.where(self.on_front, (wanted * scaled).max(axis=1), np.inf)
        return int(
            np.argmin(worst + 1e-9 * np.where(self.on_front, scaled.sum(axis=1), 0.0))
        )  # ties: the better sum


def preference_lattice(tasks: int, parts: int, *, least: float = 0.02) -> Array:
    """(K, T) preferences spread evenly over the simplex, K = comb(parts + T - 1, T - 1).

    I. Das, J. Dennis, *Normal-Boundary Intersection*, SIAM J. Optimization 8, 1998. `parts` >= 1 steps an edge. None is
    below `least`: a preference of zero would leave a task untrained.

    >>> preference_lattice(2, 4, least=0.0)[:, 0]
    array([0.  , 0.25, 0.5 , 0.75, 1.  ])
    """
    if tasks < 2 or parts < 1 or not 0 <= least * tasks < 1:
        raise OptionError(
            f"A lattice has at least 2 tasks, 1 part and 0 <= least < 1/tasks; got {tasks}, {parts} and {least}."
        )
    if (count := comb(parts + tasks - 1, tasks - 1)) > MOST_PREFERENCES:
        raise OptionError(
            f"A lattice of {parts} parts over {tasks} tasks has {count} preferences, each a training; at most "
            f"{MOST_PREFERENCES} are made. Take fewer parts."
        )
    bars = np.array(list(combinations(range(parts + tasks - 1), tasks - 1)))
    ends = np.concatenate((np.full((count, 1), -1), bars, np.full((count, 1), parts + tasks - 1)), axis=1)
    shares = (np.diff(ends, axis=1) - 1) / parts
    return np.asarray(least + (1 - least * tasks) * shares)


def aims_of(
    preferences: ArrayLike, make: Callable[[tuple[float, ...]], Balancer] | None = None
) -> tuple[Aim, ...]:
    """A balancer for each of `preferences` (K, T): by default `STCH`, which can reach every part of a front.

    `make` takes a preference (T,) and gives a balancer, such as ``lambda p: UPGrad(p)``. Losses should be of comparable
    size, or divided by those of a first model.
    """
    rows: Iterable[Iterable[float]] = np.atleast_2d(np.asarray(preferences, dtype=np.float64))
    found = [as_preference(tuple(row), "preferences").values for row in rows]
    return tuple(Aim(one, make(one) if make else STCH(preference=one)) for one in found)


def nondominated(losses: ArrayLike) -> NDArray[np.bool_]:
    """(K,) which rows of `losses` (K, T), less being better, no other row dominates; equal rows all stay.

    Raises:
        DataError: if a loss is not finite.
    """
    points = np.asarray(losses, dtype=np.float64)
    if points.ndim != 2 or not np.isfinite(points).all():
        raise DataError(
            f"Points of a front are a table of finite losses; got shape {points.shape}"
            f"{', with gaps' if points.ndim == 2 else ''}. Leave out models that failed."
        )
    kept = np.ones(len(points), dtype=np.bool_)
    for place, point in enumerate(points):
        kept[place] = not ((points <= point).all(axis=1) & (points < point).any(axis=1)).any()
    return kept


def _volume(points: Array, corner: Array) -> float:
    """Dominated volume by slices along the last task: exact, and fast enough for the tens of points of a front."""
    if not len(points):
        return 0.0
    if len(corner) == 1:
        return float(corner[0] - points.min())
    points = points[np.argsort(points[:, -1])]
    ends = np.append(points[1:, -1], corner[-1])
    slices = ends - points[:, -1]
    return float(
        sum(
            depth * _volume(points[: place + 1, :-1], corner[:-1])
            for place, depth in enumerate(slices)
            if depth > 0
        )
    )
