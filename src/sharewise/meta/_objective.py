"""What a self-supervised objective is: a loss that needs inputs alone.

Symbols: `N` rows of a batch, `P` the shape of an input, `D` width of the features.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, final

import torch
from torch import Tensor, nn

from sharewise.errors import DataError


class Objective(nn.Module, ABC):
    """Abstract. A final class names itself, holds what only the objective needs (heads, projections), and implements
    `_loss`; all its randomness comes from the generator.

    Attributes:
        name: The key in `OBJECTIVES`.
        axes: How many an input has, with that of rows: 2 for tables, 4 for pictures.
    """

    name: ClassVar[str]
    axes: ClassVar[int]

    @final
    def loss(self, encoder: nn.Module, batch: Tensor, generator: torch.Generator) -> Tensor:
        """The mean loss over a batch (N, *P), (), differentiable by the encoder's and the objective's parameters.

        Args:
            generator: On the CPU, so that every device sees the same masks and views.

        Raises:
            DataError: The batch is not of the objective's kind, has one row, or holds NaN.
        """
        if batch.ndim != self.axes:
            raise DataError(
                f"{self.name} reads batches of {self.axes} axes; got {batch.ndim}, {tuple(batch.shape)}. "
                "Reshape the inputs or choose another objective."
            )
        if len(batch) < 2:
            raise DataError(
                f"{self.name} reads two rows or more at a time; got {len(batch)}. Pass more rows."
            )
        if batch.is_floating_point() and not bool(batch.isfinite().all()):
            raise DataError(f"{self.name} reads finite inputs; a batch holds NaN or infinity. Fill the gaps.")
        return self._loss(encoder, batch, generator)

    @abstractmethod
    def _loss(self, encoder: nn.Module, batch: Tensor, generator: torch.Generator) -> Tensor:
        """Of a batch that was checked."""


def projection(width: int, outputs: int) -> nn.Sequential:
    """Two layers with a rectifier between them, (N, width) to (N, outputs)."""
    return nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, outputs))


def uniform(shape: tuple[int, ...], generator: torch.Generator, like: Tensor) -> Tensor:
    """Numbers between 0 and 1 on `like`'s device, drawn on the CPU."""
    return torch.rand(shape, generator=generator).to(like.device)
