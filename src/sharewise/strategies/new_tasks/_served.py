"""Tasks served by adapters: which one serves how many labels, and a model of all tasks that were there already.

Symbols: ``n`` rows, ``D`` targets, ``L`` levels of the task column, ``W`` columns of a prediction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sharewise.errors import DataError, OptionError
from sharewise.families import Model, Part, Predictions
from sharewise.families._parts import ConstantPart
from sharewise.problems import Problem, Table
from sharewise.strategies.new_tasks._base import Adapter
from sharewise.tasks import Array, Classification, Kind

Ladder = tuple[tuple[int, Adapter], ...]
"""Adapters by the least number of labels that each is for, rising."""


def check_ladders(ladders: Sequence[Ladder], targets: int) -> None:
    """Refuse ladders that leave a target or a number of labels without an adapter.

    Raises:
        OptionError: There is not one a target, or one is empty or does not rise.
    """
    if len(ladders) != targets:
        raise OptionError(f"each target has its own adapters; got {len(ladders)} for {targets} targets.")
    for ladder in ladders:
        least = [k for k, _ in ladder]
        if not ladder or sorted(set(least)) != least or not all(isinstance(a, Adapter) for _, a in ladder):
            raise OptionError(
                f"adapters of a target are pairs (least number of labels, adapter), rising; got {least}."
            )


def rung_for(ladder: Ladder, labels: int) -> int:
    """The place of the adapter for that many labels: the last that is for as few, the first where none is."""
    return max(sum(least <= labels for least, _ in ladder) - 1, 0)


@dataclass(frozen=True)
class ServedTasks(Model):
    """Every known task as an adapter serves it: its own part over the adapter's encoded rows.

    Attributes:
        adapters: ``D`` tuples, the adapters that serve some level.
        using: ``(D, L)`` the place among them for each level, -1 where the level has no labels.
        parts: ``D`` tuples of ``L`` parts, None where the level has no labels.
        means: ``D`` arrays ``(W,)``: the prediction there.
    """

    adapters: tuple[tuple[Adapter, ...], ...]
    using: NDArray[np.int64]
    parts: tuple[tuple[Part | None, ...], ...]
    means: tuple[Array, ...]

    def predict(self, table: Table, level: NDArray[np.intp] | None) -> Predictions:
        if level is None:
            raise OptionError("tasks of a task column are predicted with each row's level; got none.")
        found = []
        for target, mean in enumerate(self.means):
            values = np.tile(mean, (len(table), 1))
            used = self.using[target][level]
            for place, adapter in enumerate(self.adapters[target]):
                rows = np.flatnonzero(used == place)
                if len(rows):
                    X = adapter.encode(table.take(rows))
                    values[rows] = self._of_levels(target, X, level[rows])
            found.append(values)
        return found

    def _of_levels(self, target: int, X: NDArray[Any], level: NDArray[np.intp]) -> Array:
        out = np.empty((len(X), len(self.means[target])))
        for code in np.unique(level):
            part, rows = self.parts[target][code], np.flatnonzero(level == code)
            assert part is not None  # a level without one uses no adapter
            out[rows] = part.predict(X[rows])
        return out


def serve_known(problem: Problem, ladders: Sequence[Ladder]) -> ServedTasks:
    """Adapt to every known level with all its labels.

    A level of one class is served by its smoothed class shares, as is one that its adapter cannot adapt to.

    Args:
        problem: Of a task column.
        ladders: One a target.

    Raises:
        OptionError: The problem has no task column, or the adapters do not fit it.
    """
    if problem.level is None or problem.levels is None:
        raise OptionError(
            "known tasks are levels of a task column; this problem has none. Adapt task by task."
        )
    check_ladders(ladders, len(problem.targets))
    using = np.full((len(problem.targets), len(problem.levels)), -1, dtype=np.int64)
    adapters, parts, means = [], [], []
    for target, ladder in enumerate(ladders):
        kind, labels = problem.targets[target].kind, problem.labels[:, target]
        rows = np.flatnonzero(~np.isnan(labels))
        y, level = labels[rows], problem.level[rows]
        counts = np.bincount(level, minlength=len(problem.levels))
        rungs = np.array([rung_for(ladder, int(count)) for count in counts])
        rungs[counts == 0] = -1
        used = sorted(set(rungs[rungs >= 0].tolist()))
        own: list[Part | None] = [None] * len(problem.levels)
        for place, rung in enumerate(used):
            served = np.flatnonzero(rungs[level] == rung)
            X = ladder[rung][1].encode(problem.table.take(rows[served]))
            for code in np.unique(level[served]):
                mine = np.flatnonzero(level[served] == code)
                own[code] = _part(ladder[rung][1], X[mine], y[served][mine], kind)
                using[target, code] = place
        adapters.append(tuple(ladder[rung][1] for rung in used))
        parts.append(tuple(own))
        means.append(kind.constant(y))
    return ServedTasks(tuple(adapters), using, tuple(parts), tuple(means))


def _part(adapter: Adapter, X: NDArray[Any], y: Array, kind: Kind) -> Part:
    fallback = ConstantPart(kind.constant(y))
    classes = kind.width if isinstance(kind, Classification) else None
    if classes is not None and len(np.unique(y)) == 1:
        return fallback
    try:
        part = adapter.adapt(X, y, classes)
    except DataError:  # such as a class without rows, where the adapter needs each
        return fallback
    return part if np.isfinite(part.predict(X)).all() else fallback
