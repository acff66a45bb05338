"""Several tasks over examples, in one shape for wide tables, long tables, and both at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from sharewise.problems._schema import Schema
from sharewise.problems._table import Table
from sharewise.tasks import Array, Kind, Metric


@dataclass(frozen=True)
class Target:
    """One target column: wide problems have several, long ones at least one."""

    name: str
    kind: Kind
    metric: Metric


@dataclass(frozen=True)
class Task:
    """One thing to predict: a target, in a long problem for one level of the task column.

    Attributes:
        name: Unique: the target's name (wide), ``"school 12"`` (long),
            ``"lang · school 12"`` (both).
        target: Place in `Problem.targets`.
        level: Place in `Problem.levels`; None in a wide problem.
    """

    name: str
    target: int
    level: int | None


@dataclass(frozen=True)
class Problem:
    """Rows, what is known of each, and what is to be predicted.

    Symbols: ``N`` rows, ``D`` target columns, ``L`` levels of the task column, ``T`` tasks
    (``D`` in a wide problem, at most ``D·L`` else).

    Attributes:
        table: The features, ``N`` rows.
        targets: The ``D`` target columns.
        labels: ``(N, D)`` float64; class codes for classification; NaN where a label is missing.
        tasks: The ``T`` tasks.
        levels: Names of the task column's values, or None in a wide problem.
        level: ``(N,)`` place in ``levels`` of each row, or None.
        level_name: The task column's name, or None.
        group: ``(N,)`` codes of rows to be kept together, or None.
        time: ``(N,)`` float64 to split by, or None.
        notes: Warnings found while reading, one sentence each.
        schema: How to read another table the same way.
        rows: ``(N,)`` each row's place in the user's table, or None where there was none.
    """

    table: Table
    targets: tuple[Target, ...]
    labels: Array
    tasks: tuple[Task, ...]
    levels: tuple[str, ...] | None = None
    level: NDArray[np.intp] | None = None
    level_name: str | None = None
    group: NDArray[np.intp] | None = None
    time: Array | None = None
    notes: tuple[str, ...] = ()
    schema: Schema = field(default_factory=Schema)
    rows: NDArray[np.intp] | None = None

    @classmethod
    def from_frame(
        cls,
        frame: object,
        *,
        targets: str | int | Sequence[str | int],
        task: str | int | None = None,
        group: str | int | None = None,
        time: str | int | None = None,
        drop: str | int | Sequence[str | int] = (),
        kinds: Mapping[str, str] | None = None,
        metric: Mapping[str, str] | str | None = None,
    ) -> Problem:
        """A problem from a pandas, polars or pyarrow table, or a 2-D NumPy array.

        Args:
            frame: The table. A NumPy array's columns go by position (``3``) or as ``"x3"``.
            targets: The column or columns to predict; gaps are rows not labelled.
            task: Long form: the column that names each row's task.
            group: The column whose equal values stay on one side of every split.
            time: The column to split by, past before future.
            drop: Columns left out.
            kinds: ``regression``, ``binary`` or ``multiclass`` by target, where the guess is wrong.
            metric: By target, or one name for all.

        Raises:
            DataError: The table breaks a rule; the message says which, and the way out.
            OptionError: A kind or metric is unknown or does not fit.
        """
        from sharewise.problems._build import build

        return build(
            frame, targets=targets, task=task, group=group, time=time, drop=drop, kinds=kinds, metric=metric
        )

    @property
    def is_wide(self) -> bool:
        return self.level is None

    def __len__(self) -> int:
        return len(self.table)

    def rows_of(self, task: Task) -> NDArray[np.intp]:
        """The labelled rows of a task, ascending."""
        known = ~np.isnan(self.labels[:, task.target])
        if self.level is not None and task.level is not None:
            known &= self.level == task.level
        return np.flatnonzero(known)
