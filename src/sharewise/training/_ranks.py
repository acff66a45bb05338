"""Balancers on several processes: the same weights on each.

Scalarizers need nothing: the losses that they see have the same values on all processes already. A weighting
sees Gramians, and each process has that of its own rows: **the mean of the processes' Gramians** is weighted.
For the ``features`` mode that is the Gramian of the global batch (up to a factor, which no default weighting
feels), as rows are on one process only. For gradients of parameters it is the Gramian that a batch of one
process's size has on average: the directions are those of the global batch, the lengths hold more noise.
Exchanging the gradients themselves would cost ``T`` times what training in parallel costs.

Symbols: ``T`` tasks.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from sharewise.balancing import Scalarizer, Seen, Weighting
from sharewise.errors import OptionError
from sharewise.tasks import Array
from sharewise.training._devices import Devices


class Everywhere(Weighting):
    """Final. A weighting asked with the mean Gramian of all processes; its state stays in it.

    Args:
        inner: A weighting.
        devices: The processes.
    """

    name: ClassVar[str] = "everywhere"

    def __init__(self, inner: Weighting, devices: Devices) -> None:
        super().__init__("raw")
        self._inner, self._devices = inner, devices
        self.needs_losses = inner.needs_losses  # type: ignore[misc]

    # The base judges the Gramian before `_weights` is asked, and would do so by this process's rows alone.
    def __call__(  # type: ignore[misc]
        self, gramian: Array, losses: Array | None = None, *, present: NDArray[np.bool_] | None = None
    ) -> Array:
        """Weights ``(T,)``, the same on every process."""
        mean = self._devices.mean(torch.from_numpy(np.ascontiguousarray(gramian)))
        return self._inner(mean.numpy(), losses, present=present)

    def _weights(self, gramian: Array, seen: Seen) -> Array:
        return self._inner(gramian, seen.losses)


def on_all(balancer: Any, devices: Devices) -> Any:
    """The balancer as `backward` gets it on these processes.

    Raises:
        OptionError: On several processes, a balancer that is neither a scalarizer nor a weighting of sharewise.
    """
    if devices.world == 1 or isinstance(balancer, Scalarizer):
        return balancer
    if isinstance(balancer, Weighting):
        return Everywhere(balancer, devices)
    raise OptionError(
        f"on several processes a balancer is one of sharewise's; got {type(balancer).__name__}. Train in one process."
    )
