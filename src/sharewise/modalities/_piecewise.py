"""Piecewise-linear encoding of numbers for networks (Gorishniy et al. 2022, eq. 1).

A number becomes one coordinate a bin: 1 below it, 0 above it, linear inside. The first linear layer
on top is then an embedding of each number as a piecewise-linear function of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class PiecewiseLinear:
    """Bin edges a column, from quantiles of the training rows.

    Attributes:
        low, width: ``(B,)`` start and width of each bin, all columns' bins concatenated.
        column: ``(B,)`` the column each bin belongs to.
    """

    low: Array
    width: Array
    column: NDArray[np.int64]

    @classmethod
    def fit(cls, values: Array, *, bins: int) -> PiecewiseLinear:
        """Edges for ``values`` ``(n, P)`` (no gaps) with at most ``bins`` bins a column."""
        low: list[float] = []
        width: list[float] = []
        column: list[int] = []
        grid = np.linspace(0.0, 1.0, bins + 1)
        for place in range(values.shape[1]):
            edges = np.unique(np.quantile(values[:, place], grid))
            if len(edges) < 2:
                edges = np.array([edges[0], edges[0] + 1.0])
            low.extend(edges[:-1])
            width.extend(np.diff(edges))
            column.extend([place] * (len(edges) - 1))
        return cls(np.array(low), np.array(width), np.array(column, dtype=np.int64))

    def transform(self, values: Array) -> Array:
        """``(n, P) -> (n, B)`` in [0, 1]."""
        encoded: Array = np.clip((values[:, self.column] - self.low) / self.width, 0.0, 1.0)
        return encoded
