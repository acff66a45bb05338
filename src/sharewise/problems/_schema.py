"""What a model remembers of its table: enough to read another one the same way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sharewise.errors import DataError
from sharewise.problems._cells import Cells, as_words
from sharewise.problems._frame import Frame, open_frame
from sharewise.problems._names import counted, listed, nearest
from sharewise.problems._new_inputs import read_inputs
from sharewise.problems._table import Column, ColumnKind, Table
from sharewise.problems._typing import without_infinite
from sharewise.problems._words import dates_in, numbers_in
from sharewise.tasks import Array

_TRUTH = {"true": 1.0, "false": 0.0}
INPUT = "input"
"""Name of the one feature of a problem from datasets."""
MOST_VALUES = 1_000
"""Words of a category that are remembered at most."""


def words_held(column: Column) -> tuple[str, ...] | None:
    """The different words of a category, sorted; None for another kind and for too many."""
    if column.kind != "category":
        return None
    held = {cell for cell in column.values.tolist() if cell is not None}
    return tuple(sorted(held)) if len(held) <= MOST_VALUES else None


@dataclass(frozen=True)
class Schema:
    """Plain data (strings, numbers, tuples) about the columns of a problem.

    Attributes:
        features: Names of the feature columns, in order.
        kinds: Of each feature: ``number``, ``category``, ``date``, ``text`` or ``tensor``.
        bools: Features that came as True and False.
        targets: Names of the target columns.
        others: Further columns that were there and are not read (group, time, dropped, constant).
        level_name: The task column's name, or None.
        levels: Its values as text, or None.
        width: Columns of the NumPy array it was read from, or None for a table with names.
        values: Of each feature that is a category the words it held, sorted; None where they are not
            known (another kind, or more than `MOST_VALUES`).
        shape, dtype: Of one row's tensor (the dtype's NumPy name); None in a table.
        encoder: Names and shapes of the stored tensors of the user's encoder, or None without one.
        pictures: How pictures are decoded, as pairs of settings; None where rows are none.
    """

    features: tuple[str, ...] = ()
    kinds: tuple[ColumnKind, ...] = ()
    bools: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    level_name: str | None = None
    levels: tuple[str, ...] | None = None
    width: int | None = None
    values: tuple[tuple[str, ...] | None, ...] = ()
    shape: tuple[int, ...] | None = None
    dtype: str | None = None
    encoder: tuple[tuple[str, tuple[int, ...]], ...] | None = None
    pictures: tuple[tuple[str, Any], ...] | None = None

    def seen(self, name: str) -> frozenset[str] | None:
        """The words a category held when the model was made, or None where they are not known."""
        for feature, values in zip(self.features, self.values, strict=False):
            if feature == name:
                return None if values is None else frozenset(values)
        return None

    def as_dict(self) -> dict[str, Any]:
        """JSON-plain; `from_dict` reads it back, also after tuples became lists."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Schema:
        """What `as_dict` wrote; unknown keys are ignored."""
        known = {field.name for field in fields(cls)}
        plain: dict[str, Any] = {key: _frozen(value) for key, value in data.items() if key in known}
        return cls(**plain)

    def read(
        self, frame: object, *, with_levels: bool = True
    ) -> tuple[Table, NDArray[np.intp] | None, tuple[str, ...]]:
        """Features of another table, typed as before, row by row in its order.

        A problem from datasets reads an array or tensor ``(N, *shape)``, or a dataset of ``x`` or ``(x, y)``.
        ``with_levels=False`` leaves the task column unread, for tasks not seen yet.

        Returns:
            The features; each row's place in ``levels`` ``(N,)`` or None; notes.

        Raises:
            DataError: The table is empty, lacks a column, holds words where numbers were, or
                names a task that was not there.
        """
        if self.kinds == ("sentence",):
            from sharewise.problems._new_sentences import read_sentences

            sentences = read_sentences(frame)
            return Table((Column(self.features[0], "sentence", sentences),), len(sentences)), None, ()
        if self.pictures is not None:
            from sharewise.problems._new_pictures import read_pictures

            level = None
            if with_levels and self.level_name is not None:
                source = open_frame(frame)
                self._refuse_missing(source, True)
                level = self._read_levels(source)
            pixels = read_pictures(frame, self.features[0], self.pictures)
            return Table((Column(self.features[0], "tensor", pixels),), len(pixels)), level, ()
        if self.shape is not None and self.dtype is not None:
            inputs = read_inputs(frame, self.shape, self.dtype)
            return Table((Column(self.features[0], "tensor", inputs),), len(inputs)), None, ()
        source = self._named(open_frame(frame))
        if source.n_rows == 0:
            raise DataError("a table to predict must hold rows; got none. Check how it was read or filtered.")
        reads_levels = with_levels and self.level_name is not None
        self._refuse_missing(source, reads_levels)
        strays: list[tuple[str, str, int]] = []
        columns = tuple(
            Column(name, kind, self._values(source.cells(name), kind, strays))
            for name, kind in zip(self.features, self.kinds, strict=True)
        )
        level = self._read_levels(source) if reads_levels else None
        notes = self._notes(source, strays)
        empty = [column.name for column in columns if source.n_rows > 1 and _is_empty(column)]
        if empty:
            notes.append(f"{counted(len(empty), 'feature')} without a single value: {listed(empty)}.")
        return Table(columns, source.n_rows), level, tuple(notes)

    def features_of(self, source: Frame, rows: NDArray[np.intp]) -> Table:
        """The features of some rows of the table that the schema was made from."""
        strays: list[tuple[str, str, int]] = []
        columns = tuple(
            Column(name, kind, self._values(source.cells(name).take(rows), kind, strays))
            for name, kind in zip(self.features, self.kinds, strict=True)
        )
        return Table(columns, len(rows))

    def _named(self, source: Frame) -> Frame:
        """A NumPy array gets the names its columns had; it may come without the targets."""
        if not source.positional:
            return source
        if self.width is None:
            raise DataError(
                "the model knows its columns by name; got a NumPy array, which has none. "
                f"Bring a table with the columns {listed(self.features)}."
            )
        width = len(source.names)
        if width == self.width:
            return source
        without = tuple(name for i in range(self.width) if (name := f"x{i}") not in self.targets)
        if width != len(without):
            raise DataError(
                f"an array to predict must have {len(without)} columns, or {self.width} with the targets; "
                f"got {width}. Bring the columns that the problem was read from, in that order."
            )
        return Frame(without, source.n_rows, source.columns, positional=True)

    def _refuse_missing(self, source: Frame, reads_levels: bool) -> None:
        needed = self.features + ((self.level_name,) if reads_levels and self.level_name else ())
        missing = [name for name in needed if name not in source]
        if missing:
            unused = [name for name in source.names if name not in needed]
            raise DataError(
                f"a table to predict must hold every feature; it lacks {listed(missing, 20)}."
                f"{nearest(missing[0], unused)} Add {'it' if len(missing) == 1 else 'them'}, "
                "with empty cells if unknown."
            )

    def _values(self, cells: Cells, kind: ColumnKind, strays: list[tuple[str, str, int]]) -> NDArray[Any]:
        if kind in ("category", "text"):
            return as_words(cells)
        if cells.form == "word":
            return self._spelled(cells, kind, strays)
        if (cells.form == "date") != (kind == "date") and cells.present().any():
            held, wanted = ("dates", "numbers") if cells.form == "date" else ("numbers", "dates")
            raise DataError(
                f"column '{cells.name}' held {wanted} when the model was made; it holds {held} now. "
                "Convert it."
            )
        values, infinite = without_infinite(cells.values)
        if infinite:
            strays.append((cells.name, "inf", infinite))
        return values

    def _spelled(self, cells: Cells, kind: ColumnKind, strays: list[tuple[str, str, int]]) -> Array:
        words, present = as_words(cells), cells.present()
        values = dates_in(words) if kind == "date" else numbers_in(words)
        if cells.name in self.bools:
            truth = [_TRUTH.get(word.strip().lower(), np.nan) if word else np.nan for word in words]
            values = np.where(np.isnan(values), truth, values)
        values, _ = without_infinite(values)
        stray = present & np.isnan(values)
        if stray.any():
            example = str(words[stray][0])
            if stray.sum() == present.sum() and _is_strange(words[stray]):
                raise DataError(
                    f"column '{cells.name}' held {kind}s when the model was made; it holds words now, "
                    f"such as '{example}'. Check that columns and names still fit."
                )
            strays.append((cells.name, example, int(stray.sum())))
        return values

    def _read_levels(self, source: Frame) -> NDArray[np.intp]:
        name, levels = self.level_name, self.levels or ()
        assert name is not None
        words = as_words(source.cells(name))
        place = {level: i for i, level in enumerate(levels)}
        unseen = sorted({word for word in words.tolist() if word is not None and word not in place})
        if unseen:
            hint = nearest(unseen[0], levels) or f" Known are {listed(levels, 5)}."
            raise DataError(
                f"a row's task must be one the model was made for; '{name}' holds {listed(unseen)}.{hint} "
                "A new task needs a few labels: sharewise adapt."
            )
        gaps = sum(word is None for word in words)
        if gaps:
            raise DataError(
                f"every row must name its task; '{name}' is empty on {counted(gaps, 'row')}. Fill it in."
            )
        return np.array([place[word] for word in words], dtype=np.intp)

    def _notes(self, source: Frame, strays: list[tuple[str, str, int]]) -> list[str]:
        notes = [
            f"Column '{name}': {counted(count, 'cell')} not a {'finite ' if example == 'inf' else ''}value "
            f"(such as '{example}') read as missing."
            for name, example, count in strays
        ]
        known = {*self.features, *self.targets, *self.others, self.level_name}
        extra = [name for name in source.names if name not in known]
        if extra:
            notes.append(f"{counted(len(extra), 'column')} not known to the model ignored: {listed(extra)}.")
        return notes


def _is_empty(column: Column) -> bool:
    if column.kind in ("number", "date"):
        return bool(np.isnan(column.values).all())
    return all(cell is None for cell in column.values)


def _frozen(value: Any) -> Any:
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else value


def _is_strange(words: NDArray[np.object_]) -> bool:
    """Whether words are more than the usual marks of a missing value."""
    marks = {"na", "n/a", "nan", "null", "none", "?", "-", ".", "missing", "unknown", "inf", "-inf"}
    return any(word.strip().lower() not in marks for word in words)
