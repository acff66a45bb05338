"""Geometry of a cost-against-quality plot: cost along x (logarithmic), quality along y, Pareto front."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sharewise.reports._format import decimal, percent, short_percent
from sharewise.reports._labels import Box, Label, place
from sharewise.reports._scales import Scale, Tick, gain_domain, linear_ticks, log_domain, log_ticks
from sharewise.reports._values import shorten

WIDTH, HEIGHT = 300.0, 264.0
LEFT, RIGHT, TOP, BOTTOM = 46.0, 10.0, 10.0, 42.0
SHAPES = ("circle", "square", "triangle", "diamond", "cross")


@dataclass(frozen=True)
class Candidate:
    """A strategy as a point: its number in the table, cost and quality."""

    number: int
    name: str
    family: str
    cost: float
    quality: float
    chosen: bool = False


@dataclass(frozen=True)
class Point:
    """A candidate as drawn."""

    x: float
    y: float
    shape: str
    title: str
    best: bool
    chosen: bool
    below: bool
    label: Label | None


@dataclass(frozen=True)
class ScatterPlot:
    """The whole plot as drawn, in pixels."""

    heading: str
    width: float
    height: float
    area: Box
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    zero: float | None
    band: tuple[float, float] | None
    front: str
    points: tuple[Point, ...]
    optimal: tuple[str, ...]


def pareto(costs: Sequence[float], qualities: Sequence[float]) -> list[bool]:
    """Which points no other beats: none is at most as costly and at least as good, and better in one."""
    pairs = list(zip(costs, qualities, strict=True))
    return [
        not any(c <= cost and q >= quality and (c < cost or q > quality) for c, q in pairs)
        for cost, quality in pairs
    ]


def shapes(families: Sequence[str]) -> dict[str, str]:
    """A mark for each family, in order of first appearance; the last shape serves all beyond the fifth."""
    known = list(dict.fromkeys(families))
    return {family: SHAPES[min(index, len(SHAPES) - 1)] for index, family in enumerate(known)}


def scatter_plot(
    heading: str,
    candidates: Sequence[Candidate],
    marks: dict[str, str],
    cost_words: Callable[[float | None], str],
    cost_ticks: Callable[[float], str],
    rope: float | None,
) -> ScatterPlot:
    """Place the candidates.

    ``rope`` is the half-width of the band around zero where quality is a gain, ``None`` where it is
    a score. A cost of zero has no logarithm and is drawn at the left edge; a quality below the axis
    is drawn at its foot with an arrow.
    """
    area = Box(LEFT, TOP, WIDTH - RIGHT, HEIGHT - BOTTOM)
    qualities = [candidate.quality for candidate in candidates]
    low, high = _score_domain(qualities) if rope is None else gain_domain(qualities, rope)
    x = Scale(*log_domain(candidate.cost for candidate in candidates), area.left, area.right, log=True)
    y = Scale(low, high, area.bottom, area.top)
    words = (lambda value: decimal(value, 2)) if rope is None else short_percent
    best = pareto([candidate.cost for candidate in candidates], qualities)
    where = [(x(max(candidate.cost, x.low)), y(candidate.quality)) for candidate in candidates]
    order = sorted(
        range(len(candidates)), key=lambda i: (not candidates[i].chosen, not best[i], -qualities[i], i)
    )
    corners = sorted({where[i] for i in range(len(candidates)) if best[i]})
    placed = place(
        [(*where[i], 8.5 if candidates[i].chosen else 5.0) for i in order],
        [_wordings(candidates[i]) for i in order],
        Box(area.left, 2, WIDTH - 2, area.bottom),
        blocked=_lines(corners, area, None if rope is None else y(0.0)),
    )
    labels = dict(zip(order, placed, strict=True))
    points = tuple(
        Point(
            *where[i],
            shape=marks.get(candidate.family, SHAPES[-1]),
            title=f"{candidate.number}. {candidate.name}, {candidate.family}: {cost_words(candidate.cost)}, "
            + (decimal(candidate.quality) if rope is None else percent(candidate.quality)),
            best=best[i],
            chosen=candidate.chosen,
            below=candidate.quality < low,
            label=labels[i],
        )
        for i, candidate in enumerate(candidates)
    )
    optimal = [candidate for candidate, is_best in zip(candidates, best, strict=True) if is_best]
    return ScatterPlot(
        heading=heading,
        width=WIDTH,
        height=HEIGHT,
        area=area,
        x_ticks=tuple(Tick(x(value), cost_ticks(value)) for value in log_ticks(x.low, x.high, 4)),
        y_ticks=tuple(Tick(y(value), words(value)) for value in linear_ticks(low, high, 6)),
        zero=None if rope is None else y(0.0),
        band=(y(rope), y(-rope)) if rope else None,
        front=staircase(corners),
        points=points,
        optimal=(
            *(f"{candidate.name}, {candidate.family}" for candidate in optimal[:8]),
            *([f"{len(optimal) - 8} more"] if len(optimal) > 8 else []),
        ),
    )


def staircase(corners: Sequence[tuple[float, float]]) -> str:
    """An SVG path through the Pareto points, left to right: along x first, then up."""
    if len(corners) < 2:
        return ""
    return f"M{corners[0][0]:.1f} {corners[0][1]:.1f}" + "".join(f"H{x:.1f}V{y:.1f}" for x, y in corners[1:])


def _lines(corners: Sequence[tuple[float, float]], area: Box, zero: float | None) -> list[Box]:
    """The staircase and the zero line as thin boxes, so that no label is struck through."""
    boxes = [] if zero is None else [Box(area.left, zero - 1, area.right, zero + 1)]
    for (x, y), (next_x, next_y) in itertools.pairwise(corners):
        boxes.append(Box(x, y - 1, next_x, y + 1))
        boxes.append(Box(next_x - 1, min(y, next_y), next_x + 1, max(y, next_y)))
    return boxes


def _score_domain(scores: Sequence[float]) -> tuple[float, float]:
    low, high = min(scores, default=0.0), max(scores, default=1.0)
    pad = max(0.08 * (high - low), 0.01)
    return low - pad, high + pad


def _wordings(candidate: Candidate) -> tuple[str, ...]:
    name = shorten(candidate.name, 16)
    return f"{name}, {shorten(candidate.family, 10)}", str(candidate.number)
