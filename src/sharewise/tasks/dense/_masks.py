"""A head for semantic masks over a feature pyramid, and its loss.

Symbols: `B` pictures, `K` classes, `F` features of each level, `H` × `W` pixels of a picture.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sharewise.errors import DataError, OptionError


@final
class MaskHead(nn.Module):
    """All levels brought to the finest one and added, one 3×3 convolution, K scores a place (after the semantic branch
    of Kirillov et al. 2019, https://arxiv.org/abs/1901.02446, section 3, with fewer layers)."""

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        if width < 1 or classes < 2:
            raise OptionError(f"A mask head has a width and two classes or more; got {width} and {classes}.")
        self.mix = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.GroupNorm(math.gcd(8, width), width),
            nn.ReLU(),
        )
        self.last = nn.Conv2d(width, classes, 1)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Maps (B, F, h, w), fine to coarse, to scores (B, K, h, w) at the finest one's resolution."""
        size = maps[0].shape[2:]
        total = maps[0]
        for coarse in maps[1:]:
            total = total + F.interpolate(coarse, size=size, mode="bilinear", align_corners=False)
        found: Tensor = self.last(self.mix(total))
        return found


def to_size(scores: Tensor, height: int, width: int) -> Tensor:
    """Scores (B, K, h, w) as (B, K, H, W)."""
    return F.interpolate(scores, size=(height, width), mode="bilinear", align_corners=False)


def mask_loss(scores: Tensor, masks: Tensor, *, ignore: int = 255, dice: float = 0.0) -> Tensor:
    """The mean cross-entropy over labelled pixels, () , plus `dice` times the Dice loss.

    Args:
        scores: (B, K, h, w); brought to the masks' size.
        masks: (B, H, W) class codes.

    Raises:
        DataError: There are not as many masks as scores.
    """
    if masks.ndim != 3 or len(masks) != len(scores):
        raise DataError(
            f"a mask loss reads scores (B, K, h, w) and masks (B, H, W); got {tuple(scores.shape)} and "
            f"{tuple(masks.shape)}. Pair them."
        )
    scores, masks = to_size(scores, *masks.shape[1:]), masks.long()
    known = masks != ignore
    cross = F.cross_entropy(scores, masks, ignore_index=ignore, reduction="sum") / known.sum().clamp(min=1)
    return cross + dice * dice_loss(scores, masks, known) if dice else cross


def dice_loss(scores: Tensor, masks: Tensor, known: Tensor) -> Tensor:
    """1 − 2 Σ p y / (Σ p² + Σ y²), the mean over classes that the batch shows (Milletari et al. 2016,
    https://arxiv.org/abs/1606.04797, section 3), (): blind to how many pixels a class has."""
    chance = scores.softmax(1) * known[:, None]
    hot = (
        F.one_hot(masks.where(known, torch.zeros_like(masks)), scores.shape[1]).movedim(3, 1) * known[:, None]
    )
    axes = (0, 2, 3)
    shown = hot.sum(axes) > 0
    both = 2 * (chance * hot).sum(axes)
    ratio = both / (chance.square().sum(axes) + hot.sum(axes)).clamp(min=1e-9)
    return (1 - ratio[shown]).sum() / shown.sum().clamp(min=1)
