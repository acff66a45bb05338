"""The plain sum: the baseline that every other method must beat under equal tuning."""

from __future__ import annotations

from typing import ClassVar, final

import torch
from torch import Tensor

from sharewise.balancing._base import Combined, Scalarizer, Seen


@final
class Sum(Scalarizer):
    """sum_t L_t: every task's loss counts as it is.

    V. Kurin et al., *In Defense of the Unitary Scalarization for Deep Multi-Task Learning*, NeurIPS 2022
    (https://arxiv.org/abs/2201.04122): tuned as carefully as the rest, it is hard to beat.

    >>> Sum()(torch.tensor([1.0, 2.0])).item()
    3.0
    """

    name: ClassVar[str] = "sum"

    def _combine(self, losses: Tensor, seen: Seen) -> Combined:
        return Combined(losses.sum(), torch.ones_like(losses, requires_grad=False))
