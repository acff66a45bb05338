"""Numbers with gaps, standardised: fitted by scikit-learn, held as arrays, applied by NumPy alone.

A model that is read from a file predicts without importing scikit-learn, and a row costs microseconds.

Symbols: ``n`` rows, ``P`` columns, ``G`` of them with gaps in training rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from sharewise.errors import StorageError

Array = NDArray[np.float64]


@final
@dataclass(frozen=True, eq=False)
class Scaling:
    """Final. Gaps filled by the median and indicated, everything to mean 0 and spread 1.

    Attributes:
        fills: ``(P,)`` what stands in a gap; 0 for a column of gaps only.
        gaps: ``(G,)`` int64, the columns that have an indicator.
        mean, spread: ``(P + G,)`` of the filled columns, then of the indicators.
    """

    fills: Array
    gaps: NDArray[np.int64]
    mean: Array
    spread: Array

    def __post_init__(self) -> None:
        width = (len(self.fills) + len(self.gaps),)
        inside = self.gaps.dtype == np.int64 and ((self.gaps >= 0) & (self.gaps < len(self.fills))).all()
        if self.fills.ndim != 1 or self.mean.shape != width or self.spread.shape != width or not inside:
            raise StorageError(
                "a scale holds a fill for each column, and a mean and spread for each of its outputs; this one is "
                "damaged. Save the model again or restore a copy."
            )

    @classmethod
    def fit(cls, raw: Array) -> Scaling:
        """Learn from rows ``(n, P)``, NaN in gaps."""
        from sklearn.impute import SimpleImputer
        from sklearn.preprocessing import StandardScaler

        fill = SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)
        scale = StandardScaler().fit(fill.fit_transform(raw))
        fills = fill.transform(np.full((1, raw.shape[1]), np.nan))[0, : raw.shape[1]]
        gaps = np.asarray(fill.indicator_.features_, dtype=np.int64)
        return cls(fills, gaps, scale.mean_, scale.scale_)

    @property
    def columns(self) -> list[int]:
        """Of each output the column that it comes from."""
        return [*range(len(self.fills)), *self.gaps.tolist()]

    def transform(self, raw: Array) -> Array:
        """``(n, P) -> (n, P + G)``, bit for bit what scikit-learn's steps give."""
        missing = np.isnan(raw)
        values = np.hstack([np.where(missing, self.fills, raw), missing[:, self.gaps]])
        values -= self.mean
        values /= self.spread
        return values
