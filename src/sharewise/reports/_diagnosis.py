"""Hints from gradients: small plots over epochs, maps of affinities, and what trainings say of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sharewise.reports._format import MINUS, count, decimal, percent, plural, seconds, short_percent
from sharewise.reports._scales import Scale, Tick, linear_ticks
from sharewise.reports._table import Column, Row, Table
from sharewise.reports._taskmap import Cell, Head, TaskMap, head
from sharewise.reports._values import items, number, shorten, table, text

MOST_DRAWN = 20
"""More tasks are told in words only."""
MOST_EPOCHS = 400
WIDTH, HEIGHT, LEFT, RIGHT, TOP, FOOT = 160.0, 104.0, 34.0, 6.0, 8.0, 84.0
LARGEST = 1e9
"""What is larger has gone wrong, and is not drawn."""
FAINT, STRONG = 0.1, 0.5
"""Colour steps begin at these cosines and similarities, and at these shares of the largest lookahead."""


@dataclass(frozen=True)
class Panel:
    """One small plot over epochs."""

    title: str
    words: str
    ticks: tuple[Tick, ...]
    ends: tuple[Tick, ...]
    zero: float | None
    path: str


@dataclass(frozen=True)
class Hints:
    """The section."""

    warning: str
    text: str
    verdict: str
    facts: str
    panels: tuple[Panel, ...]
    ahead: TaskMap | None
    maps: tuple[TaskMap, ...]
    table: Table


def read_hints(verdict: Mapping[str, Any]) -> Hints | None:
    """None where no network was watched."""
    record = table(verdict.get("hints"))
    names = [text(name, 120) or "unnamed" for name in items(record.get("tasks"))]
    if not record or not names:
        return None
    few = len(names) <= MOST_DRAWN
    ahead, *maps = (_map(record, key, caption, names) for key, caption in _MAPS)
    return Hints(
        text(record.get("warning"), 600),
        text(record.get("text"), 1200),
        text(record.get("verdict"), 2500),
        _facts(record),
        _panels(record, names) if few else (),
        ahead if few else None,
        tuple(one for one in maps if one is not None) if few else (),
        _table(record, names),
    )


_MAPS = (
    ("lookahead", "Lookahead: how much a gradient step on the row\u2019s task lowers the column\u2019s loss"),
    ("cosines", "Cosines between the tasks\u2019 gradients of the shared weights, at the end"),
    ("similarity", "Similarity of the representations of networks that learnt one task each, 0 to 1"),
)


def _facts(record: Mapping[str, Any]) -> str:
    epochs, learnt = number(record.get("epochs")), number(record.get("rows"))
    held_out, took = number(record.get("held_out")), number(record.get("seconds"))
    return (
        f"One plain network of hard sharing, trained on {count(learnt)} rows for {count(epochs)} epochs; the maps are "
        f"measured at the end on {count(held_out)} rows that it has not seen. It took {seconds(took)}."
    )


def _curve(values: Sequence[object]) -> list[tuple[int, float]]:
    """Epochs from one, with what is known of them."""
    known = ((epoch, number(value)) for epoch, value in enumerate(values[:MOST_EPOCHS], start=1))
    return [(epoch, value) for epoch, value in known if value is not None and abs(value) < LARGEST]


def _panels(record: Mapping[str, Any], names: Sequence[str]) -> tuple[Panel, ...]:
    by_epoch = [items(row) for row in items(record.get("lengths"))]
    lengths = [_curve([row[at] if at < len(row) else None for row in by_epoch]) for at in range(len(names))]
    longest = max((value for curve in lengths for _, value in curve), default=0.0)
    found = [
        _panel("All pairs: mean cosine", _curve(items(record.get("cosine"))), None, decimal),
        _panel("All pairs: steps apart", _curve(items(record.get("conflict"))), (0.0, 1.0), short_percent),
    ]
    found += [
        _panel(shorten(name, 40), curve, (0.0, longest), decimal, "gradient length")
        for name, curve in zip(names, lengths, strict=True)
    ]
    return tuple(panel for panel in found if panel is not None)


def _panel(
    title: str,
    curve: Sequence[tuple[int, float]],
    ends: tuple[float, float] | None,
    words: Callable[[float], str],
    what: str = "",
) -> Panel | None:
    """None with fewer than two epochs. Without ``ends`` the axis holds zero and the curve."""
    if len(curve) < 2:
        return None
    values = [value for _, value in curve]
    low, high = ends or (min(*values, -0.05), max(*values, 0.05))
    pad = 0.04 * (high - low) or 0.5
    y = Scale(low - (pad if low < 0 else 0.0), high + pad, FOOT, TOP)
    x = Scale(curve[0][0], curve[-1][0], LEFT, WIDTH - RIGHT)
    told = f"{what or title}, epochs {curve[0][0]} to {curve[-1][0]}: from {words(values[0])} to {words(values[-1])}"
    return Panel(
        title,
        f"{title}: {told}" if what else told,
        tuple(
            Tick(y(value), f"{value + 0.0:.3g}".replace("-", MINUS)) for value in linear_ticks(low, high, 3)
        ),
        (Tick(x(curve[0][0]), str(curve[0][0])), Tick(x(curve[-1][0]), str(curve[-1][0]))),
        y(0.0) if low < 0 < high else None,
        " ".join(f"{x(epoch):.1f},{y(value):.1f}" for epoch, value in curve),
    )


def _map(record: Mapping[str, Any], key: str, caption: str, names: Sequence[str]) -> TaskMap | None:
    """Receivers are columns; None where nothing is known between two tasks."""
    matrix = [items(row) for row in items(record.get(key))]
    places = range(len(names))

    def value(at: int, to: int) -> float | None:
        row = matrix[at] if at < len(matrix) else []
        return number(row[to]) if to < len(row) else None

    if all(value(at, to) is None for at in places for to in places if at != to):
        return None
    ahead = key == "lookahead"
    # Lookahead has no scale but its own: what a step does to the task that it is for.
    largest = max(abs(value(at, to) or 0.0) for at in places for to in places) if ahead else 1.0
    heads = tuple(head(name, 24) for name in names)
    cells = (
        (heads[at], tuple(_cell(value(at, to) if at != to else None, ahead, largest) for to in places))
        for at in places
    )
    corner = "Step on \u2193 changes \u2192" if ahead else "Task"
    return TaskMap(caption, corner, tuple(Head(each.text, each.title) for each in heads), tuple(cells))


def _cell(value: float | None, ahead: bool, largest: float) -> Cell:
    """What a task does to itself is left out."""
    return Cell(percent(value) if ahead else decimal(value, 2), tone(value, largest))


def tone(value: float | None, largest: float) -> str:
    """A pale colour, by the share of the largest: what is only a hint is not to shout."""
    if value is None:
        return "n"
    share = abs(value) / largest if largest > 0 else 0.0
    level = (share >= FAINT) + (share >= STRONG)
    return f"{'g' if value > 0 else 'h'}{level}" if level else "z"


def _table(record: Mapping[str, Any], names: Sequence[str]) -> Table:
    by_epoch = [items(row) for row in items(record.get("lengths"))]
    apart = [items(row) for row in items(record.get("apart"))]
    found = []
    for at, name in enumerate(names[:MOST_DRAWN]):
        curve = _curve([row[at] if at < len(row) else None for row in by_epoch])
        row = apart[at] if at < len(apart) else []
        against = [
            (share, names[to]) for to, one in enumerate(row[: len(names)])
            if to != at and (share := number(one)) is not None
        ]  # fmt: skip
        most = max(against, default=None)
        found.append(
            Row(
                (
                    name,
                    decimal(curve[0][1] if curve else None),
                    decimal(curve[-1][1] if curve else None),
                    f"{most[1]}, {short_percent(round(most[0], 3))} of steps" if most else "\u2013",
                )
            )
        )
    return Table(
        f"The gradients of {plural(len(found), 'task')} in numbers",
        (
            Column("Task"),
            Column("Length, first epoch", numeric=True, hint="of the gradient of the shared weights"),
            Column("Length, last epoch", numeric=True, hint="of the gradient of the shared weights"),
            Column("Most often apart from", hint="whose gradient points against this task\u2019s most often"),
        ),
        tuple(found),
    )
