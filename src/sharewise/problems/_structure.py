"""Columns that order the rows: the task each belongs to, its group, its time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sharewise.errors import DataError
from sharewise.problems._cells import as_words, keys
from sharewise.problems._frame import Frame
from sharewise.problems._names import counted
from sharewise.problems._words import dates_in, numbers_in, word
from sharewise.tasks import Array


def read_levels(frame: Frame, task: str | None) -> tuple[NDArray[np.intp] | None, tuple[str, ...]]:
    """Each row's task level ``(N,)`` (-1 where none is named), and the levels as text."""
    if task is None:
        return None, ()
    codes, values = keys(frame.cells(task))
    return codes, tuple(word(value) or "" for value in values)


def read_time(frame: Frame, time: str | None) -> Array | None:
    """Each row's time ``(N,)``, NaN where there is none.

    Raises:
        DataError: The cells are neither numbers nor dates.
    """
    if time is None:
        return None
    cells = frame.cells(time)
    if cells.form != "word":
        return np.where(np.isfinite(cells.values), cells.values, np.nan)
    words, present = as_words(cells), cells.present()
    for read in (numbers_in, dates_in):
        values = read(words)
        if present.any() and not np.isnan(values[present]).any():
            return values
    stray = words[present & np.isnan(dates_in(words))]
    example = f"holds '{stray[0]}'" if len(stray) else "is empty"
    raise DataError(
        f"the time column must hold numbers or ISO dates (2024-01-31); '{time}' {example}. "
        "Convert it, or name another with --time."
    )


def read_group(
    frame: Frame, group: str | None, rows: NDArray[np.intp], level: NDArray[np.intp] | None, notes: list[str]
) -> NDArray[np.intp] | None:
    """The group ``(len(rows),)`` of each row kept.

    Raises:
        DataError: There is only one group.
    """
    if group is None:
        return None
    codes, _ = keys(frame.cells(group).take(rows))
    missing = codes < 0
    if missing.any():
        codes[missing] = codes.max() + 1 + np.arange(missing.sum())
        notes.append(
            f"{counted(int(missing.sum()), 'row')} without a group in '{group}', "
            "each taken as a group of its own."
        )
    n_groups = len(np.unique(codes))
    if n_groups < 2:
        raise DataError(
            f"groups are kept whole across a split, so there must be two; '{group}' has {n_groups}. "
            "Name another column with --group."
        )
    if level is not None:
        pairs = np.unique(np.stack([level, codes], axis=1), axis=0)
        alone = int((np.bincount(pairs[:, 0]) == 1).sum())
        if alone:
            notes.append(
                f"{counted(alone, 'task')} of {level.max() + 1} in one single group of '{group}': "
                "no split can both train and test on them."
            )
    return codes
