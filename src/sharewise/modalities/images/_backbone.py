"""What a backbone is: pictures to maps of features, fine to coarse.

Symbols: `B` pictures, `C` channels, `H` × `W` pixels, `D` features of a level, `s` its stride in pixels.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import final

import torch
from torch import Tensor, nn

from sharewise.errors import DataError


class Backbone(nn.Module, ABC):
    """Abstract. Reads numbers from 0 to 1; what else a network wants (means, deviations) it does itself.

    Attributes:
        inputs: C.
        channels: D of each level.
        strides: s of each level, rising: a map has ceil(H / s) × ceil(W / s) places.
    """

    inputs: int
    channels: tuple[int, ...]
    strides: tuple[int, ...]

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """(B, C, H, W) to one map (B, D, ceil(H / s), ceil(W / s)) a level.

        Raises:
            DataError: These are no pictures with C channels.
        """
        if x.ndim != 4 or x.shape[1] != self.inputs or not x.is_floating_point():
            raise DataError(
                f"A backbone reads floating-point pictures (B, {self.inputs}, H, W); got {tuple(x.shape)} of {x.dtype}. "
                "Decode them to as many channels, or build it for these."
            )
        return self._maps(x)

    @abstractmethod
    def _maps(self, x: Tensor) -> tuple[Tensor, ...]:
        """Of a batch that was checked."""


@final
class Pooled(nn.Module):
    """The mean of a backbone's coarsest map as an encoder, (B, C, H, W) to (B, D)."""

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone
        self.width = backbone.channels[-1]

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, D)."""
        found: Tensor = self.backbone(x)[-1].mean((2, 3))
        return found


@final
class Standardise(nn.Module):
    """Subtracts a mean and divides by a deviation, channel by channel."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, mean: tuple[float, ...], deviation: tuple[float, ...]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean)[:, None, None], persistent=False)
        self.register_buffer("deviation", torch.tensor(deviation)[:, None, None], persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape."""
        return (x - self.mean) / self.deviation


IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_DEVIATION = (0.229, 0.224, 0.225)
"""Of red, green and blue, which networks trained on ImageNet expect."""
