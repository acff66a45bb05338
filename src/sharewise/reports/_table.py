"""A plain table as data: columns, rows of printed cells."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sharewise.reports._format import span


@dataclass(frozen=True)
class Column:
    """A heading; numbers are set right-aligned, ``hint`` explains an unusual word."""

    title: str
    numeric: bool = False
    hint: str = ""


@dataclass(frozen=True)
class Row:
    """Printed cells, the first of which heads the row; ``mark`` names a style (``chosen``).

    What follows a line break in a cell is set small (text from the data holds no line breaks).
    """

    cells: tuple[str, ...]
    mark: str = ""


@dataclass(frozen=True)
class Table:
    """A table ready to print."""

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]


def with_span(
    value: str, interval: tuple[float, float] | None, words: Callable[[tuple[float, float]], str] = span
) -> str:
    """A number with its interval on a second line."""
    return value if interval is None else f"{value}\n{words(interval)}"
