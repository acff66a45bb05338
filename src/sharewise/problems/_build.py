"""A problem from one table: each step reads the last one's result."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sharewise.errors import DataError
from sharewise.problems._frame import Frame, open_frame
from sharewise.problems._labels import Labels, encode
from sharewise.problems._leaks import leak_notes
from sharewise.problems._multilabel import spread
from sharewise.problems._names import counted, listed
from sharewise.problems._picture_column import PictureColumn, picture_column
from sharewise.problems._problem import Problem, Task
from sharewise.problems._pruning import prune
from sharewise.problems._roles import Roles, assign_roles, check_kinds, check_metrics
from sharewise.problems._same_pictures import joined
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
    pictures: object = None,
    size: object = None,
    channels: object = None,
    root: str | Path = ".",
) -> Problem:
    """See `Problem.from_frame`."""
    frame = open_frame(data)
    roles = assign_roles(frame, targets=targets, task=task, group=group, time=time, drop=drop)
    asked_kinds = check_kinds(kinds, roles, frame)
    asked_metrics = check_metrics(metric, roles, frame)
    notes: list[str] = []

    read = _read_targets(frame, roles, asked_kinds, asked_metrics)
    notes += [note for labels in read for note in labels.notes]
    labels = np.stack([target.values for target in read], axis=1)
    level, levels = read_levels(frame, roles.task)
    when = read_time(frame, roles.time)
    photos = picture_column(
        frame, roles.features, notes, asked=pictures, size=size, channels=channels, root=root
    )
    rows = _usable_rows(labels, level, when, photos, roles, notes)
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

    decoded = None if photos is None else photos.read(rows, notes)
    found: list[str] = []
    if photos is not None and decoded is not None:
        features = [Feature(photos.column(decoded))]
    else:
        features, found = type_features(frame.cells(name).take(rows) for name in roles.features)
    notes += found
    if not features:
        raise DataError(
            "a problem needs a feature that varies; none is left of "
            f"{listed(roles.features)} ({' '.join(found)}) Bring other columns."
        )
    table = Table(tuple(feature.column for feature in features), len(rows))
    notes += leak_notes(table, described, labels)
    names = (*roles.targets, *(target.name for target in read if target.name not in roles.targets))
    schema = _schema(frame, roles, names, features, None if level is None else levels)
    groups = read_group(frame, roles.group, rows, level, notes)
    if photos is not None and decoded is not None:
        schema, groups = photos.entered(schema, decoded), joined(decoded.pixels, groups, notes)
    return Problem(
        table=table,
        targets=described,
        labels=labels,
        tasks=tasks,
        levels=None if level is None else levels,
        level=level,
        level_name=roles.task,
        group=groups,
        time=None if when is None else when[rows],
        notes=tuple(notes),
        schema=schema,
        rows=rows,
        unlabelled=None if photos is not None else _unlabelled(frame, read, schema),
    )


def _read_targets(
    frame: Frame, roles: Roles, kinds: Mapping[str, str], metrics: dict[str, str]
) -> list[Labels]:
    """Every target's labels; a column of several labels becomes several targets, each scored as asked of the column."""
    read: list[Labels] = []
    for name in roles.targets:
        if kinds.get(name) != "multilabel":
            read.append(encode(frame.cells(name), kinds.get(name)))
            continue
        found = spread(name, frame.objects(name))
        taken = [labels.name for labels in found if labels.name in frame]
        if taken:
            raise DataError(
                f"a label of '{name}' becomes a target of its own; the table has a column '{taken[0]}' already. "
                "Rename that column."
            )
        if name in metrics:
            metrics |= {labels.name: metrics[name] for labels in found}
        read += found
    return read


def _unlabelled(frame: Frame, read: list[Labels], schema: Schema) -> Table | None:
    """Features of the rows without any label, where there are some: pretraining can read them."""
    known = [~np.isnan(labels.values) for labels in read]
    rows = np.flatnonzero(~np.any(known, axis=0))
    return schema.features_of(frame, rows) if len(rows) else None


def one_task(target: str) -> str:
    """What is said of a problem with a single task."""
    return (
        f"targets must hold at least two tasks; got 1 ('{target}'). "
        "Name another column with --targets, or the column that names the task with --task."
    )


def _usable_rows(
    labels: Array,
    level: NDArray[np.intp] | None,
    when: Array | None,
    photos: PictureColumn | None,
    roles: Roles,
    notes: list[str],
) -> NDArray[np.intp]:
    usable = np.ones(len(labels), dtype=bool)
    for lacking, what in (
        (np.isnan(labels).all(axis=1), "without any label"),
        (None if level is None else level < 0, f"without a task in '{roles.task}'"),
        (None if when is None else np.isnan(when), f"without a time in '{roles.time}'"),
        (None if photos is None else photos.gaps, "without a picture"),
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


def _schema(
    frame: Frame,
    roles: Roles,
    targets: tuple[str, ...],
    features: list[Feature],
    levels: tuple[str, ...] | None,
) -> Schema:
    names = tuple(feature.column.name for feature in features)
    read = {*names, *roles.targets, roles.task}
    return Schema(
        features=names,
        kinds=tuple(feature.column.kind for feature in features),
        bools=tuple(feature.column.name for feature in features if feature.is_bool),
        targets=targets,
        others=tuple(name for name in frame.names if name not in read),
        level_name=roles.task,
        levels=levels,
        width=len(frame.names) if frame.positional else None,
        values=tuple(words_held(feature.column) for feature in features),
    )
