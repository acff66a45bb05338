"""What both figures share: their sizes, and the logarithmic axis of labels with a tick at every measured number."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sharewise.reports._format import count
from sharewise.reports._labels import text_width
from sharewise.reports._scales import Scale, Tick

ALONE = 1.5
"""An axis with a single number of labels reaches from it by this factor."""


@dataclass(frozen=True)
class Layout:
    """Sizes in pixels; ``scores`` and ``gains`` are the heights of the two figures, ``letters`` those of a
    line's name, ``dodge`` how far neighbouring lines' marks are moved apart, so that no whisker hides another."""

    name: str
    width: float
    left: float
    right: float
    scores: float
    gains: float
    letters: int
    family: bool
    font: float
    dodge: float


WIDE = Layout("wide", 880, 62, 204, 320, 210, 26, True, 13, 2.4)
NARROW = Layout("narrow", 344, 46, 116, 270, 180, 13, False, 12, 1.2)


def labels_axis(shots: Sequence[float], layout: Layout, right: float) -> tuple[Scale, tuple[Tick, ...]]:
    """The scale and its ticks; a tick whose words would touch the one before has none."""
    low, high = min(shots), max(shots)
    pad = ALONE if low == high else (high / low) ** 0.03
    x = Scale(low / pad, high * pad, layout.left, layout.width - right, log=True)
    ticks, ends = [], float("-inf")
    for labels in sorted(set(shots)):
        words, at = count(labels), x(labels)
        half = text_width(words, layout.font - 1) / 2
        if at - half > ends + 3:
            ticks.append(Tick(at, words))
            ends = at + half
    return x, tuple(ticks)


def worth_drawing(
    values: Iterable[float], ends: Iterable[float], *, reach: float = 2.5
) -> tuple[float, float]:
    """The part of an axis that holds the bulk of ``values``: those within ``reach`` interquartile ranges of the
    quartiles, with as much of the interval ``ends`` as lies inside half a range more."""
    known = sorted(values)
    low, high = known[len(known) // 4], known[(3 * len(known)) // 4]
    spread = high - low or abs(high) * 0.1 or 0.1
    inside = [value for value in known if low - reach * spread <= value <= high + reach * spread]
    bottom, top = min(inside), max(inside)
    room = 0.5 * spread
    shown = [end for end in ends if bottom - room <= end <= top + room]
    bottom, top = min([bottom, *shown]), max([top, *shown])
    pad = 0.05 * (top - bottom) or 0.05 * abs(top) or 0.05
    return bottom - pad, top + pad


def written(points: Sequence[tuple[float, float]]) -> str:
    """For the ``points`` of an SVG polyline."""
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
