"""A linear layer that keeps its weights and learns a small product beside them: for pretrained encoders, of texts as
of single words, that several tasks then share."""

from __future__ import annotations

import math
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sharewise.errors import OptionError


@final
class LowRankLinear(nn.Module):
    """Final. ``W x + b + (alpha / rank) B A x`` with ``W`` and ``b`` frozen (Hu et al., *LoRA: Low-Rank Adaptation of
    Large Language Models*, ICLR 2022, https://arxiv.org/abs/2106.09685, eq. 3).

    ``B`` starts at zero: training starts from the layer as it is. `sharewise.networks.LowRank` gives each *task* an
    update of an encoder's weights; this one is a single update of a single encoder, and never forms ``B A``.
    """

    def __init__(self, layer: nn.Linear, rank: int, alpha: float) -> None:
        super().__init__()
        rank = min(rank, layer.in_features, layer.out_features)
        self.layer = layer.requires_grad_(False)
        self.scale = alpha / rank
        weight = layer.weight
        bound = 1.0 / math.sqrt(layer.in_features)
        self.down = nn.Parameter(weight.new_empty(rank, layer.in_features).uniform_(-bound, bound))  # A
        self.up = nn.Parameter(
            torch.zeros(layer.out_features, rank, dtype=weight.dtype, device=weight.device)
        )

    @property
    def in_features(self) -> int:
        """As of the layer."""
        return self.layer.in_features

    @property
    def out_features(self) -> int:
        """As of the layer."""
        return self.layer.out_features

    def forward(self, x: Tensor) -> Tensor:
        """``(..., in)`` to ``(..., out)``."""
        moved: Tensor = self.layer(x) + self.scale * F.linear(F.linear(x, self.down), self.up)
        return moved


def add_low_rank(model: nn.Module, rank: int, alpha: float = 16.0) -> None:
    """Freeze a model and put a `LowRankLinear` in the place of every linear layer.

    Every one, not the query and value projections alone (section 4.2): which layers those are, no two models call alike.

    Raises:
        OptionError: ``rank`` or ``alpha`` is off, or there are no linear layers.
    """
    if rank < 1 or alpha <= 0:
        raise OptionError(f"rank is at least 1 and alpha above 0; got {rank} and {alpha:g}. Correct them.")
    model.requires_grad_(False)
    places = [
        (parent, name, child)
        for parent in list(model.modules())
        for name, child in parent.named_children()
        if type(child) is nn.Linear
    ]
    if not places:
        raise OptionError(
            f"low-rank updates need linear layers; {type(model).__name__} has none. Train all of it, or nothing."
        )
    for parent, name, child in places:
        setattr(parent, name, LowRankLinear(child, rank, alpha))
