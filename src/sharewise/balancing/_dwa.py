"""Weights by how fast losses fall from epoch to epoch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sharewise.balancing._base import Combined, Norm, Scalarizer, Seen, array_of
from sharewise.errors import OptionError

Array = NDArray[np.float64]


@final
class DWA(Scalarizer):
    """sum_t λ_t L_t, λ = T softmax(r / temperature), r_t = L̄_t(last epoch) / L̄_t(the one before).

    S. Liu, E. Johns, A. Davison, *End-to-End Multi-Task Learning with Attention*, CVPR 2019
    (https://arxiv.org/abs/1803.10704), eq. 7. L̄ are means over an epoch's steps. The loop tells the end of an
    epoch with `after_epoch`; without epochs, `every` counts steps instead. Two epochs long all weights are 1, as
    are later the ratios of a task that had no loss in one of the two.
    """

    name: ClassVar[str] = "dwa"
    stateful: ClassVar[bool] = True

    def __init__(self, temperature: float = 2.0, *, every: int | None = None, norm: Norm = "sum") -> None:
        super().__init__(norm)
        if not temperature > 0:
            raise OptionError(f"DWA's temperature is above zero; got {temperature}. The paper uses 2.")
        if every is not None and every < 1:
            raise OptionError(
                f"DWA averages losses over at least one step; got every={every}. Leave it out for epochs."
            )
        self.temperature = temperature
        self.every = every
        self._sums = self._counts = self._before = self._latest = np.zeros(0)
        self._steps = 0

    def after_epoch(self) -> None:
        """Close the epoch: its mean losses become the latest."""
        if not self._counts.any():
            return
        mean = np.divide(
            self._sums, self._counts, out=np.full_like(self._sums, np.nan), where=self._counts > 0
        )
        self._before, self._latest = self._latest, mean
        self._sums, self._counts = np.zeros_like(mean), np.zeros_like(mean)
        self._steps = 0

    def _combine(self, losses: Tensor, seen: Seen) -> Combined:
        weights = losses.new_tensor(self._lambdas(seen.tasks))
        self._sums[seen.tasks] += losses.detach().to("cpu", torch.float64).numpy()
        self._counts[seen.tasks] += 1.0
        self._steps += 1
        if self._steps == self.every:
            self.after_epoch()
        return Combined((weights * losses).sum(), weights)

    def _lambdas(self, tasks: NDArray[np.int64]) -> Array:
        with np.errstate(divide="ignore", invalid="ignore"):
            ratios = self._latest[tasks] / self._before[tasks]
        ratios = np.where(np.isfinite(ratios), ratios, 1.0) / self.temperature
        shares = np.exp(ratios - ratios.max())
        return np.asarray(len(tasks) * shares / shares.sum())  # eq. 7

    def _start(self, tasks: int) -> None:
        self._sums, self._counts = np.zeros(tasks), np.zeros(tasks)
        self._before, self._latest = np.full(tasks, np.nan), np.full(tasks, np.nan)
        self._steps = 0

    def _state(self) -> Mapping[str, Array | int]:
        return {
            "sums": self._sums,
            "counts": self._counts,
            "before": self._before,
            "latest": self._latest,
            "steps": self._steps,
        }

    def _restore(self, state: Mapping[str, Tensor | int | float | None]) -> None:
        self._sums, self._counts = array_of(state["sums"]), array_of(state["counts"])
        self._before, self._latest = array_of(state["before"]), array_of(state["latest"])
        self._steps = int(state["steps"] or 0)
