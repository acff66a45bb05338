"""A replayed stream as a picture: smoothed losses in time order, changes, and where each contender was back."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from sharewise.reports._format import count, decimal
from sharewise.reports._labels import text_width
from sharewise.reports._scales import Scale, linear_ticks
from sharewise.tasks import Array

if TYPE_CHECKING:
    from sharewise.studies.stream import Course, Replay

WIDTH, HEIGHT = 880.0, 380.0
LEFT, TOP, BOTTOM = 58.0, 34.0, 52.0
FONT = 13.0
GAP = 17.0
"""Pixels between two names at least."""
MOST_POINTS = 400
"""Of a line; more would not be seen."""
SHOWN = 0.98
"""Quantile of all smoothed losses up to which the axis reaches, so that one bad contender does not flatten the rest."""
COLOURS = 8
STYLE = """
.stream { --ink: #1b1f24; --muted: #555e68; --line: #dde1e6; --c0: #5b6570; --c1: #1c5a9e; --c2: #a8410c; --c3: #2b7a3d;
  --c4: #7a3fa0; --c5: #8a6a00; --c6: #0d7a80; --c7: #b0306a;
  font: 13px system-ui, sans-serif; fill: var(--ink); background: transparent; }
@media (prefers-color-scheme: dark) { .stream { --ink: #e8eaed; --muted: #a6b0bb; --line: #343b43; --c0: #a6b0bb;
  --c1: #82bbf4; --c2: #f3a572; --c3: #84d196; --c4: #cfa3ee; --c5: #e2c35a; --c6: #6fd0d6; --c7: #f291bd; } }
.stream .grid { stroke: var(--line); fill: none; }
.stream .axis, .stream .change { stroke: var(--muted); fill: none; }
.stream .change { stroke-dasharray: 4 4; }
.stream .during { fill: var(--line); opacity: 0.5; }
.stream .tick { fill: var(--muted); font-size: 12px; }
.stream .course { fill: none; stroke-width: 1.7; stroke: currentColor; }
.stream .again { stroke-dasharray: 6 2; }
.stream .hindsight { fill: none; stroke: var(--muted); stroke-dasharray: 2 3; }
.stream .leader { fill: none; stroke: currentColor; opacity: 0.5; }
.stream .name { fill: currentColor; }
.stream .back { fill: currentColor; stroke: none; }
"""


def stream_plot(replay: Replay) -> str:
    """One SVG, no script: a line a contender, a dashed line a change (a band while it lasts), a dot where a contender had
    recovered.

    Each point is the mean over a row and those that follow, `Replay.smooth` in all, none beyond the next change. The
    dotted grey line is the model trained in hindsight. Losses far above all others are drawn at the upper edge. Colours
    follow the reader's light or dark page.
    """
    names = [course.name for course in replay.courses]
    right = WIDTH - 24 - max(text_width(name, FONT) for name in names)
    n = len(replay.rows)
    x = Scale(0, max(n - 1, 1), LEFT, right)
    levels = np.concatenate([course.smoothed for course in replay.courses])
    y = Scale(0.0, float(np.quantile(levels, SHOWN)) * 1.05 or 1.0, HEIGHT - BOTTOM, TOP)
    bounds, level = [0, *replay.changes, n], replay.hindsight_smoothed
    told = ", ".join(count(replay.learnt_on + change) for change in replay.changes) or "none"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="stream" viewBox="0 0 {WIDTH:g} {HEIGHT:g}" role="img">',
        f"<title>Loss in time order, mean over {replay.smooth} rows, as a share of the constant's</title>",
        f"<desc>{escape(replay.sentence)} Changes at row: {told}.</desc>",
        f"<style>{STYLE}</style>",
        '<text x="2" y="15">Loss as a share of the constant\'s, '
        f"mean over {replay.smooth} rows; a dot: recovered</text>",
        *_axes(x, y, replay.learnt_on, right),
    ]
    for change, end in zip(replay.changes, replay.settled, strict=True):
        if end > change:
            parts.append(
                f'<rect class="during" x="{x(change):.1f}" y="{TOP:g}" width="{x(end) - x(change):.1f}" '
                f'height="{HEIGHT - BOTTOM - TOP:g}"/>'
            )
        word = f"Change at row {count(replay.learnt_on + change)}, time {replay.time[change]:g}"
        parts.append(
            f'<path class="change" d="M{x(change):.1f} {TOP:g}V{HEIGHT - BOTTOM:g}"><title>{word}</title></path>'
        )
    for start, stop in zip(replay.settled, bounds[2:], strict=True):
        base = level[start:stop]
        if np.isfinite(base).all():
            points = _points(start, base, x, y)
            parts.append(
                f'<polyline class="hindsight" points="{points}"><title>trained in hindsight</title></polyline>'
            )
    heights = _spread([y(_last(course)) for course in replay.courses])
    for place, (course, height) in enumerate(zip(replay.courses, heights, strict=True)):
        back = [
            (change + rows, change)
            for change, own in zip(replay.changes, replay.recoveries, strict=True)
            if (rows := own[place].rows) is not None
        ]
        parts += _course(course, place, back, height, x, y, right)
    return "\n".join([*parts, "</svg>"])


def _axes(x: Scale, y: Scale, learnt: int, right: float) -> list[str]:
    foot = HEIGHT - BOTTOM
    found = []
    for value in linear_ticks(y.low, y.high, 6):
        at = y(value)
        found.append(f'<path class="grid" d="M{LEFT:g} {at:.1f}H{right:.1f}"/>')
        found.append(
            f'<text class="tick" x="{LEFT - 8:g}" y="{at + 4:.1f}" text-anchor="end">{value:.4g}</text>'
        )
    found.append(f'<path class="axis" d="M{LEFT:g} {foot:g}H{right:.1f}"/>')
    for value in linear_ticks(learnt, learnt + x.high, 6):
        at = x(value - learnt)
        found.append(f'<path class="axis" d="M{at:.1f} {foot:g}v5"/>')
        found.append(
            f'<text class="tick" x="{at:.1f}" y="{foot + 19:g}" text-anchor="middle">{count(value)}</text>'
        )
    middle = (LEFT + right) / 2
    found.append(
        f'<text class="tick" x="{middle:.1f}" y="{foot + 40:g}" text-anchor="middle">row in time order</text>'
    )
    return found


def _course(
    course: Course,
    place: int,
    back: Sequence[tuple[int, int]],
    height: float,
    x: Scale,
    y: Scale,
    right: float,
) -> list[str]:
    title = escape(f"{course.name}: mean loss {decimal(float(course.losses.mean()))}")
    kind = "course" if place < COLOURS else "course again"
    found = [
        f'<g style="color: var(--c{place % COLOURS})"><title>{title}</title>',
        f'<polyline class="{kind}" points="{_points(0, course.smoothed, x, y)}"/>',
        f'<polyline class="leader" points="{right:.1f},{y(_last(course)):.1f} {right + 12:.1f},{height:.1f}"/>',
        f'<text class="name" x="{right + 16:.1f}" y="{height + 4:.1f}">{escape(course.name)}</text>',
    ]
    for row, change in back:
        word = escape(f"{course.name} recovered {count(row - change)} rows after the change")
        found.append(
            f'<circle class="back" cx="{x(row):.1f}" cy="{y(float(course.smoothed[row])):.1f}" r="4">'
            f"<title>{word}</title></circle>"
        )
    return [*found, "</g>"]


def _points(start: int, values: Array, x: Scale, y: Scale) -> str:
    """For the ``points`` of a polyline: the values, thinned evenly, from row ``start`` on."""
    places = np.unique(np.linspace(0, len(values) - 1, MOST_POINTS).round().astype(int)).tolist()
    return " ".join(f"{x(start + place):.1f},{y(float(values[place])):.1f}" for place in places)


def _last(course: Course) -> float:
    return float(course.smoothed[-1])


def _spread(heights: Sequence[float]) -> list[float]:
    """Heights of names, moved apart and kept inside the picture, in the order of the lines' ends."""
    order = np.argsort(heights, kind="stable").tolist()
    found = list(heights)
    for above, below in pairwise(order):
        found[below] = max(found[below], found[above] + GAP)
    over = max(0.0, found[order[-1]] - (HEIGHT - BOTTOM))
    if over:
        found[order[-1]] -= over
        for below, above in pairwise(order[::-1]):
            found[above] = min(found[above], found[below] - GAP)
    return found
