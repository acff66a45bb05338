"""Meta-SGD: MAML that also learns how far, and which way, each weight steps."""

from __future__ import annotations

from typing import ClassVar, final

import torch
from torch import Tensor, nn

from sharewise.meta._gradient import GradientLearner, Mode
from sharewise.meta._inner import Rates, Weights
from sharewise.meta._parts import Part


@final
class MetaSGD(GradientLearner):
    """Meta-SGD (Li et al. 2017, https://arxiv.org/abs/1707.09835).

    θ'_i = θ − α ∘ ∇L_i(θ) with a vector α of θ's size (eq. 2), over several steps; training lowers the mean of
    L_i(θ'_i) of query rows by θ and α together (eq. 3). A rate may become negative.

    Args:
        rate: Where every element of α starts.
    """

    name: ClassVar[str] = "meta-sgd"

    def __init__(
        self,
        network: nn.Module,
        *,
        steps: int = 1,
        rate: float = 0.01,
        adapt_steps: int | None = None,
        mode: Mode = "auto",
        memory: int | None = None,
        compiled: bool = False,
        transductive: bool = False,
    ) -> None:
        super().__init__(
            network,
            steps=steps,
            rate=rate,
            adapt_steps=adapt_steps,
            mode=mode,
            memory=memory,
            compiled=compiled,
            transductive=transductive,
        )
        moved = {path: weight for path, weight in self.network.named_parameters() if weight.requires_grad}
        self._paths = list(moved)
        self.rates = nn.ParameterList(torch.full_like(weight, rate) for weight in moved.values())

    def _part(self, part: Part, weights: Weights) -> tuple[Tensor, list[Tensor]]:
        adapted, read = self._adapted(part, weights, graph=True)
        total = self._query_losses(adapted, read).sum()
        found = torch.autograd.grad(total, list(weights.values()), materialize_grads=True)
        return total, list(found)

    def _rates(self, weights: Weights) -> Rates:
        return {path: weights[f"rates.{place}"] for place, path in enumerate(self._paths)}
