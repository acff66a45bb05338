"""The rules that turn findings into one of five outcomes and say which side serves each task.

*Errors and their control* (``α`` is one less the confidence):

- The mean gain over tasks is tested once, at ``α``. ``share`` and ``separate`` also ask for an estimate
  beyond the ROPE: a gain that is certain but small is ``equivalent``.
- Single tasks are claimed to gain or to be harmed by Holm's procedure over all tasks, so that the chance of
  any false claim about a task stays below ``α``; here too the estimate must lie beyond the ROPE.
- A mean hides who pays for it. Where sharing is clearly better on average, the tasks told to share are the
  largest set of which at most `MOST_LOSERS` is expected to lose more than the ROPE, by a posterior in which
  tasks inform one another (`pool`). The others keep models of their own; the outcome is then ``route``.
- ``equivalent`` needs the mean inside the ROPE with the confidence asked for, and no task that clearly
  gains or is harmed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from sharewise.verdicts._difference import Difference
from sharewise.verdicts._need import Need
from sharewise.verdicts._pooling import safe
from sharewise.verdicts._verdict import Outcome

Leaning = Literal["share", "separate", "unclear"]
Side = Literal["shared", "separate", "cheapest"]

MOST_LOSERS = 0.05
"""Of the tasks told to share, the share that may be expected to lose more than the ROPE."""


@dataclass(frozen=True)
class TaskFinding:
    """What sharing does to one task.

    Attributes:
        difference: Gain of the shared side over the separate one.
        p_adjusted: After Holm's correction over tasks; None without an interval.
        leaning: ``share`` for a clear gain beyond the ROPE, ``separate`` for a clear loss.
        separate, shared: Mean scores of both sides.
        expected: The gain where tasks inform one another; NaN where nothing is known.
        losing: Probability of losing more than the ROPE by sharing, likewise; None where nothing is known.
        gaining: Probability of gaining more than the ROPE.
        need: What would settle an unclear task; None for a clear one.
    """

    difference: Difference
    p_adjusted: float | None
    leaning: Leaning
    separate: float
    shared: float
    expected: float = float("nan")
    losing: float | None = None
    gaining: float | None = None
    need: Need | None = None


@dataclass(frozen=True)
class Ruling:
    """An outcome, the side that serves each task ``(T,)``, and the rule in words."""

    outcome: Outcome
    serves: tuple[Side, ...]
    reason: str


def rule(overall: Difference, tasks: Sequence[TaskFinding], *, rope: float, confidence: float) -> Ruling:
    """The first rule that applies."""
    apart = _for_all("separate", tasks)
    gain = [task.leaning == "share" for task in tasks]
    harm = [task.leaning == "separate" for task in tasks]
    if overall.interval is None:
        return Ruling("undecided", _meanwhile(overall, tasks), "fewer than two rounds were finished")
    low, high = overall.interval
    if low > 0 and (overall.mean >= rope or any(harm)):
        return _shared(tasks)
    if high < 0 and overall.mean <= -rope:
        if any(gain):
            reason = "sharing harms overall, and clearly helps some tasks"
            return Ruling("route", _by_leaning(tasks), reason)
        reason = "the gain's interval lies below zero and the loss beyond the region of equivalence"
        return Ruling("separate", apart, reason)
    if any(gain) and any(harm):
        return Ruling(
            "route", _by_leaning(tasks), "sharing clearly helps some tasks and clearly harms others"
        )
    if any(gain):
        reason = "some tasks clearly gain from sharing; for the others nothing is clear"
        return Ruling("route", _by_leaning(tasks), reason)
    if any(harm):
        reason = "some tasks are clearly harmed by sharing and none clearly gains"
        return Ruling("separate", apart, reason)
    if overall.equivalent is not None and overall.equivalent >= confidence:
        reason = "the gain lies almost certainly inside the region of equivalence"
        return Ruling("equivalent", _for_all("cheapest", tasks), reason)
    reason = "the evidence neither rules out a gain or loss that matters nor establishes one"
    return Ruling("undecided", _meanwhile(overall, tasks), reason)


def _shared(tasks: Sequence[TaskFinding]) -> Ruling:
    """Sharing is better on average: for all, or for all but those who might pay for it."""
    losing = np.array([1.0 if task.losing is None else task.losing for task in tasks])
    told = safe(losing, limit=MOST_LOSERS)
    for place, task in enumerate(tasks):
        if task.leaning != "unclear":
            told[place] = task.leaning == "share"
    serves: tuple[Side, ...] = tuple("shared" if own else "separate" for own in told)
    if told.all():
        reason = "the gain's interval lies above zero and the gain beyond the region of equivalence"
        return Ruling("share", serves, reason)
    if any(task.leaning == "separate" for task in tasks):
        return Ruling("route", serves, "sharing helps overall, and clearly harms some tasks")
    if told.any():
        reason = "sharing helps overall, but some tasks may lose more than the region of equivalence by it"
        return Ruling("route", serves, reason)
    reason = "sharing helps overall, but of no task is it clear enough that it does not pay for the others"
    return Ruling("undecided", _for_all("shared", tasks), reason)


def _for_all(side: Side, tasks: Sequence[TaskFinding]) -> tuple[Side, ...]:
    return (side,) * len(tasks)


def _by_leaning(tasks: Sequence[TaskFinding]) -> tuple[Side, ...]:
    return tuple("shared" if task.leaning == "share" else "separate" for task in tasks)


def _meanwhile(overall: Difference, tasks: Sequence[TaskFinding]) -> tuple[Side, ...]:
    """Where nothing is clear the side with the better estimate serves, and a task that probably loses by
    that the other one."""
    better: Side = "shared" if overall.mean > 0 else "separate"
    found: list[Side] = []
    for task in tasks:
        side = better
        if side == "shared" and task.losing is not None and task.losing > 0.5:
            side = "separate"
        if side == "separate" and task.gaining is not None and task.gaining > 0.5:
            side = "shared"
        found.append(side)
    return tuple(found)
