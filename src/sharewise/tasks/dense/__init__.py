"""Heads, losses and decoding of dense tasks, over the maps of a feature pyramid. Needs torch.

>>> import torch
>>> maps = [torch.zeros(1, 16, 8, 8), torch.zeros(1, 16, 4, 4)]
>>> head, places = BoxHead(16, levels=2, classes=1), Places.of(64, 64, (8, 16))
>>> outputs = head(maps)
>>> tuple(outputs.shape), len(places.points)
((1, 80, 6), 80)
>>> truth = assign(places, torch.tensor([[8.0, 8.0, 40.0, 56.0]]), torch.tensor([0]))
>>> int((truth.labels == 0).sum()), bool(box_loss(outputs, places, [truth]) > 0)
(16, True)
"""

from sharewise.tasks.dense._box_head import BoxHead, corners, decode
from sharewise.tasks.dense._box_loss import box_loss, focal
from sharewise.tasks.dense._boxes import areas, generalised_overlap, overlaps, suppress
from sharewise.tasks.dense._fusion import fused
from sharewise.tasks.dense._masks import MaskHead, dice_loss, mask_loss, to_size
from sharewise.tasks.dense._places import BACKGROUND, Places, Targets, assign, centreness

__all__ = [
    "BACKGROUND",
    "BoxHead",
    "MaskHead",
    "Places",
    "Targets",
    "areas",
    "assign",
    "box_loss",
    "centreness",
    "corners",
    "decode",
    "dice_loss",
    "focal",
    "fused",
    "generalised_overlap",
    "mask_loss",
    "overlaps",
    "suppress",
    "to_size",
]
