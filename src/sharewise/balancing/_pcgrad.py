"""Conflicts projected away, pair by pair."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, final

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from sharewise.balancing._base import Norm, Seen, Weighting
from sharewise.balancing._orders import orders

Array = NDArray[np.float64]


@final
class PCGrad(Weighting):
    """sum_t of g_t less its part against each other gradient, one after another in random order.

    T. Yu et al., *Gradient Surgery for Multi-Task Learning*, NeurIPS 2020 (https://arxiv.org/abs/2001.06782),
    algorithm 1: all tasks walk through their own orders at once, on coefficients instead of gradients. The orders
    depend on `seed` and the step's number.
    """

    name: ClassVar[str] = "pcgrad"
    stateful: ClassVar[bool] = True
    equivariant: ClassVar[bool] = False

    def __init__(self, seed: int = 0, *, norm: Norm = "sum") -> None:
        super().__init__(norm)
        self.seed = seed
        self._step = 0

    def _weights(self, gramian: Array, seen: Seen) -> Array:
        squared = gramian.diagonal()
        mixed = np.eye(len(gramian))  # row t: what task t's gradient is made of by now
        rows = np.arange(len(gramian))
        for other in orders(len(gramian), (self.seed, self._step)).T:
            against = np.einsum("ij,ij->i", mixed, gramian[other])  # g_t^PC ' g_other
            mixed[rows, other] -= np.minimum(against, 0.0) / squared[other]
        self._step += 1
        return np.asarray(mixed.sum(axis=0))

    def _start(self, tasks: int) -> None:
        self._step = 0

    def _state(self) -> Mapping[str, int]:
        return {"step": self._step}

    def _restore(self, state: Mapping[str, Tensor | int | float | None]) -> None:
        self._step = int(state["step"] or 0)
