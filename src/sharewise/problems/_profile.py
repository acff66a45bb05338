"""A problem at a glance: sizes, gaps, and what could make a comparison misleading."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sharewise.problems._leaks import Leak, find_leaks
from sharewise.problems._names import counted, listed
from sharewise.problems._problem import Problem
from sharewise.tasks import Array

DUPLICATE = 0.9999
"""Absolute correlation from which two targets are the same."""

FEW_LABELS = 30
MOST_TARGETS = 200
"""Targets beyond these are left out of the correlation matrix."""


@dataclass(frozen=True)
class Profile:
    """What a table is like before anything is fitted.

    Attributes:
        rows: Examples with a label.
        features: Feature columns by kind.
        labels: Labelled rows by task.
        fewest, median, most: Labelled rows a task.
        overlap: Share of rows labelled for both, among rows labelled for either, averaged over
            pairs of targets; 0 in a long problem with one target.
        groups: How many, or None.
        constant: Tasks whose labels are all the same.
        duplicates: Pairs of targets that are the same up to scale.
        leaks: Features that give a target away.
        correlation: Between targets, over rows labelled for both (None where undefined); empty for
            one target. Classes count by their codes, so it says little beyond two classes.
    """

    rows: int
    features: dict[str, int]
    labels: dict[str, int]
    fewest: int
    median: float
    most: int
    overlap: float
    groups: int | None
    constant: tuple[str, ...]
    duplicates: tuple[tuple[str, str], ...]
    leaks: tuple[Leak, ...]
    correlation: tuple[tuple[float | None, ...], ...]

    def as_dict(self) -> dict[str, Any]:
        """JSON-plain."""
        return asdict(self)

    def warnings(self) -> tuple[str, ...]:
        """What a reader of the verdict should know, one sentence each."""
        found = [f"Targets '{a}' and '{b}' are the same up to scale." for a, b in self.duplicates]
        found += [leak.sentence() for leak in self.leaks]
        if self.constant:
            found.append(
                f"{counted(len(self.constant), 'task')} with one and the same label on every row: "
                f"{listed(self.constant)}."
            )
        starved = [name for name, count in self.labels.items() if count < FEW_LABELS]
        if starved:
            found.append(
                f"{counted(len(starved), 'task')} of {len(self.labels)} with fewer than {FEW_LABELS} "
                f"labelled rows, so their own scores are uncertain: {listed(starved)}."
            )
        return tuple(found)


def profile(problem: Problem) -> Profile:
    """Measure a problem; nothing is fitted."""
    counts = {task.name: len(problem.rows_of(task)) for task in problem.tasks}
    correlation = _correlations(problem.labels[:, :MOST_TARGETS])
    names = [target.name for target in problem.targets]
    first, second = np.nonzero(np.triu(np.nan_to_num(np.abs(correlation)) > DUPLICATE, k=1))
    return Profile(
        rows=len(problem),
        features={
            kind: found
            for kind in ("number", "category", "date", "text", "tensor", "sentence")
            if (found := sum(column.kind == kind for column in problem.table))
        },
        labels=counts,
        fewest=min(counts.values()),
        median=float(np.median(list(counts.values()))),
        most=max(counts.values()),
        overlap=_overlap(~np.isnan(problem.labels)),
        groups=None if problem.group is None else len(np.unique(problem.group)),
        constant=tuple(
            task.name
            for task in problem.tasks
            if not problem.targets[task.target].kind.ragged
            and len(np.unique(problem.labels[problem.rows_of(task), task.target])) == 1
        ),
        duplicates=tuple((names[a], names[b]) for a, b in zip(first, second, strict=True)),
        leaks=find_leaks(problem.table, problem.targets, problem.labels),
        correlation=() if len(names) < 2 else _plain(correlation),
    )


def _overlap(known: NDArray[np.bool_]) -> float:
    if known.shape[1] < 2:
        return 0.0
    counts = known.astype(np.float64)
    both = counts.T @ counts
    alone = np.diag(both)
    either = alone[:, None] + alone[None, :] - both
    pairs = np.triu_indices(len(both), k=1)
    return float(np.mean(both[pairs] / np.maximum(either[pairs], 1.0)))


def _correlations(labels: Array) -> Array:
    """``(D, D)`` over rows labelled for both; NaN for fewer than three rows or no spread."""
    size = labels.shape[1]
    found = np.full((size, size), np.nan)
    for i in range(size):
        for j in range(i, size):
            both = ~np.isnan(labels[:, i]) & ~np.isnan(labels[:, j])
            a, b = labels[both, i], labels[both, j]
            if len(a) < 3 or (a == a[0]).all() or (b == b[0]).all():
                continue
            a, b = (a - a.mean()) / np.abs(a - a.mean()).max(), (b - b.mean()) / np.abs(b - b.mean()).max()
            value = float(np.clip(a @ b / np.sqrt((a @ a) * (b @ b)), -1.0, 1.0))
            found[i, j] = found[j, i] = value
    return found


def _plain(matrix: Array) -> tuple[tuple[float | None, ...], ...]:
    return tuple(tuple(None if np.isnan(value) else float(value) for value in row) for row in matrix)
