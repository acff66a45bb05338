"""Weights set by hand or by a search."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, final

import torch
from torch import Tensor

from sharewise.balancing._base import Combined, Norm, Scalarizer, Seen
from sharewise.balancing._preference import as_preference


@final
class Weighted(Scalarizer):
    """sum_t w_t L_t with fixed w >= 0 (T,): linear scalarization, tuned from outside.

    Only the ratios of the weights count unless ``norm="raw"``. D. Xin et al., *Do Current Multi-Task Optimization
    Methods in Deep Learning Even Help?*, NeurIPS 2022 (https://arxiv.org/abs/2209.11379): sweeping these weights
    reaches what the elaborate methods do.

    >>> Weighted([3.0, 1.0])(torch.tensor([1.0, 2.0])).item()  # rescaled to 1.5 and 0.5
    2.5
    """

    name: ClassVar[str] = "weighted"

    def __init__(self, weights: Sequence[float] | None = None, *, norm: Norm = "sum") -> None:
        """`weights` (T,), not negative and not all zero; None: all alike."""
        super().__init__(norm)
        self.weights = None if weights is None else as_preference(weights, "weights")

    def _combine(self, losses: Tensor, seen: Seen) -> Combined:
        if self.weights is None:
            chosen = torch.ones_like(losses, requires_grad=False)
        else:
            chosen = losses.new_tensor(self.weights.of(seen))
        return Combined((chosen * losses).sum(), chosen)
