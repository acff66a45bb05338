"""Random changes of a training batch that pictures, masks and boxes go through alike.

Symbols: ``B`` pictures of ``H`` × ``W`` pixels, ``n`` boxes of one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sharewise.modalities.images import recoloured
from sharewise.modalities.images._augment import moved

SHIFT = 1 / 16
"""Of the shorter side, at most, in each direction."""
JITTER = 0.2
LEAST_SEEN = 0.3
"""Share of a box that must stay in the picture for it to count still."""


@dataclass(frozen=True)
class Change:
    """What happens to each picture of a batch.

    Attributes:
        mirror: (B,) whether it is mirrored left to right, first.
        shift: (2, B) pixels down and right, its border repeated.
        generator: Of the colours' changes; None leaves them.
    """

    mirror: Tensor
    shift: Tensor
    generator: torch.Generator | None

    def pictures(self, batch: Tensor) -> Tensor:
        """(B, C, H, W) numbers from 0 to 1 to the same."""
        changed = moved(batch, self.mirror, self.shift)
        return changed if self.generator is None else recoloured(changed, JITTER, self.generator)

    def masks(self, masks: Tensor) -> Tensor:
        """(B, H, W) codes to the same."""
        return moved(masks[:, None], self.mirror, self.shift)[:, 0]

    def boxes(self, boxes: Sequence[Tensor], height: int, width: int) -> list[Tensor]:
        """(n, 5) each, the class last; what leaves the picture is cut off, or left out where little is left."""
        found = []
        for place, own in enumerate(boxes):
            own = own.clone()
            if bool(self.mirror[place]):
                own[:, [0, 2]] = width - own[:, [2, 0]]
            whole = (own[:, 2:4] - own[:, :2]).prod(1)
            down, right = self.shift[:, place].tolist()
            own[:, [0, 2]] = (own[:, [0, 2]] + right).clamp(0, width)
            own[:, [1, 3]] = (own[:, [1, 3]] + down).clamp(0, height)
            left = (own[:, 2:4] - own[:, :2]).prod(1)
            found.append(own[left >= LEAST_SEEN * whole])
        return found


def draw(count: int, size: tuple[int, int], generator: torch.Generator, *, mirror: bool) -> Change:
    """A change of so many pictures of ``size`` (H, W), half of them mirrored where that is allowed."""
    reach = round(SHIFT * min(size))
    return Change(
        (torch.rand(count, generator=generator) < 0.5) & mirror,
        torch.randint(-reach, reach + 1, (2, count), generator=generator),
        generator,
    )
