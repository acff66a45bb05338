"""One column of any frame as plain NumPy: numbers, dates or words, gaps as NaN or None."""

from __future__ import annotations

import datetime
import decimal
import math
import numbers
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sharewise.errors import DataError
from sharewise.problems._words import SECONDS_A_DAY, days_of, is_missing, iso, word

Form = Literal["number", "bool", "date", "word"]
Value = str | int | float | bool

EXACT = 2.0**53
"""Whole numbers beyond this do not fit a float64."""

CONTAINERS = (bytes, bytearray, memoryview, list, tuple, dict, set, frozenset, np.ndarray)
"""What cannot stand in one cell."""


@dataclass(frozen=True)
class Cells:
    """A column as read, before anything is decided about it.

    Attributes:
        name: As in the user's table.
        form: ``number``, ``bool`` and ``date`` hold float64 (days since 1970), ``word`` objects.
        values: ``(N,)``.
        category: Declared as categories by the frame.
        mixed: The cells were of several types, now all words.
        exact: ``(N,)`` the values themselves, or None for a gap, where ``values`` are not them:
            whole numbers too wide for float64, numbers declared as categories.
        order: The values from low to high as the frame declares them, where its categories have an order.
    """

    name: str
    form: Form
    values: NDArray[Any]
    category: bool = False
    mixed: bool = False
    exact: NDArray[np.object_] | None = None
    order: tuple[Value, ...] | None = None

    def take(self, rows: NDArray[np.intp]) -> Cells:
        """The given rows, in that order."""
        exact = None if self.exact is None else self.exact[rows]
        return Cells(self.name, self.form, self.values[rows], self.category, self.mixed, exact, self.order)

    def present(self) -> NDArray[np.bool_]:
        """``(N,)`` whether a cell holds something."""
        if self.form == "word":
            return np.array([value is not None for value in self.values], dtype=bool)
        known: NDArray[np.bool_] = ~np.isnan(self.values)
        return known


def from_array(name: str, values: NDArray[Any]) -> Cells:
    """Cells of a NumPy column of any type.

    Raises:
        DataError: A cell holds a list, a dictionary, bytes or the like.
    """
    kind = values.dtype.kind
    if kind == "b":
        return Cells(name, "bool", values.astype(np.float64))
    if kind in "iuf":
        numbers_ = values.astype(np.float64)
        wide = kind in "iu" and bool(np.any(np.abs(numbers_) > EXACT))
        return Cells(name, "number", numbers_, exact=values.astype(object) if wide else None)
    if kind in "mM":
        return _from_times(name, values)
    if kind in "OUT":
        return from_objects(name, values.tolist())
    raise DataError(
        f"cells must hold numbers, words or dates; column '{name}' holds {values.dtype}. "
        "Leave it out with drop= or --drop."
    )


def _from_times(name: str, values: NDArray[Any]) -> Cells:
    gaps = np.isnat(values)
    unit = "datetime64[us]" if values.dtype.kind == "M" else "timedelta64[us]"
    days = values.astype(unit).astype(np.int64) / (SECONDS_A_DAY * 1e6)
    days[gaps] = np.nan
    return Cells(name, "date" if values.dtype.kind == "M" else "number", days)


def from_objects(name: str, values: Sequence[Any], *, category: bool = False) -> Cells:
    """Cells of Python objects: all bool, all numbers, all dates, or else words."""
    if not category and _are_plain_words(values):
        return Cells(name, "word", _as_objects(v if type(v) is str and v.strip() else None for v in values))
    known = [None if is_missing(value) else value for value in values]
    types = {type(value) for value in known} - {type(None)}
    for found in types:
        if issubclass(found, CONTAINERS):
            raise DataError(
                f"a cell must hold one number, word or date; column '{name}' holds a {found.__name__}. "
                "Spread it over several columns, or leave it out with drop= or --drop."
            )
    if category or not types or _all_are(types, str):
        own = _as_objects(known) if types and _all_are(types, (int, float, np.number)) else None
        return Cells(name, "word", _as_objects(word(value) for value in known), category=category, exact=own)
    if _all_are(types, (bool, np.bool_)):
        return Cells(name, "bool", np.array([math.nan if v is None else float(v) for v in known]))
    if _all_are(types, (numbers.Real, decimal.Decimal, np.number)):
        floats = np.array([math.nan if v is None else _float(v) for v in known])
        wide = _all_are(types, (int, np.integer)) and bool(np.any(np.abs(floats) > EXACT))
        return Cells(name, "number", floats, exact=_as_objects(known) if wide else None)
    if _all_are(types, datetime.date):
        return Cells(name, "date", np.array([math.nan if v is None else days_of(v) for v in known]))
    if _all_are(types, datetime.timedelta):
        seconds = [math.nan if v is None else v.total_seconds() for v in known]
        return Cells(name, "number", np.array(seconds) / SECONDS_A_DAY)
    return Cells(name, "word", _as_objects(word(value) for value in known), mixed=True)


def from_categories(name: str, values: Sequence[Any], categories: Sequence[Any] | None) -> Cells:
    """Cells declared as categories, with their order where they have one."""
    cells = from_objects(name, values, category=True)
    if categories is None or cells.form != "word":
        return cells
    order = (word(value) if cells.exact is None else _plain(value) for value in categories)
    return replace(cells, order=tuple(value for value in order if value is not None))


def _float(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _are_plain_words(values: Sequence[Any]) -> bool:
    """Whether there are only strings and gaps: the common case, checked fast."""
    types = set(map(type, values))
    if str not in types or not types <= {str, float, type(None)}:
        return False
    return float not in types or all(math.isnan(v) for v in values if type(v) is float)


def _all_are(types: Iterable[type], bases: type | tuple[type, ...]) -> bool:
    return all(issubclass(found, bases) for found in types)


def _as_objects(values: Iterable[Any]) -> NDArray[np.object_]:
    held = list(values)
    array = np.empty(len(held), dtype=object)
    array[:] = held
    return array


def as_words(cells: Cells) -> NDArray[np.object_]:
    """``(N,)`` every cell as text or None."""
    if cells.form == "word":
        return cells.values
    if cells.exact is not None:
        return _as_objects(word(value) for value in cells.exact)
    if cells.form == "bool":
        return _as_objects(None if math.isnan(v) else str(bool(v)) for v in cells.values)
    if cells.form == "date":
        return _as_objects(None if math.isnan(v) else iso(v) for v in cells.values)
    return _as_objects(word(value) for value in cells.values)


def keys(cells: Cells) -> tuple[NDArray[np.intp], tuple[Value, ...]]:
    """Codes ``(N,)`` of the distinct values in sorted order (-1 for a gap), and the values."""
    if cells.form == "word" or cells.exact is not None:
        held = cells.values.tolist() if cells.exact is None else [_plain(value) for value in cells.exact]
        distinct = sorted({value for value in held if value is not None})
        place: dict[Any, int] = {value: i for i, value in enumerate(distinct)} | {None: -1}
        return np.array([place[value] for value in held], dtype=np.intp), tuple(distinct)
    codes = np.full(len(cells.values), -1, dtype=np.intp)
    present = cells.present()
    found, codes[present] = np.unique(cells.values[present], return_inverse=True)
    if cells.form == "bool":
        return codes, tuple(bool(value) for value in found)
    if cells.form == "date":
        return codes, tuple(iso(value) for value in found)
    whole = bool(np.all(np.isfinite(found) & (found == np.floor(found))))
    return codes, tuple(int(value) if whole else float(value) for value in found)


def _plain(value: Any) -> Any:
    """A Python bool, int or float; a whole number as int."""
    plain = value.item() if isinstance(value, np.generic) else value
    return int(plain) if isinstance(plain, float) and plain.is_integer() else plain
