"""Several networks side by side on the same features, and their mixture.

Symbols: ``B`` rows, ``E`` experts, ``C`` channels; ``...`` stands for the places of a sequence or map.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from sharewise.errors import OptionError
from sharewise.networks._apply import apply
from sharewise.networks._layout import MAP, SEQUENCE, Pointwise

ExpertFactory = Callable[[int], nn.Module]
"""From the width of the features to one expert, started from random weights."""


class Experts(nn.Module):
    """Final. ``E`` networks of one form.

    By default each is one linear layer over the channels that keeps their number, and a rectifier (all
    computed as one product); or what a factory makes.
    """

    def __init__(self, width: int, count: int, factory: ExpertFactory | None = None) -> None:
        super().__init__()
        if count < 1:
            raise OptionError(f"there is at least one expert; got {count}. Raise the number.")
        self.count = count
        self.layer = None if factory else Pointwise(width, count * width)
        self.each = nn.ModuleList(factory(width) for _ in range(count)) if factory else None

    def forward(self, x: Tensor) -> Tensor:
        """``(B, ...)`` to ``(B, E, ...)``."""
        if self.each is not None:
            return torch.stack([apply(expert, x, "an expert") for expert in self.each], dim=1)
        assert self.layer is not None
        wide = apply(self.layer, x, "the layer of experts").relu()
        if wide.ndim == MAP:
            return wide.view(wide.shape[0], self.count, -1, *wide.shape[2:])
        parted = wide.view(*wide.shape[:-1], self.count, -1)
        return parted.transpose(1, 2) if wide.ndim == SEQUENCE else parted


def mixed(weights: Tensor, experts: Tensor) -> Tensor:
    """The sum ``(B, ...)`` of experts ``(B, E, ...)`` with weights ``(B, E)``."""
    return torch.einsum("be,bef->bf", weights, experts.flatten(2)).view(experts.shape[0], *experts.shape[2:])


def mixed_for(weights: Mapping[str, Tensor], experts: Tensor) -> dict[str, Tensor]:
    """`mixed` for several tasks as one product; weights ``(B, E)`` by task."""
    stacked = torch.stack(list(weights.values()), dim=1)  # (B, T, E)
    sums = torch.bmm(stacked, experts.flatten(2)).view(*stacked.shape[:2], *experts.shape[2:])
    return dict(zip(weights, sums.unbind(1), strict=True))
