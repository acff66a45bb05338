"""Predictions as JSON has them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sharewise.problems import Target
from sharewise.tasks import Classification

Cells = dict[str, list[Any]]
"""A list of cells a column."""


def plain(value: Any) -> Any:
    """A value that JSON can hold: arrays and tuples as lists, what is not known (NaN) as None."""
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): plain(held) for key, held in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(held) for held in value]
    return value if value is None or isinstance(value, str | int | bool) else str(value)


def cells_of(columns: Mapping[str, NDArray[Any]]) -> Cells:
    """Columns of predictions as lists of what JSON can hold."""
    return {name: [plain(cell) for cell in column.tolist()] for name, column in columns.items()}


def rows_of(cells: Cells, names: Sequence[str], part: slice) -> list[dict[str, Any]]:
    """Some rows, an object a row with the named columns."""
    columns = [cells[name][part] for name in names]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def shares_of(cells: Cells, targets: Sequence[Target], part: slice) -> list[dict[str, dict[str, Any]]]:
    """Some rows' probabilities, whose columns are ``target=class``: by target and class."""
    by_target: dict[str, list[dict[str, Any]]] = {}
    for target in targets:
        if isinstance(target.kind, Classification):
            labels = [str(label) for label in target.kind.classes]
            columns = [cells[f"{target.name}={label}"][part] for label in target.kind.classes]
            by_target[target.name] = [
                dict(zip(labels, row, strict=True)) for row in zip(*columns, strict=True)
            ]
    return [dict(zip(by_target, shares, strict=True)) for shares in zip(*by_target.values(), strict=True)]


_WRITER = json.JSONEncoder(allow_nan=False, separators=(",", ":"))


def written(value: Any) -> bytes:
    """JSON text in ASCII: names from the data are escaped, whatever they hold."""
    return _WRITER.encode(value).encode("ascii")


def written_in_parts(value: dict[str, Any]) -> bytes:
    """`written`, row by row: writing a row lets no other thread run."""
    parts = [
        written(name)
        + b":"
        + (b"[" + b",".join(map(written, held)) + b"]" if isinstance(held, list) else written(held))
        for name, held in value.items()
    ]
    return b"{" + b",".join(parts) + b"}"
