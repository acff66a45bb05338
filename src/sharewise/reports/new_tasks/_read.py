"""Reading the record of a verdict on new tasks: what is absent or of another type becomes ``None``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sharewise.reports._values import number, pair, rows, table, text

MOST_SHOTS = 20
MOST_LINES = 60
FLOOR = "constant"
"""What all others must beat; drawn grey and dashed."""

Interval = tuple[float, float] | None


@dataclass(frozen=True)
class Point:
    """A strategy with some number of labels; scores in the metric's units, gains as shares."""

    labels: float
    score: float | None
    interval: Interval
    delta: float | None
    delta_interval: Interval
    better: float | None
    over_constant_interval: Interval
    best: bool
    as_good: bool


@dataclass(frozen=True)
class Line:
    """A strategy in a family; ``leads`` where no other family of it had less validation error."""

    name: str
    family: str
    leads: bool
    score: float | None
    delta: float | None
    delta_interval: Interval
    costs: Mapping[str, float | None]
    points: tuple[Point, ...]
    note: str
    cut: bool
    chosen: bool

    @property
    def label(self) -> str:
        return self.name if self.family in ("", "none") else f"{self.name}, {self.family}"


@dataclass(frozen=True)
class Shot:
    """What is said of one number of labels."""

    labels: float
    tasks: float | None
    outcome: str
    gain: float | None
    interval: Interval
    better: float | None
    equivalent: float | None
    worse: float | None
    choice: str
    shared: str
    separate: str


@dataclass(frozen=True)
class Crossing:
    """Where a curve of gains meets a level; an end that is None was not reached."""

    labels: float
    low: float | None
    high: float | None
    level: float
    clear: bool
    words: str
    of: str


@dataclass(frozen=True)
class Quality:
    """The metric in words, and the unit of a number of labels."""

    metric: str
    greater: bool
    ways: float | None

    @property
    def heading(self) -> str:
        direction = "higher" if self.greater else "lower"
        return f"{self.metric}: {direction} is better"

    @property
    def unit(self) -> str:
        return "labels of a new task" if self.ways is None else "labels of each class"


def read_quality(verdict: Mapping[str, Any]) -> Quality:
    metric = table(verdict.get("metric"))
    name = text(metric.get("name"), 60).replace("_", " ") or "score"
    return Quality(name, metric.get("greater_is_better") is not False, number(verdict.get("ways")))


def read_lines(verdict: Mapping[str, Any]) -> tuple[Line, ...]:
    """In the order of the verdict."""
    leading = {
        (entry.get("strategy"), entry.get("family"))
        for entry in rows(verdict.get("curve"))
        if entry.get("leads") is True
    }
    served = {(one.get("strategy"), one.get("family")) for one in rows(verdict.get("serve"))}
    return tuple(_line(entry, leading, served) for entry in rows(verdict.get("strategies"))[:MOST_LINES])


def _line(entry: Mapping[str, Any], leading: set[tuple[Any, Any]], served: set[tuple[Any, Any]]) -> Line:
    own = (entry.get("name"), entry.get("family"))
    found = (_point(one) for one in rows(entry.get("by_shots"))[:MOST_SHOTS])
    return Line(
        text(own[0], 60) or "unnamed",
        text(own[1], 40),
        own in leading,
        number(entry.get("score")),
        number(entry.get("delta")),
        pair(entry.get("delta_interval")),
        {key: number(value) for key, value in table(entry.get("cost")).items()},
        tuple(point for point in found if point is not None),
        text(entry.get("note"), 200),
        entry.get("status") == "cut",
        own in served,
    )


def _point(entry: Mapping[str, Any]) -> Point | None:
    labels = positive(entry.get("k"))
    if labels is None:
        return None
    return Point(
        labels,
        number(entry.get("score")),
        pair(entry.get("interval")),
        number(entry.get("delta")),
        pair(entry.get("delta_interval")),
        number(entry.get("probability_better")),
        pair(entry.get("over_constant_interval")),
        entry.get("best") is True,
        entry.get("as_good") is True,
    )


def read_shots(verdict: Mapping[str, Any]) -> tuple[Shot, ...]:
    """Fewest labels first."""
    found = []
    for entry in rows(verdict.get("shots"))[:MOST_SHOTS]:
        labels = positive(entry.get("k"))
        if labels is not None:
            found.append(
                Shot(
                    labels,
                    number(entry.get("tasks")),
                    text(entry.get("outcome"), 40) or "undecided",
                    number(entry.get("gain")),
                    pair(entry.get("interval")),
                    number(entry.get("probability_better")),
                    number(entry.get("probability_equivalent")),
                    number(entry.get("probability_worse")),
                    *(_who(entry.get(side)) for side in ("choice", "shared", "separate")),
                )
            )
    return tuple(sorted(found, key=lambda shot: shot.labels))


def read_crossings(verdict: Mapping[str, Any]) -> tuple[Crossing, ...]:
    found = []
    for entry in rows(verdict.get("crossings"))[:30]:
        labels, ends = positive(entry.get("labels")), [*_ends(entry.get("interval")), None, None]
        if labels is not None:
            found.append(
                Crossing(
                    labels, ends[0], ends[1], number(entry.get("level")) or 0.0, entry.get("clear") is True,
                    text(entry.get("text"), 400), text(entry.get("of"), 20),
                )
            )  # fmt: skip
    return tuple(found)


def positive(value: object) -> float | None:
    """A number of labels that an axis can show."""
    known = number(value)
    return known if known is not None and 1e-3 < known < 1e12 else None


def _ends(value: object) -> list[float | None]:
    return [positive(end) for end in value[:2]] if isinstance(value, list | tuple) else []


def _who(value: object) -> str:
    entry = table(value)
    named = [text(entry.get(key), 60) for key in ("strategy", "family")]
    return ", ".join(name for name in named if name and name != "none")
