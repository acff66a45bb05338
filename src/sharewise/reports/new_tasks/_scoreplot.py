"""Geometry of the first figure: score against labels, a line a strategy, named at its end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sharewise.reports._format import count, decimal
from sharewise.reports._scales import Scale, Tick, linear_ticks
from sharewise.reports._values import shorten
from sharewise.reports.new_tasks._axis import Layout, labels_axis, worth_drawing, written
from sharewise.reports.new_tasks._read import FLOOR, Line, Point, Quality

COLOURS = 8
APART = 1.2
"""Lines of names are at least so many font sizes apart."""


@dataclass(frozen=True)
class Mark:
    """A measured score; ``low`` and ``high`` are its whisker's ends, ``outside`` whether it leaves the plot."""

    x: float
    y: float
    low: float | None
    high: float | None
    outside: int
    title: str


@dataclass(frozen=True)
class Curve:
    """A strategy as drawn: its path, marks, name, and the line that leads from its end to the name."""

    css: str
    path: str
    marks: tuple[Mark, ...]
    name: str
    name_y: float
    leader: str
    title: str


@dataclass(frozen=True)
class ScorePlot:
    """The whole picture, in pixels."""

    layout: Layout
    heading: str
    unit: str
    height: float
    top: float
    bottom: float
    names_x: float
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    curves: tuple[Curve, ...]


def score_plot(lines: Sequence[Line], quality: Quality, layout: Layout) -> ScorePlot | None:
    """Place the leading family of each strategy; None where nothing was measured."""
    drawn = [(line, _known(line)) for line in lines if line.leads and _known(line)][: COLOURS + 1]
    if not drawn:
        return None
    points = [point for _, own in drawn for point in own]
    x, ticks = labels_axis([point.labels for point in points], layout, layout.right)
    scores = [point.score for point in points if point.score is not None]
    ends = [end for point in points if point.interval is not None for end in point.interval]
    low, high = worth_drawing(scores, ends)
    top, bottom = 32.0, 32.0 + layout.scores
    y = Scale(low, high, bottom, top)
    names_x = layout.width - layout.right + 20
    last = {line.label: y(own[-1].score or 0.0) for line, own in drawn}
    heights = spread(list(last.values()), APART * layout.font, top + 4, bottom)
    curves, colour = [], 0
    for place, ((line, own), height) in enumerate(zip(drawn, heights, strict=True)):
        css = "floor"
        if line.name != FLOOR:
            colour += 1
            css = f"c{colour}"
        shift = layout.dodge * (place - (len(drawn) - 1) / 2)
        curves.append(_curve(line, own, css, x, y, shift, height, layout, names_x))
    return ScorePlot(
        layout, quality.heading, quality.unit, bottom + 46, top, bottom, names_x, ticks,
        tuple(Tick(y(value), f"{value:.4g}") for value in linear_ticks(low, high, 6)), tuple(curves),
    )  # fmt: skip


def spread(wanted: Sequence[float], apart: float, top: float, bottom: float) -> list[float]:
    """Heights near the wanted ones, in their order, at least ``apart`` from one another where there is room."""
    order = sorted(range(len(wanted)), key=lambda place: wanted[place])
    apart = min(apart, (bottom - top) / max(len(wanted) - 1, 1))
    found = [0.0] * len(wanted)
    least = top
    for place in order:
        found[place] = least = max(wanted[place], least)
        least += apart
    most = bottom
    for place in reversed(order):
        found[place] = min(found[place], most)
        most = found[place] - apart
    return found


def _known(line: Line) -> list[Point]:
    return sorted((p for p in line.points if p.score is not None), key=lambda point: point.labels)


def _curve(
    line: Line, own: Sequence[Point], css: str, x: Scale, y: Scale, shift: float, height: float, layout: Layout,
    names_x: float,
) -> Curve:  # fmt: skip
    marks = tuple(_mark(line, point, x, y, shift) for point in own)
    name = line.label if layout.family else line.name
    leader = written([(marks[-1].x + 5, marks[-1].y), (names_x - 4, height)])
    return Curve(
        css,
        written([(mark.x, mark.y) for mark in marks]),
        marks,
        shorten(name, layout.letters),
        height + 0.35 * layout.font,
        leader,
        line.label,
    )


def _mark(line: Line, point: Point, x: Scale, y: Scale, shift: float) -> Mark:
    score = point.score or 0.0
    words = f"{line.label}, {count(point.labels)} labels: {decimal(score)}"
    low = high = None
    if point.interval is not None:
        words += f" ({decimal(point.interval[0])} to {decimal(point.interval[1])})"
        low, high = y(point.interval[0]), y(point.interval[1])
    outside = 0 if y.holds(score) else 1 if score > y.high else -1
    return Mark(x(point.labels) + shift, y(score), low, high, outside, words)
