"""Predictions as bytes and back: compressed arrays in single precision, cells of ragged targets one after another.

Symbols: ``n`` rows; ``S`` the most axes of a cell.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sharewise.families import Predictions
from sharewise.tasks import cells, said

NO_AXIS, NOTHING = -1, -2
"""In the shapes of cells ``(n, S)``: an axis that a cell has not, and a cell that says nothing."""


def packed(predictions: Predictions) -> bytes:
    """Nothing pickled: whoever opens the file runs nothing."""
    parts: dict[str, NDArray[Any]] = {}
    for place, values in enumerate(predictions):
        if values.dtype == object:
            flat, shapes = _flat(values[:, 0])
            parts[f"cells_{place}"], parts[f"shapes_{place}"] = flat, shapes
        else:
            parts[f"arr_{place}"] = values.astype(np.float32)
    target = io.BytesIO()
    np.savez_compressed(target, allow_pickle=False, **parts)
    return target.getvalue()


def unpacked(blob: bytes | None) -> Predictions:
    """What `packed` was given, in single precision."""
    if blob is None:
        return []
    with np.load(io.BytesIO(blob), allow_pickle=False) as archive:
        count = sum(not name.startswith("shapes_") for name in archive.files)
        return [
            archive[f"arr_{place}"].astype(np.float64)
            if f"arr_{place}" in archive.files
            else _cut(archive[f"cells_{place}"], archive[f"shapes_{place}"])
            for place in range(count)
        ]


def _flat(column: NDArray[Any]) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    known = said(column)
    most = max((cell.ndim for cell in column[known]), default=1)
    shapes = np.full((len(column), most), NO_AXIS, dtype=np.int32)
    shapes[~known] = NOTHING
    for row in np.flatnonzero(known):
        shapes[row, : column[row].ndim] = column[row].shape
    flat = [np.asarray(cell, dtype=np.float32).ravel() for cell in column[known]]
    return np.concatenate([np.zeros(0, np.float32), *flat]), shapes


def _cut(flat: NDArray[np.float32], shapes: NDArray[np.int32]) -> NDArray[Any]:
    found: list[Any] = []
    start = 0
    for row in shapes.tolist():
        if row[0] == NOTHING:
            found.append(float("nan"))
            continue
        shape = [size for size in row if size != NO_AXIS]
        stop = start + int(np.prod(shape))
        found.append(flat[start:stop].reshape(shape))
        start = stop
    return cells(found)[:, None]
