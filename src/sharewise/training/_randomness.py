"""A member's own randomness: its initial weights, its batches, its dropout.

Nothing here is shared between members, so that one member's training is the same whoever is beside it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from sharewise.training._geometry import Geometry
from sharewise.training._members import Member

DRAWN = 16_384
"""Random bytes a member draws at once, about: more cost memory, fewer cost calls."""


class Source:
    """The generators of one member.

    Attributes:
        order: Of initial weights and batches; on the CPU whatever the device.
        noise: Of dropout; on the data's device.
    """

    def __init__(self, member: Member, device: torch.device) -> None:
        seeds = np.random.SeedSequence(member.seed % 2**63).generate_state(2)
        self.rows = torch.from_numpy(member.train)
        self.order = torch.Generator().manual_seed(int(seeds[0]))
        self.noise = torch.Generator(device).manual_seed(int(seeds[1]))
        self.left_out = min(round(member.dropout * 256), 255)

    def epoch(self, count: int) -> Tensor:
        """``(count,)`` training rows: none comes twice before all came once."""
        passes = -(-count // len(self.rows))
        drawn = [torch.randperm(len(self.rows), generator=self.order) for _ in range(passes)]
        return self.rows[torch.cat(drawn)[:count] if passes > 1 else drawn[0][:count]]


def epoch_rows(sources: Sequence[Source], shape: Geometry, device: torch.device) -> Tensor:
    """One epoch of batches, ``(steps, M, B)``."""
    drawn = torch.stack([source.epoch(shape.steps * shape.batch) for source in sources])
    ordered = drawn.view(len(sources), shape.steps, shape.batch).transpose(0, 1)
    return ordered.contiguous().to(device)


class Dropout:
    """Inverted dropout (Srivastava et al. 2014) for ``M`` members, each with its rate.

    From random bytes: the rate is rounded to 1/256, and a mask costs a tenth of torch's own on a CPU, where
    that would rival a layer.

    Attributes:
        span: Steps whose masks are drawn at once.
        scale: ``(M, 1, 1)`` what the units that stay are multiplied by.
    """

    def __init__(self, sources: Sequence[Source], shape: Geometry, width: int, like: Tensor) -> None:
        step = 2 * shape.batch * width
        self.span = max(1, min(shape.steps, DRAWN // step))
        out = torch.tensor([float(source.left_out) for source in sources]).to(like)
        self.scale = (256.0 / (256.0 - out))[:, None, None]
        self.threshold, self.factor = out[:, None], self.scale[:, 0]
        self.size = len(sources), shape.batch, width
        words = -(-self.span * step // 8)
        # A member without dropout draws nothing, as if alone: its bytes stay 255, which any rate keeps.
        self.words = torch.full((len(sources), words), -1, dtype=torch.int64, device=like.device)
        self.drawn = [
            (row, source.noise)
            for row, source in zip(self.words, sources, strict=True)
            if source.left_out > 0
        ]
        self.masks = torch.empty(self.span, 2, len(sources), shape.batch * width).to(like)

    @property
    def active(self) -> bool:
        """Whether any member leaves anything out."""
        return bool(self.drawn)

    def draw(self) -> Tensor:
        """Factors of the hidden units for the next `span` steps, ``(span, 2, M, B, H)``; the next call
        overwrites them."""
        for row, generator in self.drawn:
            row.random_(-(2**63), None, generator=generator)
        members, batch, width = self.size
        noise = self.words.view(torch.uint8)[:, : self.span * 2 * batch * width]
        self.masks.copy_(noise.view(members, self.span, 2, -1).permute(1, 2, 0, 3))
        self.masks.ge_(self.threshold).mul_(self.factor)
        return self.masks.view(self.span, 2, members, batch, width)
