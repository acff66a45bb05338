"""The places at which an anchor-free head speaks, and what each of them should say.

After FCOS (Tian et al. 2019, https://arxiv.org/abs/1904.01355). Symbols: `P` places of all levels of a pyramid, fine to
coarse and row by row, `n` boxes of a picture, `s` stride of a level in pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, final

import torch
from torch import Tensor

from sharewise.errors import DataError

BACKGROUND = -1
"""The label of a place that no box is assigned to."""


@final
@dataclass(frozen=True)
class Places:
    """Where the places are.

    Attributes:
        points: (P, 2) centres (x, y) in pixels.
        strides: (P,).
        smallest, largest: (P,) a place speaks for boxes whose farthest side is this many pixels away.
    """

    points: Tensor
    strides: Tensor
    smallest: Tensor
    largest: Tensor

    @classmethod
    def of(cls, height: int, width: int, strides: Sequence[int], *, reach: int = 8) -> Places:
        """Of pictures of this size. A level's boxes end at `reach` strides (64 pixels at stride 8, as in section 3.2
        of the paper), the last level's nowhere."""
        points, steps, low, high = [], [], [], []
        for level, stride in enumerate(strides):
            ys = torch.arange(-(-height // stride)) * stride + stride / 2
            xs = torch.arange(-(-width // stride)) * stride + stride / 2
            grid = torch.cartesian_prod(ys, xs).flip(1)
            points.append(grid)
            steps.append(torch.full((len(grid),), float(stride)))
            low.append(torch.full((len(grid),), float(reach * strides[level - 1]) if level else 0.0))
            last = level == len(strides) - 1
            high.append(torch.full((len(grid),), torch.inf if last else float(reach * stride)))
        return cls(torch.cat(points), torch.cat(steps), torch.cat(low), torch.cat(high))


class Targets(NamedTuple):
    """What the places of one picture should say.

    Attributes:
        labels: (P,) class codes, `BACKGROUND` for most.
        distances: (P, 4) to the left, upper, right and lower side, in strides; 0 at the background.
        centreness: (P,) 1 in a box's middle, 0 at its border; 0 at the background.
    """

    labels: Tensor
    distances: Tensor
    centreness: Tensor


def assign(places: Places, boxes: Tensor, labels: Tensor, *, radius: float = 1.5) -> Targets:
    """Each place speaks for the smallest box (n, 4) that it lies in, near whose centre it is (within `radius`
    strides), and whose size its level is for.

    Raises:
        DataError: Boxes and labels do not go together.
    """
    if boxes.ndim != 2 or boxes.shape[1:] != (4,) or labels.shape != boxes.shape[:1]:
        raise DataError(
            f"boxes are (n, 4) with n labels; got {tuple(boxes.shape)} and {tuple(labels.shape)}. Reshape them."
        )
    count = len(places.points)
    if not len(boxes):
        nothing = boxes.new_zeros(count, 4)
        return Targets(torch.full((count,), BACKGROUND, dtype=torch.long), nothing, nothing[:, 0].clone())
    boxes = boxes.to(places.points)
    before = places.points[:, None] - boxes[None, :, :2]  # (P, n, 2): left and upper distance
    after = boxes[None, :, 2:] - places.points[:, None]
    sides = torch.cat([before, after], 2)  # (P, n, 4), eq. 1 of the paper
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    near = (places.points[:, None] - centre[None]).abs().amax(2) <= radius * places.strides[:, None]
    farthest = sides.amax(2)
    fits = (farthest > places.smallest[:, None]) & (farthest <= places.largest[:, None])
    possible = (sides.amin(2) > 0) & near & fits
    area = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    cost, chosen = torch.where(possible, area[None], torch.inf).min(1)
    taken = cost.isfinite()
    own = sides[torch.arange(count), chosen].clamp(min=0) * taken[:, None]
    return Targets(
        torch.where(taken, labels.to(chosen)[chosen], BACKGROUND),
        own / places.strides[:, None],
        centreness(own) * taken,
    )


def centreness(distances: Tensor) -> Tensor:
    """sqrt(min(l, r) / max(l, r) · min(t, b) / max(t, b)), eq. 3; (…, 4) to (…)."""
    across, down = distances[..., 0::2], distances[..., 1::2]
    ratio = across.amin(-1) * down.amin(-1) / (across.amax(-1) * down.amax(-1)).clamp(min=1e-9)
    return ratio.clamp(min=0).sqrt()
