"""How a picture of any size becomes a block of bytes of one size, and where its points go.

Symbols: `C` channels, `H` × `W` pixels of the block, `w` × `h` pixels of the picture as it is looked at (after the
rotation that its EXIF data ask for).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from sharewise.errors import OptionError

Fit = Literal["stretch", "pad", "crop"]


class Placement(NamedTuple):
    """Where a picture lies in its block: a point (x, y) goes to (x · scale_x + left, y · scale_y + top).

    Attributes:
        width, height: Size of the scaled picture in pixels; what stands out of the block is cut off.
        left, top: Its upper left corner in the block, in pixels; negative where it is cut.
    """

    width: int
    height: int
    left: int
    top: int
    scale_x: float
    scale_y: float

    def boxes(self, boxes: NDArray[np.float64]) -> NDArray[np.float64]:
        """Boxes (n, 4) as (x1, y1, x2, y2) of the picture, in pixels of the block (perhaps outside of it)."""
        scale = np.array([self.scale_x, self.scale_y] * 2)
        moved: NDArray[np.float64] = boxes * scale + np.array([self.left, self.top] * 2)
        return moved


@final
@dataclass(frozen=True)
class Decoding:
    """The resize policy and what else is the same for all pictures of a column.

    Attributes:
        height, width: Of the block, in pixels.
        channels: 3 for colour, 1 for grey.
        fit: ``stretch`` to the block whatever the sides' ratio; ``pad`` scales the whole picture into the block and
            leaves a margin right and below; ``crop`` fills the block and cuts what stands out, equally on both sides.
        background: Grey value 0 to 255 of margins, and of what lies behind transparent pixels.
        most_pixels: A picture of more is refused unread: a small file can claim to be larger than the memory.
        least_side: A picture with a shorter side, in pixels, is refused; nothing can be seen in it.
    """

    height: int
    width: int
    channels: Literal[1, 3] = 3
    fit: Fit = "stretch"
    background: int = 255
    most_pixels: int = 64_000_000
    least_side: int = 2

    def __post_init__(self) -> None:
        if min(self.height, self.width, self.most_pixels, self.least_side) < 1:
            raise OptionError(
                f"Pictures are decoded to sides of 1 pixel or more; got {self.width} × {self.height}, from "
                f"{self.least_side} pixels a side to {self.most_pixels} in all. Raise them."
            )
        if self.channels not in (1, 3) or self.fit not in ("stretch", "pad", "crop"):
            raise OptionError(
                f"A decoding has 1 or 3 channels and the fit 'stretch', 'pad' or 'crop'; got {self.channels} and "
                f"'{self.fit}'. Choose among them."
            )
        if not 0 <= self.background <= 255:
            raise OptionError(f"A background is a grey value from 0 to 255; got {self.background}.")

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        return self.channels, self.height, self.width

    @property
    def mode(self) -> str:
        """Pillow's word for the channels."""
        return "L" if self.channels == 1 else "RGB"

    def place(self, width: int, height: int) -> Placement:
        """Where a picture of w × h pixels lies in the block."""
        across, down = self.width / width, self.height / height
        if self.fit == "stretch":
            return Placement(self.width, self.height, 0, 0, across, down)
        scale = min(across, down) if self.fit == "pad" else max(across, down)
        new = max(1, round(width * scale)), max(1, round(height * scale))
        left, top = (0, 0) if self.fit == "pad" else ((self.width - new[0]) // 2, (self.height - new[1]) // 2)
        return Placement(*new, left, top, new[0] / width, new[1] / height)
