"""The network: one backbone, a pyramid over it where tasks are dense, and a head for each cell.

Symbols: ``B`` pictures, ``C`` channels, ``H`` × ``W`` pixels; ``D`` features of a level of the backbone.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import final

import torch
from torch import Tensor, nn

from sharewise.families.pictures._design import PRETRAINED, RESNET, Design
from sharewise.modalities.images import Backbone, EfficientNetLite0, FeaturePyramid, ResNet
from sharewise.tasks import BoxRows, MaskRows
from sharewise.tasks.dense import BoxHead, MaskHead, Places

WIDTHS = (16, 32, 64, 128)
PYRAMID, LEVELS = 48, 3
"""Features of each level of a pyramid, and how many of the backbone's levels it has, the coarsest ones."""
NECK = 128
"""Features that heads of numbers and classes read, between them and a frozen backbone."""
DROPOUT = 0.2

Maps = Sequence[Tensor]
"""(B, D, h, w) a level, fine to coarse."""


@final
class PictureNet(nn.Module):
    """Maps of a backbone to every cell's raw outputs.

    The backbone is apart: of a frozen one the maps are computed once and it is no part of what is trained or kept.
    """

    def __init__(self, design: Design, cells: tuple[int, ...], backbone: Backbone) -> None:
        super().__init__()
        self.cells = cells
        kinds = {cell: design.kind(cell) for cell in cells}
        self.pyramid = (
            FeaturePyramid(backbone, PYRAMID, levels=LEVELS)
            if any(kind.ragged for kind in kinds.values())
            else None
        )
        self.body = backbone if self.pyramid is None else None
        self.neck: nn.Module = nn.Identity()
        width = backbone.channels[-1]
        if design.frozen and not all(kind.ragged for kind in kinds.values()):
            self.neck = nn.Sequential(
                nn.LayerNorm(width), nn.Linear(width, NECK), nn.ReLU(), nn.Dropout(DROPOUT)
            )
            width = NECK
        self.heads = nn.ModuleDict()
        for cell, kind in kinds.items():
            if isinstance(kind, MaskRows):
                self.heads[head_of(cell)] = MaskHead(PYRAMID, kind.outputs)
            elif isinstance(kind, BoxRows):
                self.heads[head_of(cell)] = BoxHead(PYRAMID, LEVELS, len(kind.of.classes), depth=1)
            else:
                self.heads[head_of(cell)] = nn.Linear(width, kind.outputs)

    @property
    def backbone(self) -> nn.Module:
        found = self.body if self.pyramid is None else self.pyramid.backbone
        assert found is not None
        return found

    def forward(self, maps: Maps) -> dict[int, Tensor]:
        """By cell (B, outputs); scores (B, K, h, w) of masks, rows of places (B, P, 5 + K) of boxes."""
        merged = () if self.pyramid is None else self.pyramid.merge(maps)
        pooled = self.neck(maps[-1].mean((2, 3)))
        return {
            cell: self.heads[head_of(cell)](
                pooled if isinstance(self.heads[head_of(cell)], nn.Linear) else merged
            )
            for cell in self.cells
        }

    def train(self, mode: bool = True) -> PictureNet:
        """Batch statistics stay what pretraining found: batches are small."""
        super().train(mode)
        for layer in self.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.eval()
        return self


def head_of(cell: int) -> str:
    """A cell's head, as the network names it."""
    return f"t{cell}"


def backbone_of(design: Design, *, pretrained: bool) -> Backbone:
    """With the weights that it starts from, or (``pretrained`` false) at random, to be loaded into."""
    if design.learner == RESNET:
        return ResNet(design.shape[0], WIDTHS)
    assert design.learner == PRETRAINED
    return EfficientNetLite0(pretrained=pretrained)


def read(design: Design, pixels: Tensor) -> Tensor:
    """Bytes (B, C, H, W) as a backbone takes them: from 0 to 1; grey ones as three equal channels where it was
    trained on colours."""
    x = pixels.float().div_(255)
    return x.expand(-1, 3, -1, -1) if design.learner == PRETRAINED and x.shape[1] == 1 else x


def places_of(design: Design) -> Places:
    """Where heads of boxes speak."""
    return _places(*design.shape[1:], _strides(design.learner))


@cache
def _places(height: int, width: int, strides: tuple[int, ...]) -> Places:
    return Places.of(height, width, strides)


@cache
def _strides(learner: str) -> tuple[int, ...]:
    with torch.random.fork_rng(devices=[]):
        body = ResNet(1, WIDTHS) if learner == RESNET else EfficientNetLite0(pretrained=False)
    return body.strides[-LEVELS:]
