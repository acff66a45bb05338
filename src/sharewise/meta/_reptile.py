"""Reptile: weights move towards where each task's own training leads."""

from __future__ import annotations

from typing import ClassVar, final

import torch
from torch import Tensor

from sharewise.meta._gradient import GradientLearner
from sharewise.meta._inner import Weights, descend
from sharewise.meta._parts import Part


@final
class Reptile(GradientLearner):
    """Reptile (Nichol et al. 2018, https://arxiv.org/abs/1803.02999).

    The meta-gradient is the mean over tasks of (φ − φ̃_i) / α, φ̃_i being the weights after the task's own steps
    (algorithm 2, and the form for Adam given with it): plain descent at rate ε α is the paper's φ ← φ + ε (φ̃ − φ).

    Training has no query rows of its own: all labelled rows of a task are learnt from. Steps take support and query
    rows in turn, as successive steps must see different rows to learn more than the mean task (section 5). The loss
    that training shows is the mean along these steps.
    """

    name: ClassVar[str] = "reptile"
    exact: ClassVar[bool] = False

    def _part(self, part: Part, weights: Weights) -> tuple[Tensor, list[Tensor]]:
        start = self._start(weights, part.tasks)
        rows = [part.query if step % 2 else part.support for step in range(self.steps)]
        end, losses = descend(self._pass(part), start, self.rate, rows, graph=False)
        ways = [(start[path].detach() - end[path].detach()) / self.rate for path in start]
        return torch.stack(losses).mean(0).sum(), [way if part.tasks is None else way.sum(0) for way in ways]
