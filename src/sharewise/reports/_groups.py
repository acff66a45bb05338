"""Which tasks learn together, whom each group serves, and what the grouping promises."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sharewise.reports._format import count, percent, plural
from sharewise.reports._limits import Limits
from sharewise.reports._table import Column, Row, Table
from sharewise.reports._values import items, number, rows, table, text

NAMED = 12
"""So many names of a group are printed before the rest is counted."""


@dataclass(frozen=True)
class Groups:
    """The section: a sentence and one row a group, the largest first."""

    summary: str
    promise: str
    table: Table
    alone: str
    left_out: int


def read_groups(verdict: Mapping[str, Any], limits: Limits) -> Groups | None:
    """None where no groups were sought."""
    record = table(verdict.get("groups"))
    if not record:
        return None
    entries = [
        (_names(entry.get("tasks"), limits), _names(entry.get("serves"), limits))
        for entry in rows(record.get("groups"))
    ]
    together = sorted((e for e in entries if len(e[0]) > 1), key=lambda entry: -len(entry[0]))
    alone = [name for tasks, _ in entries if len(tasks) == 1 for name in tasks]
    most = max(1, min(len(together), limits.lines // 4))
    return Groups(
        _summary(record, together, alone),
        _promise(record),
        _table(together[:most]),
        _listed(alone, 3 * NAMED),
        len(together) - len(together[:most]),
    )


def _names(value: object, limits: Limits) -> list[str]:
    return [text(name, min(limits.letters, 60)) or "unnamed" for name in items(value)]


def _listed(names: Sequence[str], most: int = NAMED) -> str:
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _summary(record: Mapping[str, Any], together: Sequence[Any], alone: Sequence[str]) -> str:
    family, trained = text(record.get("family"), 40), number(record.get("trained"))
    tried = f" {plural(round(trained), 'group was', 'groups were')} trained to find out" if trained else ""
    inside = f" (family: {family})" if family else ""
    kept = f"{plural(len(together), 'group')} of tasks" if together else "No tasks"
    learn = "learns" if len(together) == 1 else "learn"
    told = f"{kept} {learn} together{inside}"
    if len(alone) == 1:
        told += ", and 1 task is served by a model of its own"
    elif alone:
        told += f", and {len(alone):,} tasks are served by models of their own"
    return f"{told};{tried}." if tried else f"{told}."


def _promise(record: Mapping[str, Any]) -> str:
    picked, shrunk = number(record.get("gain_picked")), number(record.get("gain_shrunk"))
    if picked is None and shrunk is None:
        return ""
    if shrunk is None:
        return (
            f"On inner folds the grouping gains {percent(picked)}; as the best of many it will deliver less."
        )
    seen = (
        f" (inner folds show {percent(picked)}, which flatters the best of many)"
        if picked is not None
        else ""
    )
    return f"Expected gain, shrunk for having picked the best: {percent(shrunk)}{seen}."


def _table(together: Sequence[tuple[list[str], list[str]]]) -> Table:
    return Table(
        "Tasks that learn together",
        (
            Column("Group"),
            Column("Tasks", numeric=True),
            Column("Learn together"),
            Column("Serves", hint="the tasks this group predicts best; others only help it learn"),
        ),
        tuple(
            Row(
                (
                    f"Group {place}",
                    count(len(tasks)),
                    _listed(tasks),
                    "all of them" if sorted(tasks) == sorted(serves) else _listed(serves) or "–",
                )
            )
            for place, (tasks, serves) in enumerate(together, start=1)
        ),
    )
