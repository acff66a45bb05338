"""Gradients turned and stretched until they are orthogonal and of one length."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal, final, get_args

import numpy as np
from numpy.typing import NDArray

from sharewise.balancing._base import Norm, Seen, Weighting
from sharewise.balancing._preference import as_preference
from sharewise.errors import OptionError

Array = NDArray[np.float64]
Scale = Literal["min", "median", "rmse"]

NOISE = 1e-10
"""Principal components whose eigenvalue is below this share of the largest are rounding, and left out."""


@final
class AlignedMTL(Weighting):
    """J' w with w = σ V Σ^-1 V' p, the nearest Jacobian of condition number 1 in place of J.

    D. Senushkin et al., *Independent Component Alignment for Multi-Task Learning*, CVPR 2023
    (https://arxiv.org/abs/2305.19000), algorithm 1. `preference` p (T,), by default 1/T each. `scale` is
    the common singular value σ: the least (the paper), the median, or their root mean square (the authors' code);
    it only matters for ``norm="raw"``. Components below `NOISE` are left out, so the rank decides, not rounding.
    """

    name: ClassVar[str] = "aligned-mtl"
    nonnegative: ClassVar[bool] = False

    def __init__(
        self, preference: Sequence[float] | None = None, *, scale: Scale = "min", norm: Norm = "sum"
    ) -> None:
        super().__init__(norm)
        if scale not in get_args(Scale):
            raise OptionError(f"Aligned-MTL's scale is one of 'min', 'median' and 'rmse'; got {scale!r}.")
        self.preference = None if preference is None else as_preference(preference, "preferences")
        self.scale: Scale = scale

    def _weights(self, gramian: Array, seen: Seen) -> Array:
        share = (
            np.full(len(gramian), 1.0 / seen.total) if self.preference is None else self.preference.of(seen)
        )
        values, vectors = np.linalg.eigh(gramian)
        kept = values > NOISE * values[-1]
        values, vectors = values[kept], vectors[:, kept]
        squared = {"min": values[0], "median": np.median(values), "rmse": values.mean()}[self.scale]
        return np.asarray(np.sqrt(squared) * (vectors / np.sqrt(values)) @ (vectors.T @ share))
