"""What the model is asked, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from sharewise.problems._frame import Frame

Columns = dict[str, NDArray[Any]]
"""Cells by field."""


@dataclass(frozen=True)
class Ask:
    """One request to predict, checked.

    Attributes:
        columns: Cells by field, each in the form of its kind.
        rows: How many.
        tasks: Names of the targets to answer.
        by: Name of the adapted task whose own model answers, in a pool of classes.
        shares: Whether probabilities are wanted.
        warnings: What is odd about the rows.
    """

    columns: Columns
    rows: int
    tasks: tuple[str, ...]
    by: str | None = None
    shares: bool = False
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Answer:
    """What is said of the rows, in their order."""

    predictions: list[dict[str, Any]]
    shares: list[dict[str, dict[str, Any]]] | None = None


def table_of(columns: Columns) -> Frame:
    """What the library makes of a dictionary of columns, without pandas."""
    return Frame(tuple(columns), len(next(iter(columns.values()))), tuple(columns.values()))
