"""Batch size, steps an epoch and rows to judge by, from a group's own rows alone.

Rounded to few values, so that groups of about equal size share a program; and a function of nothing else,
so that a network is trained the same way whoever is trained beside it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from sharewise.training._members import Member

SMALLEST, LARGEST = 16, 256
"""Rows of a batch."""
STEPS = 8
"""Steps of an epoch, while the batch is smaller than `LARGEST`."""


@dataclass(frozen=True, order=True)
class Geometry:
    """The shape of an epoch.

    Attributes:
        batch: Rows a step, a power of two.
        steps: Steps an epoch; an epoch is about one pass over the rows, or more where they are few.
        valid: Validation rows, filled up to this many.
    """

    batch: int
    steps: int
    valid: int


def geometry(members: Sequence[Member]) -> Geometry:
    """The common geometry of a group's members."""
    train = max(len(member.train) for member in members)
    valid = max(len(member.valid) for member in members)
    batch = min(max(round(2.0 ** round(math.log2(max(train, 1) / STEPS))), SMALLEST), LARGEST)
    steps = STEPS if batch < LARGEST else round_up(max(train // LARGEST, STEPS))
    return Geometry(batch, steps, round_up(max(valid, SMALLEST)))


def round_up(count: int) -> int:
    """The next of 1, 2, 3, 4, 6, 8, 12, 16, 24, …: two sizes a doubling."""
    power = 1 << (count - 1).bit_length()
    return power * 3 // 4 if power >= 4 and count <= power * 3 // 4 else power
