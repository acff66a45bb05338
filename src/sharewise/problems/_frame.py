"""Whatever table the user brought, as named columns of cells."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from sharewise.errors import DataError
from sharewise.problems._cells import Cells, from_array, from_categories, from_objects
from sharewise.problems._hub_dataset import Held, columns_of, is_hub_dataset
from sharewise.problems._names import listed

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Frame:
    """Columns by name.

    Attributes:
        names: Of the columns, in the user's order, without doubles.
        n_rows: Rows.
        columns: What `cells` reads, one a column: narwhals series, NumPy arrays, or what a dataset holds in place of
            plain cells.
        positional: Whether the user's table had no names (a NumPy array).
    """

    names: tuple[str, ...]
    n_rows: int
    columns: tuple[Any, ...]
    positional: bool = False

    def cells(self, name: str) -> Cells:
        """The column of that name.

        Raises:
            DataError: Its cells hold lists, dictionaries, bytes or the like.
        """
        column = self.columns[self._places[name]]
        if isinstance(column, Held):
            raise DataError(column.refusal)
        return from_array(name, column) if isinstance(column, np.ndarray) else _from_series(name, column)

    def objects(self, name: str) -> list[Any]:
        """The cells of that column as they are, also lists."""
        column = self.columns[self._places[name]]
        if isinstance(column, Held):
            return column.read()
        return list(column.tolist() if isinstance(column, np.ndarray) else column.to_list())

    def holds_pictures(self, name: str) -> bool:
        """Whether the cells of that column are pictures, which `objects` gives."""
        column = self.columns[self._places[name]]
        return isinstance(column, Held) and column.pictures

    def __contains__(self, name: object) -> bool:
        return name in self._places

    @cached_property
    def _places(self) -> dict[str, int]:
        return {name: place for place, name in enumerate(self.names)}


def open_frame(data: object) -> Frame:
    """Columns of a pandas, polars or pyarrow table, a dataset of Hugging Face, a dictionary of columns, or a NumPy array.

    Raises:
        DataError: It is none of these, or two columns share a name.
    """
    if isinstance(data, Frame):
        return data
    if isinstance(data, np.ma.MaskedArray):
        data = np.asarray(np.ma.filled(data.astype(object), None))
    if isinstance(data, np.ndarray):
        return _from_numpy(data)
    if is_hub_dataset(data):
        return _from_dataset(data)
    if isinstance(data, dict):
        data = _from_dict(data)

    import narwhals as nw

    lazy = nw.dependencies.is_polars_lazyframe(data)
    names = () if lazy else _names(data)
    _refuse_doubles(names)
    if nw.dependencies.is_pandas_dataframe(data):
        return Frame(names, len(data), _of_pandas(data))
    try:
        frame = nw.from_native(data, eager_only=True)  # type: ignore[call-overload]
    except TypeError as error:
        way_out = "Call .collect() on it first." if lazy else "Read a file with sharewise.read_table(path)."
        raise DataError(
            "a table must be a pandas, polars or pyarrow table or a 2-D NumPy array; "
            f"got {_described(data)}. {way_out}"
        ) from error
    return Frame(names, len(frame), tuple(frame.iter_columns()))


def _of_pandas(data: pd.DataFrame) -> tuple[Any, ...]:
    """Plain numbers as the arrays that they are: a single row is read in a fifth of the time."""
    import narwhals as nw

    return tuple(
        column.to_numpy()
        if isinstance(column.dtype, np.dtype) and column.dtype.kind in "biuf"
        else nw.from_native(column, series_only=True)
        for _, column in data.items()
    )


def _names(data: object) -> tuple[str, ...]:
    given: Any = getattr(data, "column_names", getattr(data, "columns", ()))
    try:
        return tuple(str(name) for name in given)
    except TypeError:
        return ()


def _described(data: object) -> str:
    return "None" if data is None else f"a {type(data).__module__.split('.')[0]} {type(data).__name__}"


def _refuse_doubles(names: tuple[str, ...]) -> None:
    doubles = [name for name, count in Counter(names).items() if count > 1]
    if doubles:
        raise DataError(f"column names must be unique; {listed(doubles)} came twice or more. Rename them.")


def _from_dataset(data: object) -> Frame:
    import narwhals as nw

    columns = columns_of(data)
    read = (c if isinstance(c, Held) else nw.from_native(c, series_only=True) for c in columns.values())
    return Frame(tuple(columns), len(data), tuple(read))  # type: ignore[arg-type]


def _from_dict(data: dict[Any, Any]) -> object:
    import pandas as pd

    try:
        return pd.DataFrame(data)
    except ValueError as error:
        raise DataError(f"a dictionary must hold columns of one length; {error}.") from error


def _from_numpy(data: np.ndarray[Any, Any]) -> Frame:
    if data.dtype.names:
        return Frame(tuple(data.dtype.names), len(data), tuple(data[name] for name in data.dtype.names))
    if data.ndim != 2:
        raise DataError(
            f"a NumPy table must have two axes, rows and columns; got {data.ndim}. Reshape it first."
        )
    names = tuple(f"x{i}" for i in range(data.shape[1]))
    return Frame(names, len(data), tuple(np.asarray(data).T), positional=True)


def _from_series(name: str, series: Any) -> Cells:
    import narwhals as nw

    dtype = series.dtype
    if dtype.is_nested():
        raise DataError(
            f"a cell must hold one number, word or date; column '{name}' holds {dtype}. "
            "Spread it over several columns, or leave it out with drop= or --drop."
        )
    if isinstance(dtype, (nw.Categorical, nw.Enum)):
        # pyarrow's dictionaries lose their gaps in to_numpy.
        order = dtype.categories if isinstance(dtype, nw.Enum) else None
        return from_categories(name, series.to_list(), order)
    values = series.to_numpy()
    if dtype.is_integer() and values.dtype.kind == "f" and np.any(np.abs(values) > 2.0**53):
        return from_objects(name, series.to_list())
    return from_array(name, values)
