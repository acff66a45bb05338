"""Losses scaled to one size by learned factors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar, final

from torch import Tensor, nn

from sharewise.balancing._base import Combined, Norm, Scalarizer, Seen
from sharewise.balancing._learned import LearnedVector


@final
class IMTLL(Scalarizer):
    """sum_t (exp(s_t) L_t - s_t) with learned s_t: at its optimum in s every scaled loss is 1.

    L. Liu et al., *Towards Impartial Multi-task Learning*, ICLR 2021 (https://openreview.net/forum?id=IMPnRXEWpvr),
    loss balance (IMTL-L) in base e. It is `Uncertainty` without its halves and with the sign of s turned. Put
    `parameters()` among the optimizer's (``IMTLL(tasks=3)``, or `start` first).
    """

    name: ClassVar[str] = "imtl-l"
    stateful: ClassVar[bool] = True

    def __init__(self, tasks: int | None = None, *, norm: Norm = "sum") -> None:
        super().__init__(norm)
        self._log_scale = LearnedVector()
        if tasks is not None:
            self.start(tasks)

    def parameters(self) -> Iterator[nn.Parameter]:
        yield self._log_scale.parameter(self.name)

    def _combine(self, losses: Tensor, seen: Seen) -> Combined:
        s = self._log_scale.at(seen.tasks, losses)
        return Combined((s.exp() * losses - s).sum(), s.exp().detach())

    def _start(self, tasks: int) -> None:
        self._log_scale.start(tasks)

    def _state(self) -> Mapping[str, Tensor]:
        return {"log_scale": self._log_scale.parameter(self.name)}

    def _restore(self, state: Mapping[str, Tensor | int | float | None]) -> None:
        self._log_scale.load(state["log_scale"])
