"""The tasks of a verdict: their table and the map of gains and harms."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sharewise.reports._format import count, decimal, percent, plural
from sharewise.reports._histogram import Histogram, histogram, summary
from sharewise.reports._limits import Limits
from sharewise.reports._strategies import Strategy
from sharewise.reports._table import Column, Row, Table, with_span
from sharewise.reports._taskmap import Contender, TaskMap, extremes, task_map
from sharewise.reports._values import number, pair, table, text

MANY_TASKS = 40


@dataclass(frozen=True)
class Tasks:
    """The table of tasks and what is said about it."""

    table: Table
    counts: str
    left_out: int
    many: bool


def read_tasks(verdict: Mapping[str, Any], limits: Limits) -> Tasks:
    """One row a task, as many as the limits allow."""
    per_task = {task: table(entry) for task, entry in table(verdict.get("per_task")).items()}
    decisions = Counter(text(entry.get("decision"), 20) or "unclear" for entry in per_task.values())
    shown = list(per_task.items())[: limits.tasks]
    columns = (
        Column("Task"),
        Column("Decision"),
        Column("Served by"),
        Column("Gain by sharing", numeric=True, hint="the best shared model against separate models"),
        Column("Corrected p", numeric=True, hint="p value corrected for the number of tasks"),
        Column("Labels", numeric=True),
        Column("Metric"),
        Column("Constant", numeric=True, hint="score of always predicting the same value"),
        Column("Separate", numeric=True, hint="score of the task's own model"),
        Column("Shared", numeric=True, hint="score of the best shared model"),
    )
    entries = tuple(_row(task, entry, limits.letters) for task, entry in shown)
    return Tasks(
        Table("Every task: scores, gain and decision", columns, entries),
        ", ".join(f"{decision} {amount:,}" for decision, amount in decisions.most_common()),
        len(per_task) - len(shown),
        len(per_task) > MANY_TASKS,
    )


def _row(task: str, entry: Mapping[str, Any], letters: int) -> Row:
    scores, choice = table(entry.get("scores")), table(entry.get("choice"))
    served = [text(choice.get(key), 40) for key in ("strategy", "family")]
    return Row(
        (
            text(task, letters) or "unnamed",
            text(entry.get("decision"), 20),
            ", ".join(part for part in served if part) or "–",
            with_span(percent(number(entry.get("delta"))), pair(entry.get("interval"))),
            decimal(number(entry.get("p_adjusted"))),
            count(number(entry.get("labels"))),
            text(entry.get("metric"), 40),
            *(decimal(number(scores.get(key))) for key in ("constant", "separate", "shared")),
        )
    )


@dataclass(frozen=True)
class GainMap:
    """The map of gains: whole for few tasks; extremes, histogram and a folded whole for many."""

    summary: str
    whole: TaskMap | None
    folded: bool
    ends: tuple[TaskMap, ...]
    histograms: tuple[Histogram, ...]
    left_out: str


def gain_map(
    verdict: Mapping[str, Any], strategies: Sequence[Strategy], rope: float, limits: Limits
) -> GainMap:
    """Strategies with the largest mean gain come first; one without any gain, or that left the race early
    (its gains are over fewer rounds), is left out."""
    contenders = sorted(
        (s for s in strategies if not s.left and any(gain is not None for gain in s.gains.values())),
        key=lambda s: (s.delta is None, -(s.delta or 0.0), s.number),
    )
    tried = (task for s in contenders for task in s.gains)
    tasks = list(dict.fromkeys([*table(verdict.get("per_task")), *tried]))
    printed = _printable(tasks)
    columns = [
        Contender(s.name, s.family, {printed[task]: gain for task, gain in s.gains.items()})
        for s in contenders
    ]
    gains = {printed[task]: gain for task, gain in _task_gains(verdict, tasks, contenders).items()}
    known = [gain for gain in gains.values() if gain is not None]
    if not columns:
        return GainMap("No gain has been measured task by task yet.", None, False, (), (), "")
    if len(tasks) <= MANY_TASKS:
        whole = task_map("Gain of each strategy on each task", list(gains), columns, rope)
        return GainMap("", whole, False, (), (), "")
    up, down = extremes(gains)
    ends = [
        task_map(caption, chosen, columns[:12], rope)
        for caption, chosen in (
            (f"The {plural(len(up), 'largest gain')}", up),
            (f"The {plural(len(down), 'largest harm')}", down),
        )
        if chosen
    ]
    most_rows = min(len(gains), limits.tasks)
    fitting = columns[: max(1, limits.cells // most_rows)]
    ranked = sorted(gains, key=lambda task: (gains[task] is None, -(gains[task] or 0.0)))
    left = []
    if most_rows < len(gains):
        left.append(plural(len(gains) - most_rows, "task"))
    if len(fitting) < len(columns):
        left.append(plural(len(columns) - len(fitting), "strategy", "strategies"))
    histograms = tuple(
        histogram(known, rope, name=name, width=width, bins=bins)
        for name, width, bins in (("wide", 880.0, 30), ("narrow", 344.0, 14))
        if known
    )
    whole = task_map("Every task, largest gain first", ranked[:most_rows], fitting, rope, titles=False)
    return GainMap(summary(known, rope), whole, True, tuple(ends), histograms, " and ".join(left))


def _task_gains(
    verdict: Mapping[str, Any], tasks: Sequence[str], contenders: Sequence[Strategy]
) -> dict[str, float | None]:
    """What a task gains by sharing: the verdict's own number, or that of the best strategy on average."""
    per_task = table(verdict.get("per_task"))
    own = {task: number(table(per_task.get(task)).get("delta")) for task in tasks}
    if contenders and not any(gain is not None for gain in own.values()):
        return {task: contenders[0].gains.get(task) for task in tasks}
    return own


def _printable(tasks: Sequence[str]) -> dict[str, str]:
    """Names fit to print; equal ones after cleaning are told apart by a number."""
    taken: set[str] = set()
    printed = {}
    for task in tasks:
        name = first = text(task, 120) or "unnamed"
        numbers = itertools.count(2)
        while name in taken:
            name = f"{first} ({next(numbers)})"
        taken.add(name)
        printed[task] = name
    return printed
