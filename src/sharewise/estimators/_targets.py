"""A ``Y`` in any of the forms that scikit-learn's users bring, and predictions in the same form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import narwhals as nw
import numpy as np
import pandas
from numpy.typing import NDArray

from sharewise.errors import DataError

Form = Literal["vector", "array", "frame"]


@dataclass(frozen=True)
class Columns:
    """What ``Y`` held.

    Symbols: ``n`` rows, ``T`` targets.

    Attributes:
        form: A vector ``(n,)``, an array ``(n, T)``, or a frame.
        names: Of a frame's columns; of an array ``y0``, ``y1`` …
        cells: ``T`` columns ``(n,)``.
        known: ``T`` masks ``(n,)`` of labelled rows.
        backend: The frame's library, as narwhals names it, or None.
    """

    form: Form
    names: tuple[str, ...]
    cells: tuple[NDArray[Any], ...]
    known: tuple[NDArray[np.bool_], ...]
    backend: Any = None

    def __len__(self) -> int:
        return len(self.cells[0])


def read_columns(y: Any) -> Columns:
    """``y`` as columns with masks of what is labelled.

    Raises:
        DataError: It is neither a vector nor a table, or has no column.
    """
    if hasattr(y, "columns"):
        frame = nw.from_native(cast("Any", y), eager_only=True)
        names = tuple(map(str, frame.columns))
        cells = [frame[name].to_numpy() for name in frame.columns]
        return _columns("frame", names, cells, frame.implementation)
    array = _array(y)
    if array.ndim == 1:
        return _columns("vector", ("y",), [array], None)
    if array.ndim != 2 or array.shape[1] == 0:
        raise DataError(
            f"y should be a 1d array, or a table of a column a target; got the shape {array.shape}."
        )
    names = tuple(f"y{place}" for place in range(array.shape[1]))
    return _columns("array", names, [array[:, place] for place in range(array.shape[1])], None)


def in_form(columns: Sequence[NDArray[Any]], like: Columns, X: object) -> Any:
    """Predictions ``T`` of ``(n,)`` in the form that ``Y`` had; a frame gets the index of ``X`` where it has one."""
    if like.form == "vector":
        return columns[0]
    if like.form == "frame":
        return _framed(dict(zip(like.names, columns, strict=True)), like.backend, X)
    kinds = {column.dtype.kind for column in columns}
    if len(kinds) > 1:
        columns = [column.astype(object) for column in columns]
    return np.column_stack(columns)


def _framed(columns: dict[str, NDArray[Any]], backend: Any, X: object) -> Any:
    plain = {
        name: values.tolist() if values.dtype.kind in "OU" else values for name, values in columns.items()
    }
    made: Any = nw.from_dict(plain, backend=backend).to_native()
    index = getattr(X, "index", None)
    if isinstance(made, pandas.DataFrame) and isinstance(index, pandas.Index) and len(index) == len(made):
        made.index = index
    return made


def _array(y: Any) -> NDArray[Any]:
    array = np.asarray(y)
    if array.dtype.kind == "U" and not isinstance(y, np.ndarray):
        # Words and gaps in one list; asarray would have written the gaps out as words.
        array = np.asarray(y, dtype=object)
    return array


def _columns(form: Form, names: tuple[str, ...], cells: list[NDArray[Any]], backend: Any) -> Columns:
    if len(set(names)) < len(names) or not names:
        raise DataError(
            f"y should be a table of differently named columns; got {', '.join(names) or 'none'}."
        )
    known = tuple(~np.asarray(pandas.isna(cell), dtype=bool) for cell in cells)
    for name, mask in zip(names, known, strict=True):
        if len(mask) and not mask.any():
            raise DataError(f"Input y contains NaN alone in '{name}': a target needs labels. Leave it out.")
    return Columns(form, names, tuple(cells), known, backend)
