"""Rows as networks that see few labels of a task read them.

Symbols: ``n`` rows, ``P`` numbers of a row.

Columns become numbers as for the linear family: few labels cannot tell the piecewise bins apart that the network family
takes of large tables. Text keeps far more latent dimensions than there: whoever tells 150 intents apart needs more than
two dozen. A column of tensors stays as it is, for the user's own encoder.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sharewise.modalities import Style, TabularEncoder
from sharewise.problems import Column, Table
from sharewise.strategies.new_tasks._text_grams import ProjectedText, fit_text

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

FURTHEST = 5.0
"""Standardised numbers are cut here, so that one odd cell does not send an inner loop astray."""
TEXT_WIDTH = 1024
Text: TypeAlias = "Pipeline | ProjectedText"
MISSING = "(missing)"


@dataclass(frozen=True)
class NetworkInputs:
    """A fitted map from ``n`` rows to what networks read.

    Attributes:
        columns: Of everything but text; None where there is nothing else, or for a column of tensors.
        texts: A map to coordinates for each text column, of unit length and then times √coordinates, so that they
            weigh as much as as many standardised numbers.
        shape: Of a row.
        dtype: Of its numbers.
    """

    columns: TabularEncoder | None
    texts: tuple[Text, ...]
    shape: tuple[int, ...]
    dtype: str

    @property
    def raw(self) -> bool:
        """Whether rows are tensors, which the user's own encoder reads."""
        return self.columns is None and not self.texts

    @classmethod
    def fit(cls, table: Table, style: Style = "linear", *, text_width: int = TEXT_WIDTH) -> NetworkInputs:
        """Learn scales, categories and vocabularies from these rows."""
        if table.reads_tensors:
            (column,) = table.of_kind("tensor")
            return cls(None, (), tuple(column.values.shape[1:]), column.values.dtype.name)
        rest = _without_text(table)
        columns = TabularEncoder.fit(rest, style) if rest.columns else None
        texts = tuple(fit_text(_documents(column), text_width) for column in table.of_kind("text"))
        width = _encoded(table.take(np.arange(1)), columns, texts).shape[1]
        return cls(columns, texts, (width,), "float32")

    def transform(self, table: Table) -> NDArray[Any]:
        """``(n, P)`` float32, or the tensors ``(n, …)`` as they are."""
        if self.raw:
            (column,) = table.of_kind("tensor")
            return np.ascontiguousarray(column.values)
        return _encoded(table, self.columns, self.texts)


def _encoded(table: Table, columns: TabularEncoder | None, texts: tuple[Text, ...]) -> NDArray[Any]:
    blocks: list[NDArray[Any]] = []
    if columns is not None:
        blocks.append(np.clip(columns.transform(_without_text(table)), -FURTHEST, FURTHEST))
    for pipeline, column in zip(texts, table.of_kind("text"), strict=True):
        values = pipeline.transform(_documents(column))
        blocks.append(values * np.sqrt(values.shape[1]))
    return np.ascontiguousarray(np.hstack(blocks), dtype=np.float32)


def _without_text(table: Table) -> Table:
    return Table(tuple(column for column in table if column.kind != "text"), len(table))


def _documents(column: Column) -> list[str]:
    return [MISSING if cell is None else str(cell) for cell in column.values]
