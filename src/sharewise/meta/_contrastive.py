"""SimCLR: two views of a picture are close, views of other pictures far."""

from __future__ import annotations

from typing import ClassVar, final

import torch
from torch import Tensor, nn

from sharewise.errors import OptionError
from sharewise.meta._info_nce import nt_xent
from sharewise.meta._objective import Objective, projection
from sharewise.meta._views import Views


@final
class Contrastive(Objective):
    """Contrastive learning of pictures (Chen et al. 2020, https://arxiv.org/abs/2002.05709, algorithm 1).

    Args:
        width: D, of the encoder's features.
        views: What may happen to a picture.
        temperature: τ.
        projected: Width in which views are compared.
    """

    name: ClassVar[str] = "contrastive"
    axes: ClassVar[int] = 4

    def __init__(
        self, width: int, *, views: Views | None = None, temperature: float = 0.5, projected: int = 64
    ) -> None:
        super().__init__()
        if not temperature > 0:
            raise OptionError(f"A temperature is above zero; got {temperature}. Raise it.")
        self.views = Views() if views is None else views
        self.temperature = temperature
        self.project = projection(width, projected)

    def _loss(self, encoder: nn.Module, batch: Tensor, generator: torch.Generator) -> Tensor:
        both = torch.cat([self.views(batch, generator), self.views(batch, generator)])
        one, other = self.project(encoder(both).flatten(1)).chunk(2)
        return nt_xent(one, other, self.temperature)
