"""Labels too few to learn or test from: rare classes become gaps, tiny tasks are left out.

Symbols: ``N`` rows, ``D`` targets, ``L`` levels of the task column (1 in a wide problem).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sharewise.errors import DataError
from sharewise.problems._labels import Labels
from sharewise.problems._names import counted, listed
from sharewise.tasks import KINDS, Array

LEAST_IN_CLASS = 3
LEAST_IN_TASK = 5
LEAST_ROWS = 20


@dataclass(frozen=True)
class Pruned:
    """What is left.

    Attributes:
        labels: ``(N, D)`` class codes as before; NaN where a label went.
        tasks: ``(L, D)`` whether a task is kept.
        notes: Sentences.
    """

    labels: Array
    tasks: NDArray[np.bool_]
    notes: tuple[str, ...]


def prune(
    labels: Array, read: Sequence[Labels], level: NDArray[np.intp] | None, levels: Sequence[str], column: str
) -> Pruned:
    """Labels without rare classes and tiny tasks.

    ``labels`` are ``(N, D)``, ``level`` ``(N,)`` places in ``levels``, ``column`` the task column's
    name.

    Raises:
        DataError: Fewer than two tasks, two classes or twenty rows are left.
    """
    labels = labels.copy()
    place = np.zeros(len(labels), dtype=np.intp) if level is None else level
    size = max(len(levels), 1)
    at_first = _counts(labels, place, size)
    _refuse_few_rows(labels)
    rare: dict[int, set[int]] = {}
    while True:  # a class that went can make a task too small, and the other way round
        before = np.isnan(labels).sum()
        for d, target in enumerate(read):
            for code in _rare_codes(labels[:, d], target):
                rare.setdefault(d, set()).add(code)
                labels[labels[:, d] == code, d] = np.nan
        kept = _counts(labels, place, size) >= LEAST_IN_TASK
        labels[~kept[place]] = np.nan
        if np.isnan(labels).sum() == before:
            break
    if kept.sum() < (1 if level is None and len(read) == 1 else 2):
        raise DataError(_too_few_tasks(kept, at_first, column, level is None, read))
    for d, target in enumerate(read):
        if (
            kept[:, d].any() and target.kind in KINDS
        ):  # masks and the like vary in ways that labels do not show
            _refuse_constant(labels[:, d], target, rare.get(d, set()))
    _refuse_few_rows(labels)
    notes = [_rare_note(read[d], sorted(codes)) for d, codes in sorted(rare.items())]
    gone = [
        _task_name(read, levels, level is None, d, place_)
        for place_, d in zip(*np.nonzero(~kept & (at_first > 0)), strict=True)
    ]
    if gone:
        notes.append(
            f"{counted(len(gone), 'task')} with fewer than {LEAST_IN_TASK} labelled rows left out: "
            f"{listed(gone)}."
        )
    return Pruned(labels, kept, tuple(notes))


def _task_name(read: Sequence[Labels], levels: Sequence[str], wide: bool, d: int, place: int) -> str:
    if wide:
        return read[d].name
    return levels[place] if len(read) == 1 else f"{read[d].name} · {levels[place]}"


def _counts(labels: Array, place: NDArray[np.intp], size: int) -> NDArray[np.intp]:
    known = ~np.isnan(labels)
    return np.stack([np.bincount(place[known[:, d]], minlength=size) for d in range(labels.shape[1])], axis=1)


def _rare_codes(values: Array, target: Labels) -> list[int]:
    if not target.classes:
        return []
    counts = np.bincount(values[~np.isnan(values)].astype(np.intp), minlength=len(target.classes))
    return [int(code) for code in np.flatnonzero((counts > 0) & (counts < LEAST_IN_CLASS))]


def _rare_note(target: Labels, codes: list[int]) -> str:
    names = [str(target.classes[code]) for code in codes]
    noun = "class" if len(names) == 1 else "classes"
    return (
        f"Target '{target.name}': {len(names)} {noun} on fewer than {LEAST_IN_CLASS} rows "
        f"left unlabelled: {listed(names)}."
    )


def _refuse_constant(values: Array, target: Labels, rare: set[int]) -> None:
    distinct = np.unique(values[~np.isnan(values)])
    if len(distinct) > 1:
        return
    left = target.classes[int(distinct[0])] if target.classes else float(distinct[0])
    why = "" if not rare else f" after classes on fewer than {LEAST_IN_CLASS} rows went"
    raise DataError(
        f"a target must vary; '{target.name}' is {left!r} on all labelled rows left{why}. "
        "Bring more rows or leave it out."
    )


def _refuse_few_rows(labels: Array) -> None:
    rows = int(np.sum(~np.isnan(labels).all(axis=1)))
    if rows < LEAST_ROWS:
        raise DataError(
            f"a study needs at least {LEAST_ROWS} labelled rows; got {rows}. Bring more rows or label more."
        )


def _too_few_tasks(
    kept: NDArray[np.bool_], at_first: NDArray[np.intp], column: str, wide: bool, read: Sequence[Labels]
) -> str:
    rule = f"at least two tasks need {LEAST_IN_TASK} labelled rows each; got {int(kept.sum())}"
    if wide:
        counts = ", ".join(
            f"'{t.name}' {n}"
            + (
                ""
                if left or n < LEAST_IN_TASK
                else f", but its classes come up fewer than {LEAST_IN_CLASS} times each"
            )
            for t, n, left in zip(read, at_first[0], kept[0], strict=True)
        )
        return f"{rule} (labels: {counts}). Label more rows, or name other targets."
    counts_ = at_first[at_first > 0]
    if len(counts_) < 2:
        return (
            f"the task column must name at least two tasks; '{column}' names {len(counts_)}. "
            "Name another column with --task."
        )
    return (
        f"{rule}. '{column}' names {len(counts_)} tasks with a median of "
        f"{counted(int(np.median(counts_)), 'row')} a task"
        f"{', so it looks like one row a task' if np.median(counts_) <= 1 else ''}. "
        "Name a coarser column with --task."
    )
