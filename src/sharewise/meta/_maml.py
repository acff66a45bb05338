"""MAML: weights from which a few steps of gradient descent lead to a good model of any of the tasks."""

from __future__ import annotations

from typing import ClassVar, final

import torch
from torch import Tensor

from sharewise.meta._gradient import GradientLearner
from sharewise.meta._inner import Weights
from sharewise.meta._parts import Part


@final
class MAML(GradientLearner):
    """Model-agnostic meta-learning (Finn et al. 2017, https://arxiv.org/abs/1703.03400).

    θ'_i = θ − α ∇L_i(θ) on support rows (eq. 1), over several steps; training lowers Σ_i L_i(θ'_i) of query rows by
    θ, through the steps (eq. 2 and algorithm 2), here as the mean over tasks.
    """

    name: ClassVar[str] = "maml"

    def _part(self, part: Part, weights: Weights) -> tuple[Tensor, list[Tensor]]:
        adapted, read = self._adapted(part, weights, graph=True)
        total = self._query_losses(adapted, read).sum()
        found = torch.autograd.grad(total, list(weights.values()), materialize_grads=True)
        return total, list(found)
