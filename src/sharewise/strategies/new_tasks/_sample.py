"""Many tasks to learn across, and how a new task is drawn from them.

Symbols: ``n`` rows, ``K`` numbers of labels asked for (shots).

Tasks come in two forms. In a *long* table a row belongs to one task (a school), labels are numbers or classes that all
tasks have in common, and a shot is a labelled row of the task. In a *pool* of labelled classes (characters, intents) a
task is a draw of some classes (ways), and a shot is a labelled row of each of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sharewise.problems import Table
from sharewise.tasks import Array, Classification, Kind, Metric

Rows = NDArray[np.intp]


@dataclass(frozen=True)
class Draw:
    """One new task: nested support sets, the smaller inside the larger, and one query set for all of them.

    Attributes:
        task: The task's code; in a pool the place of the draw.
        supports: ``K`` row sets, None where the task has too few rows.
        support_y: ``K`` label arrays, classes as places ``0 … W−1``.
        query, query_y: Rows and labels to be judged on.
    """

    task: int
    supports: tuple[Rows | None, ...]
    support_y: tuple[Array | None, ...]
    query: Rows
    query_y: Array


@dataclass(frozen=True)
class TaskSample:
    """Labelled rows of the tasks to learn across.

    Attributes:
        table: Features of the ``n`` rows.
        y: ``(n,)`` numbers, or class places; in a pool the class code, equal to ``task``.
        task: ``(n,)`` codes; in a pool of the class.
        kind: Of one task; in a pool of a drawn one, its classes the places ``0 … ways−1``.
        metric: How it is scored.
        train: ``(n,)`` whether a row is of a training task; the others are of validation tasks, to stop by.
        shots: The numbers of labels that will be asked for, rising.
        ways: Classes a drawn task, in a pool; None in a long table.
        queries: Query rows a draw at most (in a pool: a class).
        encoder: The user's own module, for a column of tensors; whoever trains takes a copy.
        unlabelled: Rows of no task's labels, for self-supervised objectives; None for none.
    """

    table: Table
    y: Array
    task: Rows
    kind: Kind
    metric: Metric
    train: NDArray[np.bool_]
    shots: tuple[int, ...]
    ways: int | None = None
    queries: int = 15
    encoder: Any = field(default=None, compare=False, repr=False)
    unlabelled: Table | None = field(default=None, repr=False)

    @property
    def width(self) -> int:
        """Columns of a prediction."""
        return self.kind.width

    @property
    def classes(self) -> int | None:
        """Classes of a task, None for numbers."""
        return self.kind.width if isinstance(self.kind, Classification) else None

    def draws(self, *, train: bool, count: int, seed: int) -> list[Draw]:
        """New tasks drawn from the training or from the validation tasks; see `draws_of`."""
        rows = np.flatnonzero(self.train == train)
        return draws_of(
            self.task, self.y, rows, shots=self.shots, ways=self.ways, classes=self.classes,
            queries=self.queries, count=count, seed=seed,
        )  # fmt: skip


def draws_of(
    task: Rows,
    y: Array,
    rows: Rows,
    *,
    shots: Sequence[int],
    ways: int | None,
    classes: int | None,
    queries: int,
    count: int,
    seed: int,
) -> list[Draw]:
    """Draws of new tasks among ``rows``: in a long table ``count`` of each task, in a pool ``count`` in all.

    In a long table a third of a task's rows, at most ``queries``, are its query set, so that small tasks have both
    sides; a support set of a task with classes holds each class that the task has, where it is large enough for
    that, and is left out (None) where it cannot hold each of the ``classes``.

    Args:
        task, y: ``(n,)`` of all rows.
        rows: Places among them to draw from.
        classes: Of a task in a long table with classes; None for numbers.
    """
    rng = np.random.default_rng(seed)
    codes = np.unique(task[rows])
    members = {int(code): rows[task[rows] == code] for code in codes}
    if ways is not None:
        return [_from_pool(members, shots, ways, queries, place, rng) for place in range(count)]
    return [
        _from_task(code, own, y, shots, classes, queries, rng)
        for code, own in members.items()
        if len(own) >= 2
        for _ in range(count)
    ]


def _from_task(
    code: int,
    own: Rows,
    y: Array,
    shots: Sequence[int],
    classes: int | None,
    queries: int,
    rng: np.random.Generator,
) -> Draw:
    order = rng.permutation(own)
    held = min(max(len(own) // 3, 1), queries)
    query, rest = order[:held], order[held:]
    if classes is not None:  # a row of each class first, so that the smallest support that can hold all does
        _, first = np.unique(y[rest], return_index=True)
        rest = np.concatenate([rest[np.sort(first)], np.delete(rest, first)])
    whole = classes is None or len(np.unique(y[rest])) == classes
    supports = tuple(
        rest[:k] if k <= len(rest) and whole and (classes is None or k >= classes) else None for k in shots
    )
    labels = tuple(None if rows is None else y[rows] for rows in supports)
    return Draw(code, supports, labels, query, y[query])


def _from_pool(
    members: dict[int, Rows],
    shots: Sequence[int],
    ways: int,
    queries: int,
    place: int,
    rng: np.random.Generator,
) -> Draw:
    codes = rng.choice(sorted(members), ways, replace=False)
    support: list[list[Rows]] = [[] for _ in shots]
    served = [True] * len(shots)
    query: list[Rows] = []
    for code in codes:
        order = rng.permutation(members[int(code)])
        held = min(max(len(order) // 3, 1), queries)
        query.append(order[:held])
        rest = order[held:]
        for at, k in enumerate(shots):
            served[at] &= k <= len(rest)
            support[at].append(rest[:k])

    def places(parts: list[Rows]) -> Array:
        return np.repeat(np.arange(ways, dtype=np.float64), [len(part) for part in parts])

    return Draw(
        place,
        tuple(np.concatenate(parts) if fits else None for parts, fits in zip(support, served, strict=True)),
        tuple(places(parts) if fits else None for parts, fits in zip(support, served, strict=True)),
        np.concatenate(query),
        places(query),
    )
