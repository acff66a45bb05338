"""A member's own randomness: its initial weights, its batches, its dropout.

Nothing here is shared between members, so that one member's training is the same whoever is beside it, and
on whatever device.
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
    """Where one member's initial weights and batches come from.

    Attributes:
        order: Generator of both, on the CPU.
        rows: Training rows.
    """

    def __init__(self, member: Member) -> None:
        (seed,) = np.random.SeedSequence(member.seed % 2**63).generate_state(1)
        self.order = torch.Generator().manual_seed(int(seed))
        self.rows = torch.from_numpy(member.train)

    def epoch(self, count: int) -> Tensor:
        """``(count,)`` places among the training rows: none comes twice before all came once."""
        passes = -(-count // len(self.rows))
        drawn = [torch.randperm(len(self.rows), generator=self.order) for _ in range(passes)]
        return (torch.cat(drawn) if passes > 1 else drawn[0])[:count]


class Batches:
    """Epochs of the batches of ``M`` members.

    Args:
        sources: One a member.
        device: Of the data.
    """

    def __init__(self, sources: Sequence[Source], shape: Geometry, device: torch.device) -> None:
        self.sources, self.shape, self.device = sources, shape, device
        longest = max(len(source.rows) for source in sources)
        self.rows = torch.stack(
            [torch.nn.functional.pad(s.rows, (0, longest - len(s.rows))) for s in sources]
        )

    def epoch(self) -> Tensor:
        """``(steps, M, B)`` rows."""
        steps, batch = self.shape.steps, self.shape.batch
        drawn = torch.stack([source.epoch(steps * batch) for source in self.sources])
        rows = self.rows.gather(1, drawn).view(-1, steps, batch).transpose(0, 1)
        return rows.contiguous().to(self.device)


def start_noise(members: Sequence[Member], shape: Geometry, width: int, device: torch.device) -> Tensor:
    """Where each member's `Dropout` starts, ``(M, words)`` of 64 random bits."""
    words = dropout_span(shape, width) * 2 * shape.batch * width // 8
    drawn = [
        np.random.SeedSequence(m.seed % 2**63, spawn_key=(1,)).generate_state(words, np.uint64)
        for m in members
    ]
    return torch.from_numpy(np.maximum(np.stack(drawn), 1).view(np.int64)).to(device)


def dropout_span(shape: Geometry, width: int) -> int:
    """Steps whose masks are drawn at once."""
    return max(1, min(shape.steps, DRAWN // (2 * shape.batch * width)))


class Dropout:
    """Inverted dropout (Srivastava et al. 2014) for ``M`` members, each with its rate.

    A unit stays where a random byte is at least the rate's: rates are rounded to 1/256. The bytes are those
    of many xorshift generators side by side (Marsaglia 2003, the triple 13, 7, 17), a few operations on all
    members' words at once: torch's own masks would cost more than a layer does.

    Args:
        noise: ``(M, words)`` of the members, changed in place.
        like: Of the masks' type and device.

    Attributes:
        span: Steps whose masks are drawn at once.
        active: Whether any member leaves anything out.
        scale: ``(M, 1, 1)`` what the units that stay are multiplied by.
    """

    def __init__(
        self, members: Sequence[Member], noise: Tensor, shape: Geometry, width: int, like: Tensor
    ) -> None:
        self.noise, self.scratch = noise, torch.empty_like(noise)
        self.span = dropout_span(shape, width)
        left_out = [min(round(member.dropout * 256), 255) for member in members]
        self.active = any(left_out)
        out = torch.tensor(left_out).to(like)
        self.scale = (256.0 / (256.0 - out))[:, None, None]
        self.least, self.factor = out[:, None], self.scale[:, 0]
        self.masks = torch.empty(self.span, 2, len(members), shape.batch, width).to(like)

    def draw(self) -> Tensor:
        """Factors of the hidden units for the next `span` steps, ``(span, 2, M, B, H)``; the next call
        overwrites them."""
        words, other = self.noise, self.scratch
        words.bitwise_xor_(torch.bitwise_left_shift(words, 13, out=other))
        # A signed number's right shift drags its sign along: only the lower bits count.
        torch.bitwise_right_shift(words, 7, out=other).bitwise_and_((1 << 57) - 1)
        words.bitwise_xor_(other)
        words.bitwise_xor_(torch.bitwise_left_shift(words, 17, out=other))
        units = self.masks.flatten(3)
        units.copy_(words.view(torch.uint8).view(len(words), self.span, 2, -1).permute(1, 2, 0, 3))
        units.ge_(self.least).mul_(self.factor)
        return self.masks
