"""One target column: which kind of task it is, and its labels as numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sharewise.errors import DataError
from sharewise.problems._cells import Cells, Value, as_words, keys
from sharewise.problems._ordered import ranks
from sharewise.problems._words import HUGE, is_marked_number, numbers_in
from sharewise.tasks import Array

FEW_VALUES = 10
"""Up to so many distinct whole numbers could be classes."""

REPEATS = 5
"""Classes come up about so often each; whole numbers that do not raise no doubt."""

MOST_CLASSES = 50
"""More classes than this, and than a fifth of the labels, are no classes."""


@dataclass(frozen=True)
class Labels:
    """A target as read.

    Attributes:
        name: Of the column.
        kind: One of `sharewise.tasks.KINDS`.
        values: ``(N,)`` float64: numbers, or places in ``classes``; NaN for a gap.
        classes: In sorted order, of an ordinal target from low to high; none for regression.
        notes: Sentences.
    """

    name: str
    kind: str
    values: Array
    classes: tuple[Value, ...] = ()
    notes: tuple[str, ...] = ()


def encode(cells: Cells, kind: str | None) -> Labels:
    """Labels of a target; ``kind`` as asked for, or None to infer it.

    Raises:
        DataError: The cells do not make a target (none, one value, dates, words among numbers,
            infinite values, too many classes, words without an order), or not one of that kind.
    """
    name = cells.name
    present = cells.present()
    if not present.any():
        raise DataError(f"a target must hold labels; '{name}' is empty. Take it out of --targets.")
    if cells.form == "date":
        raise DataError(
            f"a target holds numbers or classes; '{name}' holds dates. "
            "Turn it into a number (days until, say) first."
        )
    if cells.form == "word" and (kind == "regression" or (kind is None and not cells.category)):
        cells = _spelled(cells, kind)
    if cells.form != "word":
        _refuse_infinite(cells)
    codes, distinct = ranks(cells) if kind == "ordinal" else keys(cells)
    if len(distinct) < 2:
        raise DataError(
            f"a target must vary; '{name}' is {distinct[0]!r} on all {int(present.sum())} labelled rows. "
            "Take it out of --targets."
        )
    chosen = kind or _inferred(cells, len(distinct))
    if chosen == "regression":
        doubt = () if kind else _doubt(name, distinct, int(present.sum()))
        return Labels(name, chosen, np.asarray(cells.values, dtype=np.float64), notes=doubt)
    _check_classes(name, chosen, distinct, int(present.sum()), asked=kind is not None)
    notes = () if kind or cells.order is None or len(distinct) < 3 else (_unused_order(name),)
    return Labels(name, chosen, np.where(codes < 0, np.nan, codes.astype(np.float64)), distinct, notes)


def _unused_order(name: str) -> str:
    return (
        f"The categories of target '{name}' have an order, and are read as classes without one; to use it, say "
        f"kinds={{'{name}': 'ordinal'}} or --kinds {name}=ordinal."
    )


def _inferred(cells: Cells, distinct: int) -> str:
    if distinct == 2:
        return "binary"
    return "multiclass" if cells.form == "word" else "regression"


def _spelled(cells: Cells, kind: str | None) -> Cells:
    """Words that all spell numbers as numbers, unless two of them are classes."""
    words = as_words(cells)
    present = cells.present()
    found = numbers_in(words)
    numeric = ~np.isnan(found)
    if numeric.sum() == present.sum():
        return Cells(cells.name, "number", found)
    stray = words[present & ~numeric][0]
    if kind == "regression":
        raise DataError(
            f"a regression target holds numbers; '{cells.name}' holds '{stray}'. "
            f"Mend or blank such cells, or say --kinds {cells.name}=multiclass."
        )
    if kind is None and all(map(is_marked_number, words[present & ~numeric])):
        raise DataError(
            f"a target that is a number must be written plainly (1234.5); '{cells.name}' holds '{stray}'. "
            f"Take such marks out, or say --kinds {cells.name}=multiclass if these are classes."
        )
    if numeric.any():
        example = words[numeric][0]
        raise DataError(
            f"a target holds numbers or words, not both; '{cells.name}' holds '{example}' and '{stray}'. "
            f"Mend or blank such cells, or say --kinds {cells.name}=multiclass if all are classes."
        )
    return cells


def _refuse_infinite(cells: Cells) -> None:
    huge = np.abs(cells.values) > HUGE
    if huge.any():
        what = "infinite" if np.isinf(cells.values[huge]).all() else f"beyond {HUGE:g}"
        raise DataError(
            f"labels must be finite; '{cells.name}' is {what} on {int(huge.sum())} of {len(cells.values)} rows. "
            "Blank those cells or take the target out of --targets."
        )


def _doubt(name: str, distinct: tuple[Value, ...], labelled: int) -> tuple[str, ...]:
    whole = all(isinstance(value, int) for value in distinct)
    if not whole or not 3 <= len(distinct) <= min(FEW_VALUES, labelled / REPEATS):
        return ()
    return (
        f"Target '{name}' holds {len(distinct)} distinct whole numbers and is read as a number; "
        f"if they are classes, say kinds={{'{name}': 'multiclass'}} or --kinds {name}=multiclass "
        "(ordinal where they have an order).",
    )


def _check_classes(name: str, kind: str, distinct: tuple[Value, ...], labelled: int, *, asked: bool) -> None:
    if kind == "binary" and len(distinct) != 2:
        raise DataError(
            f"a binary target has two classes; '{name}' has {len(distinct)}. Say --kinds {name}=multiclass."
        )
    if len(distinct) > max(MOST_CLASSES, labelled / 5):
        way_out = (
            f"Say --kinds {name}=regression if they are numbers"
            if asked
            else "Take it out of --targets if it names rows"
        )
        raise DataError(
            f"classes must come up several times each; '{name}' has {len(distinct)} classes on "
            f"{labelled} labelled rows. {way_out}, or merge its classes."
        )
