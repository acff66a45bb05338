"""Geometry of the learning curve: errors of both sides above, the gain below, labels along a shared log axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sharewise.reports._curvepanels import Measured, Panel, Projected, errors_panel, gains_panel
from sharewise.reports._format import count
from sharewise.reports._labels import Label, text_width
from sharewise.reports._scales import Scale, Tick, log_ticks


@dataclass(frozen=True)
class Crossover:
    """Where sharing stops or starts paying; an end that is None lies beyond the curve."""

    labels: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Layout:
    """Sizes in pixels; ``errors`` and ``gains`` are the heights of the two panels."""

    name: str
    width: float
    left: float
    right: float
    errors: float
    gains: float
    ticks: int


WIDE = Layout("wide", 880, 58, 14, 210, 150, 8)
NARROW = Layout("narrow", 344, 44, 8, 170, 130, 4)


@dataclass(frozen=True)
class CurvePlot:
    """The whole picture, in pixels.

    Attributes:
        measured: Right end of what was measured; beyond lies extrapolation.
        crossing: Where the crossover is drawn; None where there is none.
        doubt: The interval of the crossover.
    """

    layout: Layout
    height: float
    x_ticks: tuple[Tick, ...]
    panels: tuple[Panel, ...]
    measured: float
    crossing: float | None
    doubt: tuple[float, float] | None
    note: Label | None


def curve_plot(
    points: Sequence[Measured],
    fit: Sequence[Projected],
    crossover: Crossover,
    rope: float,
    layout: Layout,
) -> CurvePlot:
    """Place at least two points, fewest labels first."""
    x = _x_scale(points, fit, crossover, layout)
    crossing = x(crossover.labels) if crossover.labels is not None else None
    note = None if crossover.labels is None else _note(crossover.labels, x, layout)
    top, middle = 26.0 if note is None else 46.0, 34.0
    errors = errors_panel(points, x, top, top + layout.errors)
    begins = top if errors is None else top + layout.errors + middle
    gains = gains_panel(points, fit, x, rope, begins, begins + layout.gains)
    panels = tuple(panel for panel in (errors, gains) if panel is not None)
    doubt = None
    if crossover.low is not None or crossover.high is not None:
        low = x.low if crossover.low is None else crossover.low
        high = x.high if crossover.high is None else crossover.high
        doubt = (x(low), x(high))
    return CurvePlot(
        layout,
        begins + layout.gains + 44,
        tuple(Tick(x(value), count(value)) for value in log_ticks(x.low, x.high, layout.ticks)),
        panels,
        x(points[-1].labels),
        crossing,
        doubt,
        note,
    )


def _x_scale(
    points: Sequence[Measured], fit: Sequence[Projected], crossover: Crossover, layout: Layout
) -> Scale:
    known = [*(point.labels for point in points), *(point.labels for point in fit)]
    known += [end for end in (crossover.labels, crossover.high) if end is not None]
    pad = (max(known) / min(known)) ** 0.03
    return Scale(min(known) / pad, max(known) * pad, layout.left, layout.width - layout.right, log=True)


def _note(labels: float, x: Scale, layout: Layout) -> Label:
    """Above the line that it explains, in a row of its own; it starts or ends where a margin is near."""
    words, at = f"near {count(labels)} labels", x(labels)
    half = text_width(words, 13) / 2
    if at - half < 0:
        return Label(words, 0.0, 14.0, "start")
    return (
        Label(words, layout.width, 14.0, "end")
        if at + half > layout.width
        else Label(words, at, 14.0, "middle")
    )
