"""Boxes as tensors: overlaps, and the choice of one among many that overlap.

Symbols: `n`, `m` boxes as (x1, y1, x2, y2) in pixels.
"""

from __future__ import annotations

import torch
from torch import Tensor


def areas(boxes: Tensor) -> Tensor:
    """(…, 4) to (…)."""
    return (boxes[..., 2] - boxes[..., 0]).clamp(min=0) * (boxes[..., 3] - boxes[..., 1]).clamp(min=0)


def overlaps(first: Tensor, second: Tensor) -> Tensor:
    """Intersection over union of all pairs, (n, 4) and (m, 4) to (n, m); 0 where both are empty."""
    corner = torch.maximum(first[:, None, :2], second[None, :, :2])
    end = torch.minimum(first[:, None, 2:], second[None, :, 2:])
    both = (end - corner).clamp(min=0).prod(-1)
    either = areas(first)[:, None] + areas(second)[None] - both
    return both / either.clamp(min=1e-9)


def generalised_overlap(first: Tensor, second: Tensor) -> Tensor:
    """GIoU pair by pair, (n, 4) twice to (n,), from −1 to 1 (Rezatofighi et al. 2019,
    https://arxiv.org/abs/1902.09630, algorithm 1): the IoU less the share of the hull that neither covers."""
    size = (torch.minimum(first[:, 2:], second[:, 2:]) - torch.maximum(first[:, :2], second[:, :2])).clamp(
        min=0
    )
    both = size.prod(-1)
    either = areas(first) + areas(second) - both
    hull = (torch.maximum(first[:, 2:], second[:, 2:]) - torch.minimum(first[:, :2], second[:, :2])).prod(-1)
    hull = hull.clamp(min=1e-9)
    return both / either.clamp(min=1e-9) - (hull - either) / hull


def suppress(boxes: Tensor, scores: Tensor, labels: Tensor, most: float) -> Tensor:
    """Places of the boxes kept, by falling score: a box goes where a better one of its class overlaps it by more
    than `most` (greedy non-maximum suppression)."""
    order = scores.argsort(descending=True, stable=True)
    clash = (overlaps(boxes[order], boxes[order]) > most) & (labels[order][:, None] == labels[order][None])
    kept = torch.ones(len(order), dtype=torch.bool)
    rows = clash.cpu()
    for place in range(len(order)):
        if kept[place]:
            kept[place + 1 :] &= ~rows[place, place + 1 :]
    return order[kept.to(order.device)]
