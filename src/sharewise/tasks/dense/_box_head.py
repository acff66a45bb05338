"""An anchor-free head for boxes over a feature pyramid, and what its outputs mean.

After FCOS (Tian et al. 2019, https://arxiv.org/abs/1904.01355), smaller: one tower for classes and distances together,
group normalisation. Symbols: `B` pictures, `P` places, `K` classes, `F` features of each level.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import final

import numpy as np
import torch
from torch import Tensor, nn

from sharewise.errors import OptionError
from sharewise.tasks._detection import Boxes
from sharewise.tasks.dense._boxes import suppress
from sharewise.tasks.dense._places import Places

PRIOR = 0.01
"""How sure of a box an untrained head is (Lin et al. 2017, https://arxiv.org/abs/1708.02002, section 4.1)."""


@final
class BoxHead(nn.Module):
    """Maps of a pyramid to one row a place: 4 distances in strides, the logit of centreness, K logits of classes.

    The last convolutions are shared by all levels; a learnt factor a level scales its distances (section 3.2).
    """

    def __init__(self, width: int, levels: int, classes: int, *, depth: int = 2) -> None:
        super().__init__()
        if min(width, levels, classes) < 1 or depth < 0:
            raise OptionError(
                f"A box head has a width, levels and classes of 1 or more; got {width}, {levels} and {classes}."
            )
        self.classes = classes
        groups = math.gcd(8, width)
        self.tower = nn.Sequential(
            *(
                nn.Sequential(
                    nn.Conv2d(width, width, 3, padding=1, bias=False), nn.GroupNorm(groups, width), nn.ReLU()
                )
                for _ in range(depth)
            )
        )
        self.last = nn.Conv2d(width, 5 + classes, 3, padding=1)
        self.scales = nn.Parameter(torch.ones(levels))
        nn.init.normal_(self.last.weight, std=0.01)
        bias = torch.zeros(5 + classes)
        bias[5:] = -math.log((1 - PRIOR) / PRIOR)
        self.last.bias = nn.Parameter(bias)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Maps (B, F, h, w), fine to coarse, to (B, P, 5 + K)."""
        rows = []
        for level, features in enumerate(maps):
            found = self.last(self.tower(features)).flatten(2).transpose(1, 2)  # (B, h·w, 5 + K)
            # A bound on the exponent keeps an untrained head's boxes finite.
            distances = (found[..., :4] * self.scales[level]).clamp(max=6).exp()
            rows.append(torch.cat([distances, found[..., 4:]], 2))
        return torch.cat(rows, 1)


def corners(places: Places, distances: Tensor) -> Tensor:
    """Distances (…, P, 4) in strides as boxes (…, P, 4) in pixels."""
    away = distances * places.strides[:, None]
    return torch.cat([places.points - away[..., :2], places.points + away[..., 2:]], -1)


def decode(
    outputs: Tensor,
    places: Places,
    size: tuple[int, int],
    *,
    least: float = 0.05,
    most: int = 100,
    candidates: int = 500,
    overlap: float = 0.6,
) -> list[Boxes]:
    """Outputs (B, P, 5 + K) as the boxes of each picture, best first, clipped to its `size` (width, height).

    Args:
        least: Score below which a box is dropped; a score is the geometric mean of class and centreness.
        most: Boxes of a picture at most, out of as many best `candidates`.
        overlap: Of two boxes of a class that overlap by more, the surer one stays.
    """
    limit = torch.tensor([size[0], size[1]] * 2, dtype=outputs.dtype, device=outputs.device)
    boxes = torch.minimum(corners(places, outputs[..., :4]).clamp(min=0), limit)
    scores = (outputs[..., 5:].sigmoid() * outputs[..., 4:5].sigmoid()).sqrt()
    found = []
    for own, score in zip(boxes, scores, strict=True):
        best, flat = score.flatten().topk(min(candidates, score.numel()))
        flat, best = flat[best > least], best[best > least]
        place, label = flat // score.shape[1], flat % score.shape[1]
        solid = ((own[place, 2:] - own[place, :2]) > 0).all(1)
        place, label, best = place[solid], label[solid], best[solid]
        kept = suppress(own[place], best, label, overlap)[:most]
        found.append(
            Boxes(
                own[place[kept]].detach().cpu().numpy().astype(np.float64),
                label[kept].cpu().numpy().astype(np.int64),
                size,
                best[kept].detach().cpu().numpy().astype(np.float64),
            )
        )
    return found
