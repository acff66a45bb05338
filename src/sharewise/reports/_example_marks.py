"""What lies over a picture: masks as one path a class, boxes with their class and score.

Symbols: coordinates in the picture's own pixels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sharewise.reports._values import items, number, table, text

COLOURS = 6
MOST_RUNS = 3000
MOST_BOXES = 20


@dataclass(frozen=True)
class Tint:
    """The cells of one class.

    Attributes:
        path: Of an SVG path.
        colour: Its number, 1 to `COLOURS`.
    """

    path: str
    colour: int
    name: str
    share: float


@dataclass(frozen=True)
class Outline:
    """One box, with what stands on it."""

    x: float
    y: float
    width: float
    height: float
    label: str


@dataclass(frozen=True)
class Drawn:
    """All of one side of a picture."""

    tints: tuple[Tint, ...]
    outlines: tuple[Outline, ...]

    def __add__(self, other: Drawn) -> Drawn:
        return Drawn(self.tints + other.tints, self.outlines + other.outlines)

    def words(self) -> str:
        """The same for who does not see it."""
        parts = [f"{one.name} on {100 * one.share:.0f}% of the picture" for one in self.tints]
        if self.outlines:
            parts.append(f"{len(self.outlines)} boxes ({', '.join(one.label for one in self.outlines[:5])})")
        return "; ".join(parts)


def colour(first: int, code: int) -> int:
    """The number of a class's colour, where earlier tasks have so many: the ground, 0, has none."""
    return (first + code - 1) % COLOURS + 1


def draw(answer: object, task: Mapping[str, Any], size: tuple[float, float], first: int = 0) -> Drawn:
    """A mask's or boxes' record over a picture of ``size`` (width, height); ``first`` colours are others'."""
    classes = [text(one, 40) for one in items(task.get("classes"))]
    if text(task.get("kind")) == "segmentation":
        return Drawn(_tints(table(answer), classes, size, first), ())
    return Drawn(
        (), tuple(one for box in items(answer)[:MOST_BOXES] if (one := _outline(box, classes, size)))
    )


def _tints(
    record: Mapping[str, Any], classes: list[str], size: tuple[float, float], first: int
) -> tuple[Tint, ...]:
    """The first class is the ground and stays clear, as pixels without a label do."""
    across, down = number(record.get("width")), number(record.get("height"))
    if across is None or down is None or not (1 <= across <= 256 and 1 <= down <= 256):
        return ()
    columns, lines = int(across), int(down)
    wide, tall = size[0] / columns, size[1] / lines
    parts: dict[int, list[str]] = {}
    cells: dict[int, int] = {}
    place = 0
    for pair in items(record.get("runs"))[:MOST_RUNS]:
        code, count = (*map(number, items(pair)[:2]), None, None)[:2]
        if code is None or count is None or count < 1:
            return ()
        left = min(int(count), columns * lines - place)
        cells[int(code)] = cells.get(int(code), 0) + left
        while left > 0:
            line, column = divmod(place, columns)
            taken = min(left, columns - column)
            if 1 <= code < len(classes):
                parts.setdefault(int(code), []).append(
                    f"M{column * wide:.4g} {line * tall:.4g}h{taken * wide:.4g}v{tall:.4g}h{-taken * wide:.4g}z"
                )
            place, left = place + taken, left - taken
    return tuple(
        Tint("".join(path), colour(first, code), classes[code], cells[code] / (columns * lines))
        for code, path in sorted(parts.items())
    )


def _outline(box: object, classes: list[str], size: tuple[float, float]) -> Outline | None:
    values = [number(value) for value in items(box)]
    known = [value for value in values if value is not None]
    if len(known) != len(values) or len(known) not in (5, 6):
        return None
    x1, x2 = (min(max(value, 0.0), size[0]) for value in (known[0], known[2]))
    y1, y2 = (min(max(value, 0.0), size[1]) for value in (known[1], known[3]))
    if x2 <= x1 or y2 <= y1 or not 0 <= known[4] < len(classes):
        return None
    name = classes[int(known[4])]
    label = f"{name} {known[5]:.2f}" if len(known) == 6 else name
    return Outline(x1, y1, x2 - x1, y2 - y1, label)
