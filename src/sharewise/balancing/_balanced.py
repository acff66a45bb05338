"""What one balanced backward pass found out. `T` tasks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Balanced:
    """The record of one call of `backward`; nothing in it is needed to go on training.

    Attributes:
        weights: ``(T,)`` the factor of each task's gradient in what tasks share; 0 for absent tasks, and NaN
            where the balancer combines gradients coordinate by coordinate, without weights.
        gramian: ``(T, T)`` inner products of the tasks' gradients, without ``scale``, as the mode measures
            them; NaN in the rows and columns of absent tasks; None from a scalarizer.
        value: The weighted sum of the losses (the scalarizer's number), without ``scale``.
    """

    weights: Array
    gramian: Array | None
    value: float

    @property
    def norms(self) -> Array | None:
        """``(T,)`` lengths of the tasks' gradients, or None from a scalarizer."""
        return None if self.gramian is None else np.sqrt(np.maximum(self.gramian.diagonal(), 0.0))

    @property
    def cosines(self) -> Array | None:
        """``(T, T)`` cosines between the tasks' gradients, NaN beside a gradient of zero; or None."""
        norms = self.norms
        if self.gramian is None or norms is None:
            return None
        with np.errstate(invalid="ignore", divide="ignore"):
            found: Array = np.clip(self.gramian / np.outer(norms, norms), -1.0, 1.0)
        return found
