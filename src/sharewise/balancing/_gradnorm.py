"""Weights learned until tasks train at one rate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, final

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from sharewise.balancing._base import Norm, Seen, Weighting, array_of
from sharewise.errors import OptionError

Array = NDArray[np.float64]

LEAST = 1e-3
"""Weights stay above this, as in the authors' remark that they must not become negative."""


@final
class GradNorm(Weighting):
    """Weights w descend sum_t | w_t |g_t| - mean(w |g|) r_t^α |, r_t the task's loss ratio over the tasks' mean.

    Z. Chen, V. Badrinarayanan, C.-Y. Lee, A. Rabinovich, *GradNorm: Gradient Normalization for Adaptive Loss Balancing
    in Deep Multitask Networks*, ICML 2018 (https://arxiv.org/abs/1711.02257), eq. 2 and algorithm 1: the step's weights
    are those from before its update, the targets are constants in the derivative, and weights sum to T afterwards.
    Gradients' lengths are divided by their mean first, so that `lr` has no unit. A loss's ratio is to the first
    one that the task was seen with.
    """

    name: ClassVar[str] = "gradnorm"
    needs_losses: ClassVar[bool] = True
    stateful: ClassVar[bool] = True

    def __init__(self, alpha: float = 1.5, lr: float = 0.025, *, norm: Norm = "sum") -> None:
        """`alpha`: pull towards one rate (the paper's asymmetry); `lr` of the weights."""
        super().__init__(norm)
        if not alpha >= 0 or not lr >= 0:
            raise OptionError(
                f"GradNorm's alpha and lr are not negative; got {alpha} and {lr}. The paper has 1.5, 0.025."
            )
        self.alpha, self.lr = alpha, lr
        self._start(0)

    def _weights(self, gramian: Array, seen: Seen) -> Array:
        losses = np.ones(len(gramian)) if seen.losses is None else seen.losses
        first = self._first[seen.tasks]
        self._first[seen.tasks] = first = np.where(np.isnan(first), losses, first)
        weights = self._learned[seen.tasks].copy()
        self._learned[seen.tasks] = self._moved(weights, np.sqrt(gramian.diagonal()), _ratios(losses, first))
        return weights

    def _moved(self, weights: Array, lengths: Array, ratios: Array) -> Array:
        lengths = lengths / lengths.mean()
        parts = weights * lengths
        target = parts.mean() * (ratios / ratios.mean()) ** self.alpha
        slope = lengths * np.sign(parts - target)  # of eq. 2 by w
        moved = np.maximum(weights - self.lr * slope, LEAST)
        return np.asarray(moved * (weights.sum() / moved.sum()))

    def _start(self, tasks: int) -> None:
        self._learned, self._first = np.ones(tasks), np.full(tasks, np.nan)

    def _state(self) -> Mapping[str, Array]:
        return {"learned": self._learned, "first": self._first}

    def _restore(self, state: Mapping[str, Tensor | int | float | None]) -> None:
        self._learned, self._first = array_of(state["learned"]), array_of(state["first"])


def _ratios(losses: Array, first: Array) -> Array:
    """(T',) share of its first loss that each task still has, above zero; 1 where the first was no positive number."""
    shares = np.divide(losses, first, out=np.ones(len(losses)), where=first > 0)
    return np.maximum(shares, 1e-6)
