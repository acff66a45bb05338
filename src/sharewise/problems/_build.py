"""A problem from one table: each step reads the last one's result."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from sharewise.errors import DataError
from sharewise.problems._frame import Frame, open_frame
from sharewise.problems._labels import Labels, encode
from sharewise.problems._leaks import leak_notes
from sharewise.problems._names import counted, listed
from sharewise.problems._problem import Problem, Task
from sharewise.problems._pruning import prune
from sharewise.problems._roles import Roles, assign_roles, check_kinds, check_metrics
from sharewise.problems._schema import Schema, words_held
from sharewise.problems._structure import read_group, read_levels, read_time
from sharewise.problems._table import Table
from sharewise.problems._targets import describe
from sharewise.problems._typing import Feature, type_features
from sharewise.tasks import Array


def build(
    data: object,
    *,
    targets: object,
    task: object,
    group: object,
    time: object,
    drop: object,
    kinds: Mapping[str, str] | None,
    metric: Mapping[str, str] | str | None,
) -> Problem:
    """See `Problem.from_frame`."""
    frame = open_frame(data)
    roles = assign_roles(frame, targets=targets, task=task, group=group, time=time, drop=drop)
    asked_kinds = check_kinds(kinds, roles, frame)
    asked_metrics = check_metrics(metric, roles, frame)
    notes: list[str] = []

    read = [encode(frame.cells(name), asked_kinds.get(name)) for name in roles.targets]
    notes += [note for labels in read for note in labels.notes]
    _refuse_single(read, roles)
    labels = np.stack([target.values for target in read], axis=1)
    level, levels = read_levels(frame, roles.task)
    when = read_time(frame, roles.time)
    rows = _usable_rows(labels, level, when, roles, notes)
    labels = labels[rows]
    level = None if level is None else level[rows]

    pruned = prune(labels, read, level, levels, roles.task or "")
    notes += pruned.notes
    left = np.flatnonzero(~np.isnan(pruned.labels).all(axis=1))
    rows, labels = rows[left], pruned.labels[left]
    kept_targets = np.flatnonzero(pruned.tasks.any(axis=0))
    kept_levels = np.flatnonzero(pruned.tasks.any(axis=1))
    labels = labels[:, kept_targets]
    kept = [read[d] for d in kept_targets]
    described, labels = describe(kept, labels, asked_metrics)
    if level is not None:
        levels = tuple(levels[place] for place in kept_levels)
        level = np.searchsorted(kept_levels, level[left]).astype(np.intp)
    tasks = _tasks(kept, levels, roles.task, pruned.tasks[np.ix_(kept_levels, kept_targets)])

    features, found = type_features(frame.cells(name).take(rows) for name in roles.features)
    notes += found
    if not features:
        raise DataError(
            "a problem needs a feature that varies; none is left of "
            f"{listed(roles.features)} ({' '.join(found)}) Bring other columns."
        )
    table = Table(tuple(feature.column for feature in features), len(rows))
    notes += leak_notes(table, described, labels)
    schema = _schema(frame, roles, features, None if level is None else levels)
    return Problem(
        table=table,
        targets=described,
        labels=labels,
        tasks=tasks,
        levels=None if level is None else levels,
        level=level,
        level_name=roles.task,
        group=read_group(frame, roles.group, rows, level, notes),
        time=None if when is None else when[rows],
        notes=tuple(notes),
        schema=schema,
        rows=rows,
        unlabelled=_unlabelled(frame, roles, schema),
    )


def _unlabelled(frame: Frame, roles: Roles, schema: Schema) -> Table | None:
    """Features of the rows without any label, where there are some: pretraining can read them."""
    known = [frame.cells(name).present() for name in roles.targets]
    rows = np.flatnonzero(~np.any(known, axis=0))
    return schema.features_of(frame, rows) if len(rows) else None


def _refuse_single(read: list[Labels], roles: Roles) -> None:
    """One target without a task column is one task, unless its classes are the tasks to come."""
    if len(read) == 1 and roles.task is None and read[0].kind != "multiclass":
        raise DataError(one_task(read[0].name))


def one_task(target: str) -> str:
    """What is said of a problem with a single task."""
    return (
        f"targets must hold at least two tasks; got 1 ('{target}'). "
        "Name another column with --targets, or the column that names the task with --task."
    )


def _usable_rows(
    labels: Array, level: NDArray[np.intp] | None, when: Array | None, roles: Roles, notes: list[str]
) -> NDArray[np.intp]:
    usable = np.ones(len(labels), dtype=bool)
    for lacking, what in (
        (np.isnan(labels).all(axis=1), "without any label"),
        (None if level is None else level < 0, f"without a task in '{roles.task}'"),
        (None if when is None else np.isnan(when), f"without a time in '{roles.time}'"),
    ):
        if lacking is None:
            continue
        count = int((lacking & usable).sum())
        usable &= ~lacking
        if count:
            notes.append(f"{counted(count, 'row')} {what} left out.")
    if not usable.any():
        raise DataError(f"a study needs rows it can use; none of {len(labels)} is left. {' '.join(notes)}")
    return np.flatnonzero(usable)


def _tasks(
    targets: list[Labels], levels: tuple[str, ...], column: str | None, kept: NDArray[np.bool_]
) -> tuple[Task, ...]:
    """Tasks in the order of targets, then levels; ``kept`` is ``(L, D)``."""
    tasks = []
    for d, target in enumerate(targets):
        for place in np.flatnonzero(kept[:, d]):
            if column is None:
                tasks.append(Task(target.name, d, None))
                continue
            level = f"{column} {levels[place]}"
            tasks.append(Task(level if len(targets) == 1 else f"{target.name} · {level}", d, int(place)))
    return tuple(tasks)


def _schema(frame: Frame, roles: Roles, features: list[Feature], levels: tuple[str, ...] | None) -> Schema:
    names = tuple(feature.column.name for feature in features)
    read = {*names, *roles.targets, roles.task}
    return Schema(
        features=names,
        kinds=tuple(feature.column.kind for feature in features),
        bools=tuple(feature.column.name for feature in features if feature.is_bool),
        targets=roles.targets,
        others=tuple(name for name in frame.names if name not in read),
        level_name=roles.task,
        levels=levels,
        width=len(frame.names) if frame.positional else None,
        values=tuple(words_held(feature.column) for feature in features),
    )
