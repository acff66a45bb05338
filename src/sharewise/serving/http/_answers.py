"""Predictions as JSON has them."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from sharewise.problems import Target
from sharewise.tasks import Classification


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


def rows_of(found: Any, names: Sequence[str]) -> list[dict[str, Any]]:
    """A frame's rows, an object a row with the named columns."""
    columns = [_cells(found[name]) for name in names]
    return [dict(zip(names, cells, strict=True)) for cells in zip(*columns, strict=True)]


def shares_of(found: Any, targets: Sequence[Target]) -> list[dict[str, dict[str, Any]]]:
    """A frame of probabilities, as ``predict_proba`` gives it: for each row by target and class."""
    by_target: dict[str, list[dict[str, Any]]] = {}
    for target in targets:
        if isinstance(target.kind, Classification):
            labels = [str(label) for label in target.kind.classes]
            columns = [_cells(found[f"{target.name}={label}"]) for label in target.kind.classes]
            by_target[target.name] = [
                dict(zip(labels, cells, strict=True)) for cells in zip(*columns, strict=True)
            ]
    return [dict(zip(by_target, shares, strict=True)) for shares in zip(*by_target.values(), strict=True)]


def _cells(column: Any) -> list[Any]:
    return [plain(cell) for cell in column.tolist()]


def written(value: Any) -> bytes:
    """JSON text in ASCII: names from the data are escaped, whatever they hold."""
    return json.dumps(value, allow_nan=False, separators=(",", ":")).encode("ascii")
