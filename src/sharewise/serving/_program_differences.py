"""How far two models' predictions are apart."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sharewise.errors import OptionError
from sharewise.tasks import Array, Kind, MaskRows

TOLERANCE = 1e-5
"""Largest difference of a value, as a share of it or (where that is larger) of the output's spread."""


def refuse_different(differences: dict[str, float], what: str) -> None:
    """Refuse a file that is not the model.

    Args:
        what: The sort of file, as a sentence names it.

    Raises:
        OptionError: A target differs by more than `TOLERANCE`.
    """
    worst = max(differences, key=lambda name: differences[name])
    if not differences[worst] <= TOLERANCE:
        raise OptionError(
            f"{what} must predict what its model does, to {TOLERANCE:g}; '{worst}' differs by "
            f"{differences[worst]:.1e}, so none is written. Use model.save and sw.load."
        )


def difference(kind: Kind, found: NDArray[Any], own: NDArray[Any]) -> float:
    """Of values ``(n, W)``, or of masks' probabilities ``(n, K, H, W)`` and the model's cells ``(n, 1)``."""
    if not isinstance(kind, MaskRows):
        return relative(found, own)
    stacked = np.stack(list(own[:, 0]))
    if found.shape != stacked.shape:
        return float("inf")
    # Columns are classes: a pixel that is ground in every picture has no spread of its own.
    return relative(*(np.moveaxis(one, 1, -1).reshape(-1, found.shape[1]) for one in (found, stacked)))


def relative(found: Array, own: Array) -> float:
    """The largest difference of ``(n, W)`` as a share of the value or of its column's spread."""
    if (np.isnan(found) != np.isnan(own)).any():
        return float("inf")
    known = ~np.isnan(own)
    if not known.any():
        return 0.0
    spread = np.nanstd(np.where(known.any(axis=0), own, 0.0), axis=0)
    scale = np.maximum(np.maximum(np.abs(own), spread), np.finfo(np.float64).tiny)
    return float(np.max(np.abs(found - own)[known] / scale[known]))
