"""Losses on a logarithmic scale, gradients of one length."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, final

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from sharewise.balancing._base import Norm, Seen, Weighting, array_of
from sharewise.errors import DataError, OptionError

Array = NDArray[np.float64]

EPSILON = 1e-8


@final
class DBMTL(Weighting):
    """sum_t of the gradient of log L_t, divided by its usual length, times the greatest of these lengths.

    B. Lin et al., *Dual-Balancing for Multi-Task Learning*, 2023 (https://arxiv.org/abs/2308.12029), algorithm 1:
    logarithms of losses, gradients of the greatest length. The paper averages the gradients themselves over steps,
    with a share of beta / sqrt(step) kept; a Gramian has only lengths, so these are averaged (root mean square), and the
    direction is the newest gradients'. With beta = 0 the two are one, and losses only set the scale.
    """

    name: ClassVar[str] = "db-mtl"
    needs_losses: ClassVar[bool] = True
    stateful: ClassVar[bool] = True
    scale_free: ClassVar[bool] = True

    def __init__(self, beta: float = 0.9, *, norm: Norm = "sum") -> None:
        super().__init__(norm)
        if not 0 <= beta < 1:
            raise OptionError(
                f"DB-MTL's beta is a share from 0 to below 1; got {beta}. The paper tunes 0.1 to 0.9."
            )
        self.beta = beta
        self._start(0)

    def _weights(self, gramian: Array, seen: Seen) -> Array:
        losses = np.ones(len(gramian)) if seen.losses is None else seen.losses
        if losses.min() < 0:
            raise DataError(
                f"db-mtl takes logarithms of losses, so none may be negative; the least is {losses.min():g}. "
                "Shift it above zero or choose another balancer."
            )
        inverse = 1.0 / (losses + EPSILON)
        squared = gramian.diagonal() * inverse**2
        self._counts[seen.tasks] += 1.0
        counts = self._counts[seen.tasks]
        kept = np.where(counts > 1, self.beta / np.sqrt(counts), 0.0)
        self._squared[seen.tasks] = kept * self._squared[seen.tasks] + (1.0 - kept) * squared
        lengths = np.sqrt(self._squared[seen.tasks])
        return np.asarray(lengths.max() * inverse / lengths)

    def _start(self, tasks: int) -> None:
        self._squared, self._counts = np.zeros(tasks), np.zeros(tasks)

    def _state(self) -> Mapping[str, Array]:
        return {"squared": self._squared, "counts": self._counts}

    def _restore(self, state: Mapping[str, Tensor | int | float | None]) -> None:
        self._squared, self._counts = array_of(state["squared"]), array_of(state["counts"])
