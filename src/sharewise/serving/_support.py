"""Labelled rows of one new task, read and checked.

Symbols: ``n`` rows, ``D`` targets that are labelled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sharewise.errors import DataError
from sharewise.problems import Column, Schema, Table, Target
from sharewise.problems._cells import Cells, as_words, from_objects, keys
from sharewise.problems._frame import Frame, open_frame
from sharewise.problems._items import is_tensor, item_of, pair_of, plain
from sharewise.problems._names import counted, listed, nearest
from sharewise.problems._words import HUGE, numbers_in, word
from sharewise.serving._rows import read_rows
from sharewise.tasks import Array, Classification, Multiclass

Classes = tuple[str | int | float | bool, ...]


@dataclass(frozen=True)
class Support:
    """Labelled rows.

    Attributes:
        table: Features of the ``n`` rows.
        targets: The ``D`` targets that they label. In a pool of classes the kind is that of the study; the task's own
            classes stand in ``classes``.
        y: ``(n, D)`` numbers or places of classes; NaN where another target is labelled.
        classes: Of each target, None for numbers.
    """

    table: Table
    targets: tuple[Target, ...]
    y: Array
    classes: tuple[Classes | None, ...]


def read_support(schema: Schema, targets: Sequence[Target], frame: object, *, task: str) -> Support:
    """The rows of a frame, or of a dataset of ``(x, y)``, with the labels of all targets that are there.

    Args:
        schema: How the study's table was read; without a task column classes are the rows' own.
        targets: That may be labelled.
        frame: The rows.
        task: Value of the task column that the rows may have, and no other.

    Raises:
        DataError: No rows, no target column, a row without a label, a label that is not finite or no class of the
            study's, rows of another task, or what `Schema.read` refuses.
    """
    features: object
    if schema.shape is not None:
        features, columns = _items(frame, targets[0].name)
    else:
        features = source = open_frame(frame)
        _refuse_empty(source.n_rows)
        columns = {target.name: source.cells(target.name) for target in _labelled(schema, targets, source)}
        check_task(schema, source, task)
    held = {name: cells for name, cells in columns.items() if cells.present().any()}
    _refuse_gaps(held or columns)
    found = tuple(target for target in targets if target.name in held)
    read = [
        _codes(held[target.name], target, own=schema.level_name is None)
        if isinstance(target.kind, Classification)
        else (_numbers(held[target.name]), None)
        for target in found
    ]
    table, _ = read_rows(schema, features, with_levels=False, depth=5)
    return Support(table, found, np.column_stack([y for y, _ in read]), tuple(own for _, own in read))


def merged(first: Support, second: Support) -> Support:
    """Both sets of rows, of the first one's targets; classes that are new to it join.

    Raises:
        DataError: Classes are words in one and numbers in the other.
    """
    columns = tuple(
        Column(a.name, a.kind, np.concatenate([a.values, b.values]))
        for a, b in zip(first.table, second.table, strict=True)
    )
    table = Table(columns, len(first.table) + len(second.table))
    y = np.full((len(table), len(first.targets)), np.nan)
    classes: list[Classes | None] = []
    names = [target.name for target in second.targets]
    for place, target in enumerate(first.targets):
        codes, own = first.y[:, place], first.classes[place]
        if target.name in names:
            at = names.index(target.name)
            further, others = second.y[:, at], second.classes[at]
            if own is not None and others is not None and own != others:
                union = _union(target.name, own, others)
                codes, further = _recoded(codes, own, union), _recoded(further, others, union)
                own = union
            y[len(first.table) :, place] = further
        y[: len(first.table), place] = codes
        classes.append(own)
    return Support(table, first.targets, y, tuple(classes))


def described(support: Support, *, own: bool) -> tuple[Target, ...]:
    """The targets of a task, where ``own`` with the classes of its own rows.

    Raises:
        DataError: All rows are of one class.
    """
    found = []
    for target, y, classes in zip(support.targets, support.y.T, support.classes, strict=True):
        if classes is not None:
            seen = np.unique(y[~np.isnan(y)]).astype(np.intp)
            if len(seen) < 2:
                raise DataError(
                    f"a support set holds rows of two classes or more; '{target.name}' is "
                    f"{classes[seen[0]]!r} on all {counted(int((~np.isnan(y)).sum()), 'row')}. Bring rows of another."
                )
            if own:
                target = Target(target.name, Multiclass(classes), target.metric)
        found.append(target)
    return tuple(found)


def check_task(schema: Schema, source: Frame, task: str) -> None:
    """Refuse rows that name another task; rows that name none are the task's.

    Raises:
        DataError: Some do.
    """
    column = schema.level_name
    if column is None or column not in source or (source.positional and len(source.names) != schema.width):
        return  # an array without the targets has its columns elsewhere
    named = {name for name in as_words(source.cells(column)).tolist() if name is not None}
    others = sorted(named - {task, f"{column} {task}"})
    if others:
        raise DataError(
            f"all rows must be of the task '{column} {task}'; '{column}' holds {listed(others)}. "
            "Select its rows, or leave the column out."
        )


def _items(dataset: Any, target: str) -> tuple[list[Any], dict[str, Cells]]:
    """Inputs and labels of a dataset, each item read once."""
    if is_tensor(dataset) or not hasattr(dataset, "__getitem__") or not hasattr(dataset, "__len__"):
        raise DataError(
            "labelled inputs come as a map-style dataset of (x, y), as a TensorDataset is; "
            f"got a {type(dataset).__name__}."
        )
    size = len(dataset)
    _refuse_empty(size)
    pairs = [pair_of(item_of(dataset, place, f"item {place}"), f"item {place}") for place in range(size)]
    return [x for x, _ in pairs], {target: from_objects(target, [plain(label) for _, label in pairs])}


def _refuse_empty(rows: int) -> None:
    if rows == 0:
        raise DataError("a new task needs labelled rows; got none. Check how the table was read or filtered.")


def _labelled(schema: Schema, targets: Sequence[Target], source: Frame) -> list[Target]:
    """The targets whose columns are there."""
    if source.positional and schema.width is not None and len(source.names) != schema.width:
        raise DataError(
            f"an array of labelled rows has the {schema.width} columns that the problem was read from, targets too; "
            f"got {len(source.names)}. Bring them in that order."
        )
    found = [target for target in targets if target.name in source]
    if not found:
        names = [target.name for target in targets]
        known = {*schema.features, *schema.others, schema.level_name}
        spare = [name for name in source.names if name not in known]
        raise DataError(
            f"labelled rows must hold {'the target column' if len(names) == 1 else 'a target column, one of'} "
            f"{listed(names)}; they hold none.{nearest(names[0], spare)} Add it, or rename the column that it is."
        )
    return found


def _refuse_gaps(columns: dict[str, Cells]) -> None:
    present = np.any([cells.present() for cells in columns.values()], axis=0)
    gaps = int((~present).sum())
    if gaps:
        raise DataError(
            f"every row to adapt to must have a label; {listed(list(columns))} "
            f"{'is' if len(columns) == 1 else 'are'} empty or NaN on {counted(gaps, 'row')} of {len(present)}. "
            "Leave such rows out."
        )


def _numbers(cells: Cells) -> Array:
    if cells.form == "date":
        raise DataError(f"labels of '{cells.name}' are numbers; the rows hold dates. Convert them.")
    values: Array = cells.values
    if cells.form == "word":
        values = numbers_in(as_words(cells))
        stray = cells.present() & np.isnan(values)
        if stray.any():
            raise DataError(
                f"labels of '{cells.name}' are numbers; {counted(int(stray.sum()), 'row')} "
                f"{'holds' if stray.sum() == 1 else 'hold'} words, such as '{cells.values[stray][0]}'. "
                "Mend them or leave them out."
            )
    _refuse_infinite(cells.name, values)
    return np.asarray(values, dtype=np.float64)


def _codes(cells: Cells, target: Target, *, own: bool) -> tuple[Array, Classes]:
    """Places of classes, and the classes: the target's, or the rows' ``own``."""
    if cells.form == "number":
        _refuse_infinite(cells.name, cells.values)
    if own:
        places, classes = keys(cells)
        return np.where(places < 0, np.nan, places.astype(np.float64)), classes
    assert isinstance(target.kind, Classification)
    place = {word(label): float(code) for code, label in enumerate(target.kind.classes)}
    words = as_words(cells).tolist()
    unseen = sorted({text for text in words if text is not None and text not in place})
    if unseen:
        known = [str(text) for text in place]
        hint = nearest(unseen[0], known) or f" Known are {listed(known)}."
        raise DataError(
            f"a label must be one of the classes that the study knows; '{cells.name}' holds {listed(unseen)}.{hint} "
            "Mend such rows or leave them out."
        )
    return np.array([np.nan if text is None else place[text] for text in words]), target.kind.classes


def _refuse_infinite(name: str, values: NDArray[Any]) -> None:
    huge = np.abs(values) > HUGE
    if huge.any():
        what = "infinite" if np.isinf(values[huge]).all() else f"beyond {HUGE:g}"
        raise DataError(
            f"labels must be finite; '{name}' is {what} on {counted(int(huge.sum()), 'row')} of {len(values)}. "
            "Mend such rows or leave them out."
        )


def _union(name: str, first: Classes, second: Classes) -> Classes:
    try:
        return tuple(sorted({*first, *second}))
    except TypeError as error:
        raise DataError(
            f"classes of '{name}' are words or numbers, not both; the task has {first[0]!r}, the further rows "
            f"{second[0]!r}. Write them alike."
        ) from error


def _recoded(y: Array, own: Classes, union: Classes) -> Array:
    place = np.array([union.index(label) for label in own], dtype=np.float64)
    known = ~np.isnan(y)
    found = np.full(len(y), np.nan)
    found[known] = place[y[known].astype(np.intp)]
    return found
