"""Placing text beside points so that nothing lies on anything else."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Anchor = Literal["start", "middle", "end"]


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels."""

    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: Box) -> bool:
        """Whether the two overlap (touching edges do not)."""
        return (
            self.left < other.right
            and other.left < self.right
            and self.top < other.bottom
            and other.top < self.bottom
        )

    def inside(self, other: Box) -> bool:
        """Whether this box lies wholly in the other."""
        return (
            other.left <= self.left
            and self.right <= other.right
            and other.top <= self.top
            and self.bottom <= other.bottom
        )


@dataclass(frozen=True)
class Label:
    """Text with its anchor point (baseline) in pixels."""

    text: str
    x: float
    y: float
    anchor: Anchor


def text_width(text: str, font: float) -> float:
    """Estimated width in pixels of ``text`` in a system font of ``font`` pixels."""
    return font * sum(
        0.0 if unicodedata.combining(letter) else 1.1 if _wide(letter) else 0.57 for letter in text
    )


def _wide(letter: str) -> bool:
    return unicodedata.east_asian_width(letter) in "WF"


def place(
    points: Sequence[tuple[float, float, float]],
    texts: Sequence[tuple[str, ...]],
    area: Box,
    *,
    blocked: Sequence[Box] = (),
    font: float = 10.5,
) -> list[Label | None]:
    """A label for each point ``(x, y, radius)``, earlier points first; ``None`` where none is free.

    No label lies on another, on another point's mark or on a ``blocked`` box.
    ``texts[i]`` are the wordings of point ``i``, best first: a shorter one is used where the longer
    finds no room. Eight places around the point are tried for each wording.
    """
    marks = [Box(x - radius, y - radius, x + radius, y + radius) for x, y, radius in points]
    taken: list[Box] = []
    labels: list[Label | None] = []
    for index, (point, wordings) in enumerate(zip(points, texts, strict=True)):
        obstacles = [*blocked, *taken, *(mark for other, mark in enumerate(marks) if other != index)]
        found = next(
            (
                (label, box)
                for wording in wordings
                for label, box in _places(wording, point, font)
                if box.inside(area) and not any(box.meets(obstacle) for obstacle in obstacles)
            ),
            None,
        )
        labels.append(found[0] if found else None)
        if found:
            taken.append(found[1])
    return labels


def _places(text: str, point: tuple[float, float, float], font: float) -> list[tuple[Label, Box]]:
    x, y, radius = point
    width, gap = text_width(text, font), radius + 2.5
    baselines = {"level": y + 0.35 * font, "above": y - gap, "below": y + gap + 0.75 * font}
    tries: list[tuple[Anchor, float, str]] = [
        ("start", x + gap, "level"),
        ("end", x - gap, "level"),
        ("middle", x, "above"),
        ("middle", x, "below"),
        ("start", x + 2, "above"),
        ("end", x - 2, "above"),
        ("start", x + 2, "below"),
        ("end", x - 2, "below"),
    ]
    shift = {"start": 0.0, "middle": width / 2, "end": width}
    placed = []
    for anchor, at, level in tries:
        left, baseline = at - shift[anchor], baselines[level]
        box = Box(left, baseline - 0.8 * font, left + width, baseline + 0.2 * font)
        placed.append((Label(text, at, baseline, anchor), box))
    return placed
