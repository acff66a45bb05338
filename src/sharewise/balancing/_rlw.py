"""Random weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, final

import numpy as np
from torch import Tensor

from sharewise.balancing._base import Combined, Norm, Scalarizer, Seen


@final
class RLW(Scalarizer):
    """sum_t w_t L_t with w = softmax of normal draws, new at each step: a litmus test for what claims to be better.

    B. Lin, F. Ye, Y. Zhang, I. Tsang, *Reasonable Effectiveness of Random Weighting: A Litmus Test for Multi-Task
    Learning*, TMLR 2022 (https://arxiv.org/abs/2111.10603), algorithm 2. Draws depend on `seed` and the step's number.
    """

    name: ClassVar[str] = "rlw"
    stateful: ClassVar[bool] = True
    equivariant: ClassVar[bool] = False

    def __init__(self, seed: int = 0, *, norm: Norm = "sum") -> None:
        super().__init__(norm)
        self.seed = seed
        self._step = 0

    def _combine(self, losses: Tensor, seen: Seen) -> Combined:
        draws = np.random.default_rng((self.seed, self._step)).normal(size=seen.total)[seen.tasks]
        self._step += 1
        shares = np.exp(draws - draws.max())
        weights = losses.new_tensor(shares / shares.sum())
        return Combined((weights * losses).sum(), weights)

    def _start(self, tasks: int) -> None:
        self._step = 0

    def _state(self) -> Mapping[str, int]:
        return {"step": self._step}

    def _restore(self, state: Mapping[str, Tensor | int | float | None]) -> None:
        self._step = int(state["step"] or 0)
