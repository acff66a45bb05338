"""What a row holds: each field's values as JSON has them, and as the library reads them.

A request is checked by itself before it waits with others, so that no row of one can spoil another's, and its cells
are brought to one form a kind. Cells that mean the same then mean the same in whatever company they are predicted: a
column of several requests is never a mixture that would be read another way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, NoReturn

import numpy as np
from numpy.typing import NDArray

from sharewise.problems import Schema, Target
from sharewise.problems._words import HUGE, dates_in, word
from sharewise.problems.pictures import Form, decoding_of
from sharewise.serving.http._pictures import Reader
from sharewise.serving.http._refusal import Refusal
from sharewise.tasks import Classification

FieldKind = Literal["number", "truth", "category", "text", "date", "task", "sentence", "tensor", "picture"]
JsonRow = Mapping[str, Any]

_NAMES = {
    "number": "a number",
    "truth": "true or false",
    "category": "a word, a number, or true or false",
    "text": "text",
    "date": "a date such as 2026-03-31",
    "task": "a word or a number",
    "sentence": "a list of words",
    "tensor": "a list of numbers",
    "picture": "a PNG or JPEG file in base64, or a list of numbers",
}


@dataclass(frozen=True)
class Field:
    """One column of the rows.

    Attributes:
        name: Of the column.
        kind: As the schema's, with ``truth`` for a number that came as True and False, and ``task`` for the task column.
        values: Words that a category held when the model was made; None where that is not known.
        shape, dtype: Of a tensor, and of a picture's pixels.
        form: How a picture is decoded.
        required: Whether every row must hold it.
    """

    name: str
    kind: FieldKind
    values: tuple[str, ...] | None = None
    shape: tuple[int, ...] | None = None
    dtype: str | None = None
    required: bool = True
    form: Form | None = None

    def column(self, cells: Sequence[Any]) -> NDArray[Any]:
        """Cells of one request in the form of the kind: float64, or objects.

        Raises:
            Refusal: 422; a cell is of another type, and the sentence says in which row.
        """
        return _COLUMN[self.kind](self, cells)

    def blank(self) -> NDArray[Any]:
        """One cell of which nothing is known; of a task the first one, of a sentence one word."""
        if self.kind in ("number", "truth"):
            return np.full(1, np.nan)
        if self.kind in ("tensor", "picture"):
            return np.zeros((1, *(self.shape or ())), self.dtype)
        return _objects([{"task": next(iter(self.values or ()), None), "sentence": ("a",)}.get(self.kind)])


def fields_of(schema: Schema, *, levels: bool) -> tuple[Field, ...]:
    """The fields of rows to predict.

    Args:
        schema: Of the model.
        levels: Whether a row must name its task.
    """
    found = []
    shape, dtype = schema.shape, schema.dtype
    if schema.pictures is not None:
        shape, dtype = decoding_of(schema.pictures).shape, "uint8"
    for place, (name, kind) in enumerate(zip(schema.features, schema.kinds, strict=True)):
        values = schema.values[place] if place < len(schema.values) else None
        shown: FieldKind = "truth" if kind == "number" and name in schema.bools else kind
        if schema.pictures is not None:
            shown = "picture"
        found.append(Field(name, shown, values, shape, dtype, form=schema.pictures))
    if schema.level_name is not None:
        found.append(Field(schema.level_name, "task", schema.levels, required=levels))
    return tuple(found)


def label_of(target: Target) -> Field:
    """The field of a target's labels."""
    if isinstance(target.kind, Classification):
        return Field(target.name, "category", tuple(map(str, target.kind.classes)), required=False)
    return Field(target.name, "number", required=False)


def size_of(column: NDArray[Any]) -> int:
    """Bytes that a column takes, a character of text counted as one."""
    if column.dtype != object:
        return int(column.nbytes)
    return int(column.nbytes) + sum(
        len(cell) if isinstance(cell, str) else sum(map(len, cell)) for cell in column if cell
    )


_PLAIN_NUMBERS: frozenset[type] = frozenset({int, float, type(None)})
_TRUTHS = _PLAIN_NUMBERS | {bool}


def _numbers(field: Field, cells: Sequence[Any]) -> NDArray[Any]:
    _check_types(field, cells, _TRUTHS if field.kind == "truth" else _PLAIN_NUMBERS)
    # In Python, since most requests hold one row: NumPy takes longer to begin than this to end.
    if not all(cell is None or -HUGE <= cell <= HUGE for cell in cells):
        place = next(place for place, cell in enumerate(cells) if cell is not None and abs(cell) > HUGE)
        raise Refusal(
            422,
            f"a number lies within ±{HUGE:g}; '{field.name}' does not in row {place + 1}. "
            "Send null where it is unknown.",
        )
    return np.array(cells, dtype=np.float64)  # None becomes NaN


def _words(field: Field, cells: Sequence[Any]) -> NDArray[Any]:
    allowed: set[type] = {str, type(None)}
    if field.kind == "category":
        allowed |= {int, float, bool}
    _check_types(field, cells, allowed)
    return _objects([cell if type(cell) is str and cell.strip() else word(cell) for cell in cells])


def _dates(field: Field, cells: Sequence[Any]) -> NDArray[Any]:
    _check_types(field, cells, {str, type(None)})
    words = _objects(cells)
    unread = np.flatnonzero(np.isnan(dates_in(words)) & np.array([cell is not None for cell in words]))
    if len(unread):
        _refuse(field, unread[0], str(words[unread[0]]))
    return words


def _tasks(field: Field, cells: Sequence[Any]) -> NDArray[Any]:
    _check_types(field, cells, {str, int, float})
    found = _objects([word(cell) for cell in cells])
    for place, cell in enumerate(found):
        if cell is None:
            _refuse(field, place, "nothing")
    return found


def _sentences(field: Field, cells: Sequence[Any]) -> NDArray[Any]:
    _check_types(field, cells, {list})
    for place, cell in enumerate(cells):
        if not cell or any(type(each) is not str or not each.strip() for each in cell):
            _refuse(field, place, "other things" if cell else "none")
    return _objects([tuple(cell) for cell in cells])


def _tensors(field: Field, cells: Sequence[Any]) -> NDArray[Any]:
    _check_types(field, cells, {list})
    assert field.shape is not None
    assert field.dtype is not None
    found = np.empty((len(cells), *field.shape), dtype=field.dtype)
    for place, cell in enumerate(cells):
        found[place] = _tensor(field, place, cell)
    return found


def _pictures(field: Field, cells: Sequence[Any]) -> NDArray[Any]:
    _check_types(field, cells, {list, str})
    assert field.form is not None
    decoding = decoding_of(field.form)
    reader = Reader(decoding, partial(_refuse, field))
    found = np.empty((len(cells), *decoding.shape), dtype=np.uint8)
    for place, cell in enumerate(cells):
        found[place] = reader.read(cell, place) if type(cell) is str else _tensor(field, place, cell)
    return found


def _tensor(field: Field, place: int, cell: Any) -> NDArray[Any]:
    try:
        values = np.array(cell)
    except (ValueError, OverflowError):  # lists of several lengths; a number that no type holds
        _refuse(field, place, "lists of several lengths")
    if values.shape != field.shape:
        _refuse(field, place, f"the shape {values.shape}, not {field.shape}")
    if values.dtype.kind not in "iuf" or (field.dtype != "float32" and values.dtype.kind == "f"):
        _refuse(field, place, f"cells of another type than {field.dtype}")
    least, most = (-HUGE, HUGE) if field.dtype == "float32" else _range(str(field.dtype))
    if values.size and not (least <= values.min() and values.max() <= most):
        _refuse(field, place, f"numbers beyond {field.dtype}")
    return values


def _range(dtype: str) -> tuple[int, int]:
    info = np.iinfo(dtype)
    return int(info.min), int(info.max)


def _check_types(field: Field, cells: Sequence[Any], allowed: Set[type]) -> None:
    if set(map(type, cells)) <= allowed:
        return
    place = next(place for place, cell in enumerate(cells) if type(cell) not in allowed)
    cell = cells[place]
    told = {dict: "an object", list: "a list", type(None): "null", bool: str(cell).lower()}.get(
        type(cell), repr(cell)[:40]
    )
    _refuse(field, place, told)


def _refuse(field: Field, place: int, found: str) -> NoReturn:
    empty = ", or null" if field.kind not in ("task", "sentence", "tensor", "picture") else ""
    raise Refusal(
        422,
        f"'{field.name}' holds {_NAMES[field.kind]}{empty}; row {place + 1} has {found[:80]}. Mend that row.",
    )


def _objects(cells: Sequence[Any]) -> NDArray[Any]:
    found = np.empty(len(cells), dtype=object)
    for place, cell in enumerate(cells):
        found[place] = cell
    return found


_COLUMN: dict[FieldKind, Callable[[Field, Sequence[Any]], NDArray[Any]]] = {
    "number": _numbers,
    "truth": _numbers,
    "category": _words,
    "text": _words,
    "date": _dates,
    "task": _tasks,
    "sentence": _sentences,
    "tensor": _tensors,
    "picture": _pictures,
}
