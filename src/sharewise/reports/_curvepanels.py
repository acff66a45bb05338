"""The two panels of the learning curve: errors of both sides with bands, and the gain with its fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sharewise.reports._format import count, decimal, percent, short_percent, span
from sharewise.reports._labels import Label
from sharewise.reports._scales import Scale, Tick, linear_ticks


@dataclass(frozen=True)
class Measured:
    """A point of the curve; errors are shares of the constant's, ``band`` a half-width."""

    labels: float
    separate: float | None
    shared: float | None
    band: float | None
    delta: float | None
    interval: tuple[float, float] | None


@dataclass(frozen=True)
class Projected:
    """A point of the fitted gain."""

    labels: float
    delta: float
    interval: tuple[float, float] | None


@dataclass(frozen=True)
class Dot:
    """A measured value with its interval, if drawn, and its words."""

    x: float
    y: float
    low: float | None
    high: float | None
    title: str


@dataclass(frozen=True)
class Line:
    """A curve: polyline points, a band polygon (empty without), dots, and its name beside it."""

    css: str
    path: str
    band: str
    dots: tuple[Dot, ...]
    label: Label | None


@dataclass(frozen=True)
class Panel:
    """One of the two plots."""

    heading: str
    top: float
    bottom: float
    ticks: tuple[Tick, ...]
    zero: float | None
    rope: tuple[float, float] | None
    lines: tuple[Line, ...]


def errors_panel(points: Sequence[Measured], x: Scale, top: float, bottom: float) -> Panel | None:
    """Two lines with bands; None where no point knows both errors."""
    known = [point for point in points if point.separate is not None and point.shared is not None]
    if not known:
        return None
    sides = {
        "separate": [point.separate or 0.0 for point in known],
        "shared": [point.shared or 0.0 for point in known],
    }
    bands = [point.band or 0.0 for point in known]
    pairs = [pair for errors in sides.values() for pair in zip(errors, bands, strict=True)]
    ends = [error + sign * band for error, band in pairs for sign in (-1, 1)]
    pad = 0.06 * (max(ends) - min(ends)) or 0.01
    y = Scale(min(ends) - pad, max(ends) + pad, bottom, top)
    return Panel(
        "Error, as a share of the constant's",
        top,
        bottom,
        tuple(Tick(y(value), f"{value:.4g}") for value in linear_ticks(y.low, y.high, 5)),
        None,
        None,
        _named([_side(name, errors, known, x, y) for name, errors in sides.items()]),
    )


def _side(name: str, errors: Sequence[float], points: Sequence[Measured], x: Scale, y: Scale) -> Line:
    path = [(x(point.labels), y(error)) for point, error in zip(points, errors, strict=True)]
    banded = [
        (x(p.labels), error, p.band) for p, error in zip(points, errors, strict=True) if p.band is not None
    ]
    outline = [(at, y(error + band)) for at, error, band in banded]
    outline += [(at, y(error - band)) for at, error, band in reversed(banded)]
    dots = tuple(
        Dot(at, height, None, None, f"{name}, {count(point.labels)} labels: {decimal(error)}")
        for (at, height), point, error in zip(path, points, errors, strict=True)
    )
    return Line(f"side-{name}", _written(path), _written(outline), dots, None)


def _named(lines: Sequence[Line]) -> tuple[Line, ...]:
    """The upper line's name above and right of a dot, the lower's below and left: errors fall to the right."""
    middle = len(lines[0].dots) // 2
    upper = min(range(len(lines)), key=lambda index: lines[index].dots[middle].y)
    named = []
    for index, line in enumerate(lines):
        dot = line.dots[middle]
        name = line.css.removeprefix("side-")
        above, below = Label(name, dot.x + 5, dot.y - 10, "start"), Label(name, dot.x - 4, dot.y + 17, "end")
        named.append(replace(line, label=above if index == upper else below))
    return tuple(named)


def gains_panel(
    points: Sequence[Measured],
    fit: Sequence[Projected],
    x: Scale,
    rope: float,
    top: float,
    bottom: float,
) -> Panel | None:
    """Measured gains with intervals and the fitted curve with its band; None where no gain is known."""
    known = [point for point in points if point.delta is not None]
    if not known:
        return None
    values = [0.0, rope, -rope, *(each.delta for each in fit)]
    values += [end for point in known for end in (point.delta or 0.0, *(point.interval or ()))]
    pad = 0.06 * (max(values) - min(values)) or 0.01
    y = Scale(min(values) - pad, max(values) + pad, bottom, top)
    dots = tuple(
        Dot(
            x(point.labels),
            y(point.delta or 0.0),
            None if point.interval is None else y(point.interval[0]),
            None if point.interval is None else y(point.interval[1]),
            f"Gain at {count(point.labels)} labels: {percent(point.delta)}"
            + (f" ({span(point.interval)})" if point.interval is not None else ""),
        )
        for point in known
    )
    sure = [each for each in fit if each.interval is not None]
    upper = [(x(each.labels), y(each.interval[1])) for each in sure if each.interval is not None]
    lower = [(x(each.labels), y(each.interval[0])) for each in sure if each.interval is not None]
    path = [(x(each.labels), y(each.delta)) for each in fit]
    return Panel(
        "Gain of sharing",
        top,
        bottom,
        tuple(Tick(y(value), short_percent(value)) for value in linear_ticks(y.low, y.high, 5)),
        y(0.0),
        (y(rope), y(-rope)) if rope > 0 else None,
        (Line("fit", _written(path), _written([*upper, *reversed(lower)]), dots, None),),
    )


def _written(points: Sequence[tuple[float, float]]) -> str:
    """For the ``points`` of an SVG polyline."""
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
