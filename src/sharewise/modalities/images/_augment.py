"""Random changes of training pictures that leave their labels as they are, on tensors, each picture its own.

Symbols: `N` pictures, `C` channels, `H` × `W` pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from sharewise.errors import DataError, OptionError


@final
@dataclass(frozen=True)
class Augmentation:
    """Mirrored, shifted, recoloured, with a square cut out. Each part can be switched off by 0.

    Attributes:
        flip: Chance of being mirrored left to right; 0 for letters and digits.
        shift: Most pixels that a picture moves in each direction; its border is repeated where it leaves. This is
            the padded random crop of He et al. 2016 (https://arxiv.org/abs/1512.03385, section 4.2).
        jitter: Brightness and contrast change by a factor between 1 − jitter and 1 + jitter, channel by channel.
        cutout: Side in pixels of a square of the picture's mean, anywhere (DeVries & Taylor 2017,
            https://arxiv.org/abs/1708.04552, section 3); it may stand out of the picture.
    """

    flip: float = 0.5
    shift: int = 4
    jitter: float = 0.2
    cutout: int = 0

    def __post_init__(self) -> None:
        if not (0 <= self.flip <= 1 and 0 <= self.jitter <= 1 and self.shift >= 0 and self.cutout >= 0):
            raise OptionError(
                f"Shares of an augmentation lie between 0 and 1, and its pixels are not negative; got {self}. Correct them."
            )

    def __call__(self, batch: Tensor, generator: torch.Generator) -> Tensor:
        """(N, C, H, W) floating-point numbers to the same shape; the batch stays as it is.

        Args:
            generator: On the CPU, so that every device sees the same pictures.

        Raises:
            DataError: The batch is no pictures of floating-point numbers.
        """
        if batch.ndim != 4 or not batch.is_floating_point():
            raise DataError(
                f"Augmentation reads floating-point pictures (N, C, H, W); got {tuple(batch.shape)} of {batch.dtype}. "
                "Take them from Pictures.batch."
            )
        chance = torch.rand(len(batch), generator=generator) < self.flip
        corner = torch.randint(-self.shift, self.shift + 1, (2, len(batch)), generator=generator)
        changed = moved(batch, chance, corner)
        if self.jitter:
            changed = recoloured(changed, self.jitter, generator)
        if self.cutout:
            height, width = batch.shape[2:]
            centre = torch.rand((2, len(batch)), generator=generator) * torch.tensor([[height], [width]])
            changed = cut(changed, centre.floor().long(), self.cutout)
        return changed


def moved(batch: Tensor, mirror: Tensor, shift: Tensor) -> Tensor:
    """Each picture mirrored (N,) or not, then moved down and right by `shift` (2, N) pixels, its border repeated."""
    height, width = batch.shape[2:]
    down, right = shift.to(batch.device)
    rows = (torch.arange(height, device=batch.device) - down[:, None]).clamp(0, height - 1)
    columns = (torch.arange(width, device=batch.device) - right[:, None]).clamp(0, width - 1)
    columns = torch.where(mirror.to(batch.device)[:, None], width - 1 - columns, columns)
    each = torch.arange(len(batch), device=batch.device)[:, None, None]
    return (
        batch.permute(0, 2, 3, 1)[each, rows[:, :, None], columns[:, None, :]]
        .permute(0, 3, 1, 2)
        .contiguous()
    )


def recoloured(batch: Tensor, jitter: float, generator: torch.Generator) -> Tensor:
    """Brightness and contrast of each channel changed by factors between 1 − jitter and 1 + jitter."""
    factors = 1 + jitter * (2 * torch.rand((2, len(batch), batch.shape[1], 1, 1), generator=generator) - 1)
    bright, contrast = factors.to(batch)
    mean = batch.mean((2, 3), keepdim=True)
    changed: Tensor = ((batch - mean) * contrast + mean) * bright
    return changed


def cut(batch: Tensor, centre: Tensor, side: int) -> Tensor:
    """A square of `side` pixels around `centre` (2, N), row and column, replaced by the picture's mean."""
    height, width = batch.shape[2:]
    top, left = (centre.to(batch.device) - side // 2)[:, :, None]
    rows = torch.arange(height, device=batch.device) - top
    columns = torch.arange(width, device=batch.device) - left
    inside = ((rows >= 0) & (rows < side))[:, :, None] & ((columns >= 0) & (columns < side))[:, None, :]
    return torch.where(inside[:, None], batch.mean((2, 3), keepdim=True), batch)
