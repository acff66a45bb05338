"""Regression: a number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from sharewise.tasks._kind import Kind
from sharewise.tasks._metric import Array


@dataclass(frozen=True)
class Regression(Kind):
    """A real number, fitted with the squared error, scored by RMSE unless asked otherwise."""

    name: ClassVar[str] = "regression"
    metrics: ClassVar[tuple[str, ...]] = ("rmse", "mae", "r2")

    @property
    def width(self) -> int:
        return 1

    def decode(self, prediction: Array) -> NDArray[np.generic]:
        return prediction[:, 0]

    def constant(self, y: Array) -> Array:
        return np.array([y.mean() if len(y) else 0.0])
