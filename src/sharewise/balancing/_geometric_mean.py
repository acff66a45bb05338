"""Losses multiplied instead of added."""

from __future__ import annotations

from typing import ClassVar, final

import torch
from torch import Tensor

from sharewise.balancing._base import Combined, Scalarizer, Seen


@final
class GeometricMean(Scalarizer):
    """(prod_t L_t)^(1/T): what counts is by which share a loss falls, so units do not matter.

    S. Chennupati et al., *MultiNet++: Multi-Stream Feature Aggregation and Geometric Loss Strategy for Multi-Task
    Learning*, CVPR Workshops 2019 (https://arxiv.org/abs/1904.08492), the geometric loss strategy. A loss
    below the dtype's rounding of 1 counts as that rounding and moves nothing.
    """

    name: ClassVar[str] = "geometric-mean"
    positive: ClassVar[bool] = True
    scale_free: ClassVar[bool] = True

    def _combine(self, losses: Tensor, seen: Seen) -> Combined:
        floored = losses.clamp_min(torch.finfo(losses.dtype).eps)
        total = floored.log().mean().exp()
        moving = losses.detach() >= torch.finfo(losses.dtype).eps
        weights = torch.where(moving, total.detach() / (len(losses) * floored.detach()), 0.0)
        return Combined(total, weights)
