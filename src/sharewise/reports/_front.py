"""A Pareto front of two tasks as a picture: one SVG, no script."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from sharewise.errors import OptionError
from sharewise.reports._scales import Scale, linear_ticks

if TYPE_CHECKING:
    from sharewise.balancing import ParetoFront

WIDTH, HEIGHT = 460.0, 340.0
LEFT, RIGHT, TOP, BOTTOM = 64.0, 16.0, 16.0, 48.0
MARGIN = 0.08
"""Of the axis, beyond the outermost points."""
FRONT, BEATEN, TEXT = "#1d5fa8", "#9a9a9a", "#333333"


def front_plot(front: ParetoFront, tasks: tuple[str, str] | None = None) -> str:
    """What models by preference reached on two tasks, as an SVG: models that no other beats in blue, joined by the
    line of what can be had; beaten ones hollow. Hovering shows a model's number, preference and losses.

    Args:
        front: From `sharewise.training.fit_front` (``.points``) or `sharewise.balancing.ParetoFront.of`.
        tasks: The task along and the task up; the first two without.

    Raises:
        OptionError: The front has no such tasks.
    """
    along, up = tasks or front.tasks[:2]
    unknown = [task for task in (along, up) if task not in front.tasks]
    if unknown or along == up:
        raise OptionError(
            f"a front is drawn over two of its tasks ({', '.join(map(repr, front.tasks))}); got "
            f"{along!r} and {up!r}. Name two of them."
        )
    xs, ys = (front.losses[:, front.tasks.index(task)].tolist() for task in (along, up))
    across = _scale(xs, LEFT, WIDTH - RIGHT)
    upward = _scale(ys, HEIGHT - BOTTOM, TOP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:g} {HEIGHT:g}" role="img" '
        f'font-family="system-ui, sans-serif" font-size="12" fill="{TEXT}">',
        f"<title>Losses of {len(xs)} models: {escape(along)} against {escape(up)}</title>",
        f'<rect width="{WIDTH:g}" height="{HEIGHT:g}" fill="#ffffff"/>',
        *_axes(across, upward, along, up),
        *_line(front, xs, ys, across, upward),
        *_points(front, xs, ys, across, upward),
        "</svg>",
    ]
    return "\n".join(parts)


def _scale(values: Sequence[float], start: float, end: float) -> Scale:
    low, high = min(values), max(values)
    room = (high - low) * MARGIN or abs(low) * MARGIN or 1.0
    return Scale(low - room, high + room, start, end)


def _axes(across: Scale, upward: Scale, along: str, up: str) -> list[str]:
    foot, middle = HEIGHT - BOTTOM, (TOP + HEIGHT - BOTTOM) / 2
    found = [f'<path d="M{LEFT:g} {TOP:g}V{foot:g}H{WIDTH - RIGHT:g}" fill="none" stroke="{TEXT}"/>']
    for value in linear_ticks(across.low, across.high, 5):
        found.append(f'<text x="{across(value):.1f}" y="{foot + 16:g}" text-anchor="middle">{value:g}</text>')
    for value in linear_ticks(upward.low, upward.high, 5):
        found.append(f'<text x="{LEFT - 6:g}" y="{upward(value) + 4:.1f}" text-anchor="end">{value:g}</text>')
    label = f"loss of {escape(along)}"
    found.append(
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2:g}" y="{HEIGHT - 8:g}" text-anchor="middle">{label}</text>'
    )
    turn = f"rotate(-90 14 {middle:g})"
    found.append(
        f'<text x="14" y="{middle:g}" text-anchor="middle" transform="{turn}">loss of {escape(up)}</text>'
    )
    return found


def _line(
    front: ParetoFront, xs: Sequence[float], ys: Sequence[float], across: Scale, upward: Scale
) -> list[str]:
    """Steps between the models on the front that no other beats on these two tasks."""
    pairs = sorted((x, y) for x, y, on in zip(xs, ys, front.on_front, strict=True) if on)
    best: list[tuple[float, float]] = []
    for x, y in pairs:
        if not best or y < best[-1][1]:
            best.append((x, y))
    path = f"M{across(best[0][0]):.1f} {upward(best[0][1]):.1f}"
    for x, y in best[1:]:
        path += f"H{across(x):.1f}V{upward(y):.1f}"
    return [f'<path d="{path}" fill="none" stroke="{FRONT}" stroke-opacity="0.5"/>'] if len(best) > 1 else []


def _points(
    front: ParetoFront, xs: Sequence[float], ys: Sequence[float], across: Scale, upward: Scale
) -> list[str]:
    found = []
    for place, (x, y, on) in enumerate(zip(xs, ys, front.on_front.tolist(), strict=True)):
        wanted = ", ".join(
            f"{task} {share:.2g}" for task, share in zip(front.tasks, front.preferences[place], strict=True)
        )
        reached = ", ".join(
            f"{task} {loss:.4g}" for task, loss in zip(front.tasks, front.losses[place], strict=True)
        )
        title = escape(
            f"model {place}: preference {wanted}; loss {reached}" + ("" if on else "; beaten by another")
        )
        fill = FRONT if on else "#ffffff"
        found.append(
            f'<circle cx="{across(x):.1f}" cy="{upward(y):.1f}" r="5" fill="{fill}" '
            f'stroke="{FRONT if on else BEATEN}" stroke-width="1.5"><title>{title}</title></circle>'
        )
        found.append(f'<text x="{across(x) + 8:.1f}" y="{upward(y) - 6:.1f}" font-size="10">{place}</text>')
    return found
