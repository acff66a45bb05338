"""Typed columns: what every modality reads, whatever frame the user brought."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

ColumnKind = Literal["number", "category", "date", "text", "tensor", "sentence"]


@dataclass(frozen=True)
class Column:
    """One feature.

    Attributes:
        name: As in the user's table.
        kind: ``number`` and ``date`` hold float64 (dates as days since 1970, gaps as NaN);
            ``category`` and ``text`` hold objects: ``str``, or ``None`` for a gap; ``tensor`` holds
            one array a row, in float32, uint8 or int64, without gaps; ``sentence`` a tuple of words.
        values: ``(N,)``; ``(N, *shape)`` of a tensor.
    """

    name: str
    kind: ColumnKind
    values: NDArray[Any]


@dataclass(frozen=True)
class Table:
    """Features of ``N`` rows, column by column."""

    columns: tuple[Column, ...]
    n_rows: int

    def __iter__(self) -> Iterator[Column]:
        return iter(self.columns)

    def __len__(self) -> int:
        return self.n_rows

    def of_kind(self, kind: ColumnKind) -> tuple[Column, ...]:
        return tuple(column for column in self.columns if column.kind == kind)

    @property
    def reads_tensors(self) -> bool:
        """Whether a row holds a tensor, which needs an encoder."""
        return any(column.kind == "tensor" for column in self.columns)

    @property
    def lengths(self) -> list[int]:
        """Words of each row's sentence; 1 where rows are none."""
        sentences = self.of_kind("sentence")
        return [len(cell) for cell in sentences[0].values] if sentences else [1] * self.n_rows

    def take(self, rows: NDArray[np.intp]) -> Table:
        """The given rows, in that order."""
        columns = tuple(Column(c.name, c.kind, c.values[rows]) for c in self.columns)
        return Table(columns, len(rows))

    def with_numbers(self, names: list[str], values: NDArray[np.float64]) -> Table:
        """This table with further number columns ``values`` ``(N, len(names))``."""
        extra = tuple(Column(name, "number", values[:, i]) for i, name in enumerate(names))
        return Table(self.columns + extra, self.n_rows)
