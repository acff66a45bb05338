"""First-order MAML: the query gradient at the adapted weights, as if the steps there had no derivative."""

from __future__ import annotations

from typing import ClassVar, final

import torch
from torch import Tensor

from sharewise.meta._gradient import GradientLearner
from sharewise.meta._inner import Weights
from sharewise.meta._parts import Part


@final
class FirstOrderMAML(GradientLearner):
    """MAML without second derivatives (Finn et al. 2017, https://arxiv.org/abs/1703.03400, section 5.2).

    θ'_i as in MAML (eq. 1); the meta-gradient is the mean of ∇L_i(θ'_i) of query rows, which is MAML's with the
    Jacobian ∂θ'_i/∂θ taken as the identity. No step's graph is kept, so memory does not grow with the steps.
    """

    name: ClassVar[str] = "first-order-maml"
    exact: ClassVar[bool] = False

    def _part(self, part: Part, weights: Weights) -> tuple[Tensor, list[Tensor]]:
        adapted, read = self._adapted(part, weights, graph=False)
        leaves = {path: weight.detach().requires_grad_() for path, weight in adapted.items()}
        total = self._query_losses(leaves, read).sum()
        found = torch.autograd.grad(total, list(leaves.values()), materialize_grads=True)
        return total, [part if read.tasks is None else part.sum(0) for part in found]
