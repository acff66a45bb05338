"""By how much a picture was turned."""

from __future__ import annotations

from typing import ClassVar, final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sharewise.errors import DataError
from sharewise.meta._objective import Objective

TURNS = 4


@final
class Rotations(Objective):
    """Predicting rotations (Gidaris et al. 2018, https://arxiv.org/abs/1803.07728, eq. 2–3): each picture is shown in
    all four quarter turns, and a linear head says which.

    Nothing to learn from what looks the same in every turn, and little where classes are turns of one another.

    Args:
        width: D, of the encoder's features.
    """

    name: ClassVar[str] = "rotations"
    axes: ClassVar[int] = 4

    def __init__(self, width: int) -> None:
        super().__init__()
        self.head = nn.Linear(width, TURNS)

    def _loss(self, encoder: nn.Module, batch: Tensor, generator: torch.Generator) -> Tensor:
        turned, labels = quarter_turns(batch)
        return F.cross_entropy(self.head(encoder(turned).flatten(1)), labels)


def quarter_turns(batch: Tensor) -> tuple[Tensor, Tensor]:
    """Pictures (4N, C, S, S) and their turns (4N,), 0 … 3 quarters against the clock; the N pictures turn by turn.

    Raises:
        DataError: Pictures are not square.
    """
    if batch.shape[-1] != batch.shape[-2]:
        raise DataError(
            f"Pictures that are turned are square; got {batch.shape[-2]} by {batch.shape[-1]} pixels. Crop or pad them."
        )
    turned = torch.cat([torch.rot90(batch, turn, (2, 3)) for turn in range(TURNS)])
    return turned, torch.arange(TURNS, device=batch.device).repeat_interleave(len(batch))
