"""A feature pyramid over a backbone, for dense outputs (Lin et al. 2017, https://arxiv.org/abs/1612.03144).

Symbols: as in `_backbone`; `F` features of every level of the pyramid.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

from torch import Tensor, nn
from torch.nn import functional as F

from sharewise.errors import OptionError
from sharewise.modalities.images._backbone import Backbone


@final
class FeaturePyramid(nn.Module):
    """Every level sees what the coarser ones found: a coarse map is doubled by nearest neighbours and added to the
    1×1-projected finer one; a 3×3 convolution then smooths the sum (section 3).

    Args:
        levels: How many of the backbone's levels take part, the coarsest ones; all unless told.
        width: F.
    """

    def __init__(self, backbone: Backbone, width: int = 64, *, levels: int | None = None) -> None:
        super().__init__()
        taken = len(backbone.channels) if levels is None else levels
        if not 1 <= taken <= len(backbone.channels) or width < 1:
            raise OptionError(
                f"A pyramid has 1 to {len(backbone.channels)} levels of this backbone and a width of 1 or more; got "
                f"{levels} and {width}. Correct them."
            )
        self.backbone = backbone
        self.width = width
        self.strides = backbone.strides[-taken:]
        self.channels = (width,) * taken
        self.lateral = nn.ModuleList(nn.Conv2d(features, width, 1) for features in backbone.channels[-taken:])
        self.smooth = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in range(taken))

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Pictures (B, C, H, W) to a map (B, F, ceil(H / s), ceil(W / s)) a level, fine to coarse."""
        return self.merge(self.backbone(x))

    def merge(self, maps: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """The same of the backbone's maps, where those are known already."""
        taken = maps[-len(self.strides) :]
        sums = [lateral(found) for lateral, found in zip(self.lateral, taken, strict=True)]
        for level in range(len(sums) - 2, -1, -1):
            above = F.interpolate(sums[level + 1], size=sums[level].shape[2:], mode="nearest")
            sums[level] = sums[level] + above
        return tuple(smooth(found) for smooth, found in zip(self.smooth, sums, strict=True))
