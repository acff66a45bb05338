"""A number a task that the loop's optimizer learns."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sharewise.errors import DataError, NotFittedError


class LearnedVector:
    """Zeros (T,) at the start; one and the same `nn.Parameter` for good, so that an optimizer may hold it."""

    def __init__(self) -> None:
        self._values: nn.Parameter | None = None

    def start(self, tasks: int) -> None:
        """Set all to zero."""
        if self._values is None:
            self._values = nn.Parameter(torch.zeros(tasks))
        else:
            self._values.data.zero_()

    def parameter(self, name: str) -> nn.Parameter:
        """The parameter itself.

        Raises:
            NotFittedError: if the number of tasks is not known yet.
        """
        if self._values is None:
            raise NotFittedError(
                f"{name} has parameters once it knows its number of tasks; it has not been told. "
                "Call its start(tasks) before building the optimizer."
            )
        return self._values

    def at(self, tasks: NDArray[np.int64], losses: Tensor) -> Tensor:
        """(T',) the numbers of `tasks`, on the device and of the dtype of `losses`."""
        values = self.parameter("A balancer that learns")
        if values.device != losses.device:  # in place, so that the optimizer's handle stays right
            values.data = values.data.to(losses.device)
        chosen = values if len(tasks) == len(values) else values[torch.from_numpy(tasks).to(values.device)]
        return chosen.to(losses.dtype)

    def load(self, values: Tensor | int | float | None) -> None:
        """Take over saved values (T,), in place."""
        mine = self.parameter("A balancer that learns")
        if not isinstance(values, Tensor) or values.shape != mine.shape:
            raise DataError(f"A saved state holds {len(mine)} numbers here, one a task; it holds {values!r}.")
        mine.data.copy_(values)
