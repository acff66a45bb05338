"""Weights by learned noise levels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar, final

from torch import Tensor, nn

from sharewise.balancing._base import Combined, Norm, Scalarizer, Seen
from sharewise.balancing._learned import LearnedVector


@final
class Uncertainty(Scalarizer):
    """sum_t (exp(-s_t) L_t + s_t) / 2 with learned s_t = log σ_t²: noisy tasks count less.

    A. Kendall, Y. Gal, R. Cipolla, *Multi-Task Learning Using Uncertainty to Weigh Losses for Scene Geometry and
    Semantics*, CVPR 2018 (https://arxiv.org/abs/1705.07115), eq. 7, in the log-variance form of section 3.2. The
    same halves serve regression and classification, which only shifts s. The s are the optimizer's to learn: put
    `parameters()` among its parameters (``Uncertainty(tasks=3)``, or `start` first).
    """

    name: ClassVar[str] = "uncertainty"
    stateful: ClassVar[bool] = True

    def __init__(self, tasks: int | None = None, *, norm: Norm = "sum") -> None:
        super().__init__(norm)
        self._log_variance = LearnedVector()
        if tasks is not None:
            self.start(tasks)

    def parameters(self) -> Iterator[nn.Parameter]:
        yield self._log_variance.parameter(self.name)

    def _combine(self, losses: Tensor, seen: Seen) -> Combined:
        s = self._log_variance.at(seen.tasks, losses)
        half = 0.5 * (-s).exp()
        return Combined((half * losses + 0.5 * s).sum(), half.detach())

    def _start(self, tasks: int) -> None:
        self._log_variance.start(tasks)

    def _state(self) -> Mapping[str, Tensor]:
        return {"log_variance": self._log_variance.parameter(self.name)}

    def _restore(self, state: Mapping[str, Tensor | int | float | None]) -> None:
        self._log_variance.load(state["log_variance"])
