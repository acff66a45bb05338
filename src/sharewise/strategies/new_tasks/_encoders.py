"""Encoders of learners across tasks: features whose length does not grow with their number.

A row's features are mostly divided by the root of their number, so that inner steps of one rate, and penalties that start at
one value, suit narrow and wide inputs alike.

Symbols: ``N`` rows, ``P`` numbers of a row, ``H`` hidden width, ``R`` reach, ``D`` features.
"""

from __future__ import annotations

import math
from typing import final

import torch
from torch import Tensor, nn

from sharewise.networks import mlp


@final
class LinearBeside(nn.Module):
    """Inputs themselves (or a learnt linear map of them) beside a perceptron's features, so that a head on top can be
    linear in the inputs where few labels bear no more.

    Args:
        inputs: ``P``.
        hidden: ``H``; 0 for no perceptron.
        depth: Hidden layers.
        reach: ``R``, the width of the learnt map, which starts as the identity or keeps distances about as they are;
            0 for the inputs themselves.
        unit: Whether features are divided by the root of their number.
    """

    def __init__(
        self, inputs: int, *, hidden: int = 64, depth: int = 1, reach: int = 0, unit: bool = True
    ) -> None:
        super().__init__()
        self.linear: nn.Module = nn.Linear(inputs, reach, bias=False) if reach else nn.Identity()
        if isinstance(self.linear, nn.Linear):
            nn.init.eye_(self.linear.weight) if reach == inputs else nn.init.orthogonal_(self.linear.weight)
        self.deep: nn.Module | None = mlp(inputs, (hidden,) * depth) if hidden else None
        self.width = (reach or inputs) + hidden
        self.divisor = math.sqrt(self.width) if unit else 1.0

    def forward(self, x: Tensor) -> Tensor:
        """``(N, P) -> (N, D)``."""
        parts = [self.linear(x)] if self.deep is None else [self.linear(x), self.deep(x)]
        found: Tensor = torch.cat(parts, dim=-1) / self.divisor
        return found


@final
class Flat(nn.Module):
    """The user's encoder, its features flattened.

    Args:
        encoder: ``(N, *P)`` to features.
        square: What features are divided by the root of: their number, or 1.
    """

    def __init__(self, encoder: nn.Module, square: int) -> None:
        super().__init__()
        self.encoder, self.divisor = encoder, math.sqrt(square)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, *P) -> (N, D)``."""
        return self.encoder(x).flatten(1) / self.divisor  # type: ignore[no-any-return]
