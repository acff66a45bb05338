"""Adam on a few numbers in float64, for methods that learn weights of their own."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from sharewise.balancing._base import array_of

Array = NDArray[np.float64]


class Adam:
    """D. Kingma, J. Ba, 2015, with its usual constants; a number that sits a step out keeps its moments."""

    def __init__(self, lr: float) -> None:
        self.lr = lr
        self.start(0)

    def start(self, numbers: int) -> None:
        """Forget everything."""
        self._mean, self._square, self._steps = np.zeros(numbers), np.zeros(numbers), np.zeros(numbers)

    def step(self, values: Array, slope: Array, places: NDArray[np.int64]) -> Array:
        """`values` (T',) of `places` after one step against `slope` (T',)."""
        self._steps[places] += 1.0
        self._mean[places] += 0.1 * (slope - self._mean[places])
        self._square[places] += 0.001 * (slope**2 - self._square[places])
        steps = self._steps[places]
        mean, square = self._mean[places] / (1 - 0.9**steps), self._square[places] / (1 - 0.999**steps)
        return np.asarray(values - self.lr * mean / (np.sqrt(square) + 1e-8))

    def state(self) -> Mapping[str, Array]:
        """Moments and steps."""
        return {"adam_mean": self._mean, "adam_square": self._square, "adam_steps": self._steps}

    def restore(self, state: Mapping[str, Tensor | int | float | None]) -> None:
        """Go on from `state`."""
        self._mean, self._square = array_of(state["adam_mean"]), array_of(state["adam_square"])
        self._steps = array_of(state["adam_steps"])
