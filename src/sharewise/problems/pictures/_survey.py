"""The size and the channels that pictures are decoded to where nobody says.

Symbols: as in `_decoding`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from sharewise.errors import OptionError
from sharewise.problems.pictures._decoding import Decoding, Fit
from sharewise.problems.pictures._pillow import GREY, header
from sharewise.problems.pictures._sources import Encoded

LOOKED_AT = 200
"""Pictures whose headers are read, evenly spread over the column."""
LEAST_SIDE = 32
MOST_SIDE = {False: 96, True: 128}
"""Pixels of the longer side at most: for labels, and where places in a picture are predicted too. On one core the
packaged backbone takes 4, 8 and 13 ms for a picture of 64, 96 and 128 pixels a side, and every fold reads all of them."""
STEP = 8
"""Sides are multiples of it, since networks halve them."""


class Look(NamedTuple):
    """What a header says of a picture."""

    width: int
    height: int
    grey: bool


def decoding_for(
    sources: Sequence[Any], *, size: object = None, channels: object = None, fit: Fit = "stretch", dense: bool
) -> Decoding:
    """What is asked for, the rest by the pictures' headers: grey where all are, and the median size, shrunk to
    `MOST_SIDE`, at least `LEAST_SIDE`, in multiples of `STEP`.

    Args:
        sources: Paths, arrays, or None for gaps. Those that cannot be read say nothing here.
        size: Width and height, or one number for both.
        dense: Whether masks or boxes are predicted.

    Raises:
        OptionError: The size or the channels are none.
    """
    asked = None if size is None else sides(size)
    if channels not in (None, 1, 3):
        raise OptionError(f"pictures have 1 channel (grey) or 3 (colour); got channels={channels!r}.")
    looks: list[Look] = []
    if asked is None or channels is None:
        step = max(1, len(sources) // LOOKED_AT)
        looks = [look for source in sources[::step] if (look := look_at(source)) is not None]
    width, height = asked or _usual(looks, MOST_SIDE[dense])
    grey = channels == 1 if channels is not None else bool(looks) and all(look.grey for look in looks)
    return Decoding(height, width, channels=1 if grey else 3, fit=fit)


def sides(size: object) -> tuple[int, int]:
    """Width and height.

    Raises:
        OptionError: They are no whole numbers of 4 to 2,048.
    """
    pair = size if isinstance(size, tuple | list) else (size, size)
    if len(pair) != 2 or not all(
        isinstance(side, int | np.integer) and not isinstance(side, bool) and 4 <= side <= 2048
        for side in pair
    ):
        raise OptionError(
            f"a size is the width and the height in pixels, 4 to 2,048 each, as in size=(64, 64); got {size!r}."
        )
    return int(pair[0]), int(pair[1])


def look_at(source: Any) -> Look | None:
    """What a picture is, without its pixels; None for a gap and where it cannot be read."""
    if source is None:
        return None
    if not isinstance(source, Path | Encoded):
        shape = np.shape(source)
        grey = len(shape) == 2 or shape[2:] == (1,)
        return Look(shape[1], shape[0], grey) if len(shape) in (2, 3) else None
    found = header(source)
    return None if found is None else Look(*found[0], found[1] in GREY)


def _usual(looks: Sequence[Look], most: int) -> tuple[int, int]:
    if not looks:
        return most, most  # nothing can be read: decoding will say why
    sides = np.array([look[:2] for look in looks], dtype=np.float64)
    width, height = np.median(sides, axis=0)
    shrink = min(1.0, most / max(width, height))
    across, down = (max(LEAST_SIDE, round(side * shrink / STEP) * STEP) for side in (width, height))
    return across, down
