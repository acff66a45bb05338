"""Geometry of the second figure: the gain of sharing against labels, with what is too small to matter shaded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sharewise.reports._format import count, percent, short_percent, span
from sharewise.reports._labels import Box, Label, text_width
from sharewise.reports._scales import Scale, Tick, gain_domain, linear_ticks
from sharewise.reports.new_tasks._axis import Layout, labels_axis, written
from sharewise.reports.new_tasks._read import Crossing, Quality, Shot

TONES = {"share": "better", "separate": "worse", "equivalent": "same", "undecided": "even"}
MARGIN = 14.0
ROOM = 0.1
"""Of the gain axis, beyond the outermost intervals, for their numbers."""


@dataclass(frozen=True)
class Gain:
    """A measured gain; its tone says what is claimed."""

    x: float
    y: float
    low: float | None
    high: float | None
    tone: str
    title: str
    label: Label | None


@dataclass(frozen=True)
class GainPlot:
    """The whole picture, in pixels."""

    layout: Layout
    unit: str
    right: float
    height: float
    top: float
    bottom: float
    zero: float
    band: tuple[float, float] | None
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    path: str
    cloud: str
    gains: tuple[Gain, ...]
    crossing: float | None
    doubt: tuple[float, float] | None
    note: Label | None


def gain_plot(
    shots: Sequence[Shot], crossing: Crossing | None, rope: float, quality: Quality, layout: Layout
) -> GainPlot | None:
    """Place the gains; None where there is none."""
    known = [shot for shot in shots if shot.gain is not None]
    if not known:
        return None
    x, ticks = labels_axis([shot.labels for shot in shots], layout, MARGIN)
    values = [value for shot in known for value in (shot.gain, *(shot.interval or ())) if value is not None]
    low, high = gain_domain(values, rope, reach=8.0)
    top = 44.0 if crossing else 24.0
    bottom = top + layout.gains
    room = ROOM * (high - low)
    y = Scale(low - (room if min(values) < 0 else 0.0), high + room, bottom, top)
    sure = [shot for shot in known if shot.interval is not None]
    upper = [(x(shot.labels), y(shot.interval[1])) for shot in sure if shot.interval is not None]
    lower = [(x(shot.labels), y(shot.interval[0])) for shot in sure if shot.interval is not None]
    at = None if crossing is None else x(crossing.labels)
    doubt = None
    if crossing is not None and (crossing.low is not None or crossing.high is not None):
        doubt = (x(crossing.low or x.low), x(crossing.high or x.high))
    return GainPlot(
        layout,
        quality.unit,
        layout.width - MARGIN,
        bottom + 46,
        top,
        bottom,
        y(0.0),
        (y(rope), y(-rope)) if rope > 0 else None,
        ticks,
        tuple(Tick(y(value), short_percent(value)) for value in linear_ticks(low, high, 6)),
        written([(x(shot.labels), y(shot.gain or 0.0)) for shot in known]),
        written([*upper, *reversed(lower)]) if len(sure) > 1 else "",
        _apart([_gain(shot, x, y, layout) for shot in known], layout),
        at,
        doubt,
        None if crossing is None or at is None else _note(crossing, at, layout),
    )


def _gain(shot: Shot, x: Scale, y: Scale, layout: Layout) -> Gain:
    gain = shot.gain or 0.0
    words = f"{count(shot.labels)} labels: {percent(gain)}"
    low = high = None
    if shot.interval is not None:
        words += f" ({span(shot.interval)})"
        low, high = y(shot.interval[0]), y(shot.interval[1])
    at, text = x(shot.labels), percent(gain, digits=0 if abs(gain) >= 0.0995 else 1)
    half = text_width(text, layout.font) / 2
    beside = max(layout.left + half + 2, min(at, layout.width - MARGIN - half))
    above = min(y(gain), y(gain) if high is None else high) - 7
    below = max(y(gain), y(gain) if low is None else low) + layout.font + 3
    under = gain < 0 and below < y.start - 2
    height = below if under or above < y.end + 8 else above
    return Gain(at, y(gain), low, high, TONES.get(shot.outcome, "even"), f"{words}, {shot.outcome}",
                Label(text, beside, height, "middle"))  # fmt: skip


def _apart(gains: Sequence[Gain], layout: Layout) -> tuple[Gain, ...]:
    """Without the numbers that would touch the one before; the table holds all of them."""
    found, taken = [], Box(0.0, 0.0, 0.0, 0.0)
    for gain in gains:
        assert gain.label is not None
        half = text_width(gain.label.text, layout.font) / 2
        box = Box(gain.label.x - half, gain.label.y - layout.font, gain.label.x + half, gain.label.y + 2)
        if box.meets(taken):
            found.append(replace(gain, label=None))
        else:
            found.append(gain)
            taken = box
    return tuple(found)


def _note(crossing: Crossing, at: float, layout: Layout) -> Label:
    """Above the line that it explains, inside the picture."""
    words = f"even near {count(crossing.labels)}"
    half = text_width(words, layout.font) / 2
    return Label(words, max(half, min(at, layout.width - half)), 30.0, "middle")
