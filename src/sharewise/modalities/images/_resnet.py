"""A small residual network (He et al. 2016, https://arxiv.org/abs/1512.03385), trained from scratch.

Symbols: as in `_backbone`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal, final

from torch import Tensor, nn
from torch.nn import functional as F

from sharewise.errors import OptionError
from sharewise.modalities.images._backbone import Backbone

Norm = Literal["group", "batch"]


@final
class ResNet(Backbone):
    """A 3×3 stem and one stage a width, of basic blocks, each stage halving the sides.

    The paper's form for small pictures (section 4.2), with two choices of our own: the stem has a stride too, since
    dense heads never need the full resolution on a processor, and a projection where shapes change (option B).

    Args:
        inputs: Channels of a picture.
        widths: Features of each stage; strides are 2 · `stem`, 4 · `stem` and so on less one halving: the first
            stage keeps the stem's resolution.
        blocks: Basic blocks a stage.
        norm: ``group`` (Wu & He 2018, https://arxiv.org/abs/1803.08494) knows no batch and serves small ones;
            ``batch`` is the paper's.
        stem: Stride of the first convolution, 1 for pictures of about 32 pixels, 2 for larger ones.
    """

    def __init__(
        self,
        inputs: int = 3,
        widths: Sequence[int] = (16, 32, 64, 128),
        *,
        blocks: int = 1,
        norm: Norm = "group",
        stem: int = 2,
    ) -> None:
        super().__init__()
        if not widths or min(inputs, *widths, blocks, stem) < 1:
            raise OptionError(
                "A ResNet has inputs, widths, blocks and a stem's stride of 1 or more; got "
                f"{inputs}, {tuple(widths)}, {blocks} and {stem}. Correct them."
            )
        if norm not in ("group", "batch"):
            raise OptionError(f"A ResNet's norm is 'group' or 'batch'; got '{norm}'. Choose one.")
        self.inputs = inputs
        self.channels = tuple(widths)
        self.strides = tuple(stem * 2**level for level in range(len(widths)))
        self.stem = nn.Conv2d(inputs, widths[0], 3, stride=stem, padding=1, bias=False)
        self.stem_norm = _norm(norm, widths[0])
        self.stages = nn.ModuleList(
            nn.Sequential(
                BasicBlock(before, after, 1 if level == 0 else 2, norm),
                *(BasicBlock(after, after, 1, norm) for _ in range(blocks - 1)),
            )
            for level, (before, after) in enumerate(pairwise((widths[0], *widths)))
        )

    def _maps(self, x: Tensor) -> tuple[Tensor, ...]:
        x = F.relu(self.stem_norm(self.stem(x)))
        found = []
        for stage in self.stages:
            x = stage(x)
            found.append(x)
        return tuple(found)


@final
class BasicBlock(nn.Module):
    """y = F(x) + x with two 3×3 convolutions (eq. 1), or a projected x where the shape changes (eq. 2).

    The second normalisation starts at zero, so that a block starts as its shortcut (Goyal et al. 2017,
    https://arxiv.org/abs/1706.02677, section 5.1).
    """

    def __init__(self, before: int, after: int, stride: int, norm: Norm) -> None:
        super().__init__()
        self.first = nn.Conv2d(before, after, 3, stride=stride, padding=1, bias=False)
        self.first_norm = _norm(norm, after)
        self.second = nn.Conv2d(after, after, 3, padding=1, bias=False)
        self.second_norm = _norm(norm, after)
        nn.init.zeros_(self.second_norm.weight)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or before != after:
            self.shortcut = nn.Sequential(
                nn.Conv2d(before, after, 1, stride=stride, bias=False), _norm(norm, after)
            )

    def forward(self, x: Tensor) -> Tensor:
        """(B, before, H, W) to (B, after, ceil(H / stride), ceil(W / stride))."""
        found = F.relu(self.first_norm(self.first(x)))
        return F.relu(self.second_norm(self.second(found)) + self.shortcut(x))


def _norm(norm: Norm, width: int) -> nn.GroupNorm | nn.BatchNorm2d:
    if norm == "batch":
        return nn.BatchNorm2d(width)
    groups = next(count for count in (8, 4, 2, 1) if width % count == 0)
    return nn.GroupNorm(groups, width)
