"""SCARF: a row of a table and its corrupted self are close, other rows far."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, final

import torch
from torch import Tensor, nn

from sharewise.errors import OptionError
from sharewise.meta._corrupted import check_share, column_places, corrupt
from sharewise.meta._info_nce import info_nce
from sharewise.meta._objective import Objective, projection


@final
class Scarf(Objective):
    """Contrastive learning by random feature corruption (Bahri et al. 2022, https://arxiv.org/abs/2106.15147,
    algorithm 1).

    The paper replaces a fixed number of a row's features; here each is replaced with that probability. Replacements
    come from rows of the same batch, drawn feature by feature.

    Args:
        inputs: P, coordinates of a row.
        width: D, of the encoder's features.
        share: c, of the values that are replaced.
        temperature: τ.
        projected: Width in which rows are compared.
        columns: Of each coordinate its column; coordinates of one column are replaced together. None for one each.
    """

    name: ClassVar[str] = "scarf"
    axes: ClassVar[int] = 2
    columns: Tensor

    def __init__(
        self,
        inputs: int,
        width: int,
        *,
        share: float = 0.6,
        temperature: float = 1.0,
        projected: int = 64,
        columns: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        check_share(share)
        if not temperature > 0:
            raise OptionError(f"A temperature is above zero; got {temperature}. Raise it.")
        self.share, self.temperature = share, temperature
        self.register_buffer("columns", column_places(inputs, columns))
        self.project = projection(width, projected)

    def _loss(self, encoder: nn.Module, batch: Tensor, generator: torch.Generator) -> Tensor:
        corrupted, _ = corrupt(batch, self.columns, self.share, generator)
        anchors, views = self.project(encoder(torch.cat([batch, corrupted])).flatten(1)).chunk(2)
        return info_nce(anchors, views, self.temperature)
