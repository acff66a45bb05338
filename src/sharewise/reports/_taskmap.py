"""The map of gains and harms: tasks by strategies, a colour step and a printed number a cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sharewise.reports._format import percent, short_percent
from sharewise.reports._values import shorten

STEPS = (1, 3, 10, 30)
"""Colour steps begin at these multiples of the ROPE."""


@dataclass(frozen=True)
class Head:
    """A row or column heading; ``title`` holds the whole name where it was shortened."""

    text: str
    title: str = ""
    sub: str = ""


@dataclass(frozen=True)
class Cell:
    """A printed gain and its colour step: ``g1``–``g4``, ``h1``–``h4``, ``z`` (too small), ``n`` (none)."""

    text: str
    step: str


@dataclass(frozen=True)
class TaskMap:
    """A table ready to print."""

    caption: str
    corner: str
    columns: tuple[Head, ...]
    rows: tuple[tuple[Head, tuple[Cell, ...]], ...]


@dataclass(frozen=True)
class Contender:
    """A column of the map: a strategy in a family and its gain on each task."""

    name: str
    family: str
    gains: Mapping[str, float | None]


def step(gain: float | None, rope: float) -> str:
    """The colour step of a gain."""
    if gain is None:
        return "n"
    unit = rope if rope > 0 else 0.01
    level = sum(abs(gain) > unit * multiple for multiple in STEPS)
    return f"{'g' if gain > 0 else 'h'}{level}" if level else "z"


def legend(rope: float) -> tuple[Cell, ...]:
    """One cell a colour step, from the worst harm to the largest gain."""
    unit = rope if rope > 0 else 0.01
    edges = [short_percent(unit * multiple) for multiple in STEPS]
    harms = [Cell(f"worse by over {edges[level - 1]}", f"h{level}") for level in (4, 3, 2, 1)]
    gains = [Cell(f"better by over {edges[level - 1]}", f"g{level}") for level in (1, 2, 3, 4)]
    return (*harms, Cell(f"within {edges[0]}", "z"), *gains)


def task_map(
    caption: str, tasks: Sequence[str], contenders: Sequence[Contender], rope: float, *, titles: bool = True
) -> TaskMap:
    """Few tasks become columns beside rows of strategies, many become rows.

    Without ``titles`` a shortened name of a task is not repeated at length (the page prints it elsewhere).
    """
    task_heads = tuple(head(task) if titles else Head(head(task).text) for task in tasks)
    strategy_heads = tuple(
        Head(shorten(each.name, 24), each.name if len(each.name) > 24 else "", shorten(each.family, 24))
        for each in contenders
    )

    def cell(task: str, contender: Contender) -> Cell:
        gain = contender.gains.get(task)
        return Cell(percent(gain), step(gain, rope))

    if len(tasks) < len(contenders) and len(tasks) <= 8:
        rows = tuple(
            (name, tuple(cell(task, each) for task in tasks))
            for name, each in zip(strategy_heads, contenders, strict=True)
        )
        return TaskMap(caption, "Strategy", task_heads, rows)
    rows = tuple(
        (name, tuple(cell(task, each) for each in contenders))
        for name, task in zip(task_heads, tasks, strict=True)
    )
    return TaskMap(caption, "Task", strategy_heads, rows)


def head(task: str, limit: int = 40) -> Head:
    """A task's heading: shortened, with the longer name as its title."""
    return Head(shorten(task, limit), shorten(task, 120) if len(task) > limit else "")


def extremes(gains: Mapping[str, float | None], most: int = 15) -> tuple[list[str], list[str]]:
    """The tasks with the largest gains (best first) and those with the largest harms (worst first)."""
    known = [(gain, task) for task, gain in gains.items() if gain is not None]
    up = sorted((entry for entry in known if entry[0] > 0), key=lambda entry: -entry[0])
    down = sorted((entry for entry in known if entry[0] < 0), key=lambda entry: entry[0])
    return [task for _, task in up[:most]], [task for _, task in down[:most]]
