"""Which members train as one program: those of one shape, as many as memory holds, whole groups.

And how a program is cut into blocks that the processor's cache holds: a member's weights are met every
step, and a stack that falls out of the cache is slower than one network after another.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch

from sharewise.errors import OptionError
from sharewise.training._geometry import Geometry, geometry
from sharewise.training._members import Data, Member

CELLS = 30_000_000
"""Numbers that a program's weights, moments and best weights may take."""
CACHE = 4_000_000
"""Bytes of a block's weights, moments and hidden units that are met in one step on a CPU."""

Signature = tuple[tuple[bool, int], ...]


def signature(data: Data, targets: tuple[int, ...]) -> Signature:
    """Whether each slot is a class, and its outputs."""
    return tuple(
        (data.is_class[target], data.columns[target][1] - data.columns[target][0]) for target in targets
    )


def programs(data: Data, members: Sequence[Member], cells: int) -> list[tuple[Geometry, list[int]]]:
    """Places of the members of each program, with their geometry.

    Args:
        cells: Numbers that one member's training takes at least.

    Raises:
        OptionError: A group whose members learn targets of different kinds or widths.
    """
    groups: dict[int, list[int]] = {}
    for place, member in enumerate(members):
        groups.setdefault(member.group, []).append(place)
    alike: dict[tuple[Geometry, Signature], list[list[int]]] = {}
    for group, places in groups.items():
        shapes = {signature(data, members[place].targets) for place in places}
        if len(shapes) > 1:
            targets = sorted({members[place].targets for place in places})
            raise OptionError(
                f"members of one group learn targets of the same kinds and widths; group {group} has {targets}. "
                "Give them groups of their own."
            )
        key = geometry([members[place] for place in places]), shapes.pop()
        alike.setdefault(key, []).append(places)
    found: list[tuple[Geometry, list[int]]] = []
    for (shape, slots), together in alike.items():
        room = max(1, CELLS // (cells * (3 + len(slots))))
        # Members of one rate lie side by side: the optimiser takes each run of them at once.
        together.sort(key=lambda places: (members[places[0]].learning_rate, members[places[0]].weight_decay))
        part: list[int] = []
        for places in together:
            if part and len(part) + len(places) > room:
                found.append((shape, part))
                part = []
            part = part + places
        found.append((shape, part))
    return found


def blocks(count: int, size: int, device: torch.device) -> list[slice]:
    """A program's members cut into slices of about equal length that the cache holds; one slice where
    there is an accelerator, which needs many.

    Args:
        size: Bytes that one member meets in a step.
    """
    pieces = 1 if device.type != "cpu" else max(1, round(count * size / CACHE))
    # Even cuts, and no member by itself: a product of one matrix is rounded otherwise than one of many.
    pieces = max(1, min(pieces, count // 2))
    edges = [count * piece // pieces for piece in range(pieces + 1)]
    return [slice(start, stop) for start, stop in pairwise(edges)]
