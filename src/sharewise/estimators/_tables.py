"""From ``X`` and targets to a `Problem`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import narwhals as nw
import numpy as np
import pandas
from numpy.typing import NDArray

from sharewise.errors import DataError
from sharewise.problems import Problem, Schema, Table, Target, Task
from sharewise.problems._frame import open_frame
from sharewise.problems._schema import words_held
from sharewise.problems._typing import type_features
from sharewise.tasks import Array, Kind


def as_frame(X: Any) -> Any:
    """``X`` as a frame: as it is, or an array's columns under the names ``x0``, ``x1`` and so on."""
    if hasattr(X, "columns"):
        return X
    return pandas.DataFrame({f"x{place}": X[:, place] for place in range(X.shape[1])})


def wide_problem(
    X: Any, names: Sequence[str], labels: Array, kinds: Sequence[Kind], metric: str | None
) -> Problem:
    """A problem of several targets.

    Args:
        X: The features, a frame.
        names: Of the ``T`` targets.
        labels: ``(n, T)``, codes for classes, NaN at gaps.
        kinds: Of the targets; a class's label is its code.
        metric: Of all targets, or None for each kind's own.

    Raises:
        DataError: The table cannot be compared on: too few rows, a target that does not vary, no feature.
    """
    frame = nw.from_native(cast("Any", X), eager_only=True)
    taken = set(map(str, frame.columns))
    own = [name if name not in taken else free(name, taken) for name in names]
    made = frame.with_columns(
        *(
            nw.new_series(name, labels[:, place].copy(), backend=frame.implementation)
            for place, name in enumerate(own)
        )
    )
    problem = Problem.from_frame(
        made.to_native(),
        targets=own,
        kinds={name: kind.name for name, kind in zip(own, kinds, strict=True)},
        metric=metric,
    )
    left = [name for name in own if name not in {target.name for target in problem.targets}]
    if left:
        raise DataError(
            f"every column of y needs rows enough to learn from; '{left[0]}' has too few. Leave it out."
        )
    return problem


def plain_problem(
    X: Any, names: Sequence[str], labels: Array, kinds: Sequence[Kind], metric: str | None
) -> Problem:
    """A problem that nothing is compared on: it may have one target, or few rows. Arguments as of `wide_problem`.

    Raises:
        DataError: No feature varies.
    """
    source = open_frame(X)
    rows = np.flatnonzero(~np.isnan(labels).all(axis=1))
    features, notes = type_features(source.cells(column).take(rows) for column in source.names)
    if not features:
        raise DataError(f"X needs a feature that varies; all are constant over {len(rows)} labelled rows.")
    columns = tuple(feature.column for feature in features)
    schema = Schema(
        features=tuple(column.name for column in columns),
        kinds=tuple(column.kind for column in columns),
        bools=tuple(feature.column.name for feature in features if feature.is_bool),
        targets=tuple(names),
        others=tuple(n for n in source.names if n not in {column.name for column in columns}),
        values=tuple(words_held(column) for column in columns),
    )
    return Problem(
        table=Table(columns, len(rows)),
        targets=tuple(Target(n, kind, kind.metric(metric)) for n, kind in zip(names, kinds, strict=True)),
        labels=labels[rows],
        tasks=tuple(Task(name, place, None) for place, name in enumerate(names)),
        notes=tuple(notes),
        schema=schema,
        rows=rows,
    )


def free(name: str, taken: set[str]) -> str:
    """A name that is not taken yet."""
    while name in taken:
        name += " (target)"
    return name


def coded(cells: NDArray[Any], known: NDArray[np.bool_]) -> tuple[NDArray[Any], Array]:
    """The classes of a column in sorted order, and each row's code, NaN at gaps.

    Raises:
        DataError: Classes of several types have no order.
    """
    codes = np.full(len(cells), np.nan)
    try:
        classes, places = np.unique(cells[known], return_inverse=True)
    except TypeError as error:
        raise DataError(
            f"classes should be of one type, so that they have an order ({error}). Convert them."
        ) from error
    codes[known] = places.ravel()
    return classes, codes
