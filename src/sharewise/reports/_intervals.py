"""Geometry of the dot-and-interval plot: one row per strategy and family, gain along x."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sharewise.reports._format import percent, short_percent, span
from sharewise.reports._labels import text_width
from sharewise.reports._scales import Scale, Tick, gain_domain, linear_ticks
from sharewise.reports._values import shorten

Tone = Literal["better", "worse", "even", "none"]


@dataclass(frozen=True)
class Effect:
    """What one row shows: a gain as a share (0.01 is one percent) and its interval; ``faded`` greys it,
    ``short`` stands for a label that has no room."""

    label: str
    group: str
    delta: float | None
    interval: tuple[float, float] | None
    chosen: bool = False
    note: str = ""
    faded: bool = False
    short: str = ""


@dataclass(frozen=True)
class Layout:
    """Sizes in pixels. ``stacked`` puts label and numbers above each line, for narrow screens."""

    name: str
    width: float
    left: float
    right: float
    row: float
    ticks: int
    letters: int
    stacked: bool


WIDE = Layout("wide", width=880, left=236, right=196, row=26, ticks=7, letters=32, stacked=False)
NARROW_FONT = 12.0
NARROW = Layout("narrow", width=344, left=10, right=10, row=42, ticks=5, letters=25, stacked=True)


@dataclass(frozen=True)
class IntervalRow:
    """One row as drawn; ``None`` where there is nothing to draw."""

    label: str
    numbers: str
    title: str
    text_y: float
    y: float
    dot: float | None
    low: float | None
    high: float | None
    below: bool
    above: bool
    tone: Tone
    chosen: bool
    faded: bool
    rule: float | None


@dataclass(frozen=True)
class IntervalPlot:
    """The whole plot as drawn, in pixels."""

    layout: Layout
    height: float
    top: float
    bottom: float
    zero: float
    band: tuple[float, float] | None
    ticks: tuple[Tick, ...]
    rows: tuple[IntervalRow, ...]


def tone(delta: float | None, interval: tuple[float, float] | None) -> Tone:
    """Better or worse only where the whole interval lies on one side of zero."""
    if delta is None:
        return "none"
    if interval is None:
        return "even"
    return "better" if interval[0] > 0 else "worse" if interval[1] < 0 else "even"


def interval_plot(effects: Sequence[Effect], rope: float, layout: Layout) -> IntervalPlot:
    """Place ``effects`` top down in the order given, with the ROPE band and a zero line."""
    ends = [value for effect in effects for value in _ends(effect)]
    low, high = gain_domain(ends, rope)
    x = Scale(low, high, layout.left, layout.width - layout.right)
    top = 8.0
    bottom = top + layout.row * len(effects)
    rows = []
    for index, effect in enumerate(effects):
        begins = top + index * layout.row
        new_group = index > 0 and effect.group != effects[index - 1].group
        rows.append(_row(effect, x, begins, layout, rule=begins if new_group else None))
    ticks = tuple(Tick(x(value), short_percent(value)) for value in linear_ticks(low, high, layout.ticks))
    band = (x(-rope), x(rope)) if rope > 0 else None
    return IntervalPlot(layout, bottom + 30, top, bottom, x(0.0), band, ticks, tuple(rows))


def _row(effect: Effect, x: Scale, begins: float, layout: Layout, *, rule: float | None) -> IntervalRow:
    numbers = percent(effect.delta) if effect.delta is not None else effect.note or "not measured"
    if effect.interval is not None and effect.delta is not None:
        numbers = f"{numbers} ({span(effect.interval)})"
    letters = layout.letters - (2 if effect.chosen else 0)
    if layout.stacked:
        room = layout.width - layout.left - layout.right - text_width(numbers, NARROW_FONT) - 8
        letters = max(8, min(letters, int(room / text_width("n", NARROW_FONT))))
    label = effect.short if effect.short and len(effect.label) > letters else effect.label
    ends = _ends(effect)
    middle = begins + layout.row / 2
    return IntervalRow(
        label=shorten(label, letters),
        numbers=numbers,
        title=f"{effect.label}: {numbers}",
        text_y=begins + 16 if layout.stacked else middle + 4,
        y=begins + 29 if layout.stacked else middle,
        dot=None if effect.delta is None or not x.holds(effect.delta) else x(effect.delta),
        low=None if effect.interval is None else x(effect.interval[0]),
        high=None if effect.interval is None else x(effect.interval[1]),
        below=any(value < x.low for value in ends),
        above=any(value > x.high for value in ends),
        tone=tone(effect.delta, effect.interval),
        chosen=effect.chosen,
        faded=effect.faded,
        rule=rule,
    )


def _ends(effect: Effect) -> list[float]:
    return [value for value in (effect.delta, *(effect.interval or ())) if value is not None]
