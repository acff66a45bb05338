"""Random views of pictures, each picture's own: cut out, mirrored, brighter or paler.

Symbols: `N` pictures, `C` channels, `H` × `W` pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor

from sharewise.errors import OptionError
from sharewise.meta._objective import uniform
from sharewise.modalities.images import recoloured


@final
@dataclass(frozen=True)
class Views:
    """How a picture may change without becoming another thing.

    Attributes:
        smallest: Share of the area that a cut-out has at least; 1 for whole pictures.
        stretch: Ratio of its sides, from 1/stretch to stretch.
        flip: Chance of being mirrored left to right; 0 for letters and digits.
        jitter: Brightness and contrast change by a factor between 1 − jitter and 1 + jitter, channel by channel.
        noise: Standard deviation of noise on each pixel.
    """

    smallest: float = 0.3
    stretch: float = 4 / 3
    flip: float = 0.5
    jitter: float = 0.4
    noise: float = 0.0

    def __post_init__(self) -> None:
        shares = (self.smallest, self.flip, self.jitter)
        if not (self.smallest > 0 and all(0 <= share <= 1 for share in shares)):
            raise OptionError(f"Shares of a view lie between 0 and 1; got {self}. Correct them.")
        if self.stretch < 1 or self.noise < 0:
            raise OptionError(
                f"A view's sides stretch by 1 or more, and noise is not negative; got {self}. Raise them."
            )

    def __call__(self, batch: Tensor, generator: torch.Generator) -> Tensor:
        """One view of each picture, (N, C, H, W) floating-point numbers."""
        view = self._cut_out(batch, generator)
        if self.jitter:
            view = recoloured(view, self.jitter, generator)
        if self.noise:
            view = view + self.noise * torch.randn(view.shape, generator=generator).to(view)
        return view

    def _cut_out(self, batch: Tensor, generator: torch.Generator) -> Tensor:
        """A rectangle at random, scaled to the picture's size (SimCLR, appendix A), perhaps mirrored."""
        area, ratio, left, top, side = uniform((5, len(batch)), generator, batch).to(batch.dtype)
        area = self.smallest + (1 - self.smallest) * area
        ratio = self.stretch ** (2 * ratio - 1)
        wide, high = (area * ratio).sqrt().clamp(max=1), (area / ratio).sqrt().clamp(max=1)
        # In grid_sample's coordinates a picture spans −1 to 1, so a rectangle's centre has 1 − its size to move.
        x, y = (1 - wide) * (2 * left - 1), (1 - high) * (2 * top - 1)
        mirrored = torch.where(side < self.flip, -wide, wide)
        zero = torch.zeros_like(x)
        rows = [torch.stack([mirrored, zero, x], 1), torch.stack([zero, high, y], 1)]
        size = list(batch.shape)
        grid = F.affine_grid(torch.stack(rows, 1), size, align_corners=False)
        return F.grid_sample(batch, grid, padding_mode="border", align_corners=False)
