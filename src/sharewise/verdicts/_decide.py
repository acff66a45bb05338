"""The rules that turn evidence into one of five outcomes. Nothing here fits or prints anything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from sharewise.tasks import Array
from sharewise.verdicts._evidence import Evidence, frequent
from sharewise.verdicts._statistics import Difference, holm
from sharewise.verdicts._verdict import Outcome

Leaning = Literal["share", "separate", "unclear"]


@dataclass(frozen=True)
class TaskFinding:
    """What sharing does to one task.

    Attributes:
        difference: Gain of the shared side over the separate one.
        p_adjusted: After Holm's correction over tasks; None without an interval.
        leaning: ``share`` for a clear gain beyond the ROPE, ``separate`` for a clear loss.
        separate, shared: Mean scores of both sides.
    """

    difference: Difference
    p_adjusted: float | None
    leaning: Leaning
    separate: float
    shared: float


@dataclass(frozen=True)
class Decision:
    """An outcome with what it rests on.

    Attributes:
        outcome: One of the five.
        overall: Gain of the shared side over the separate one, mean over tasks; None without a shared side.
        tasks: One finding a task.
        separate, shared: Row of the table that represents each side (chosen most often on inner folds).
        deploy: Row to deploy for each task.
        reason: Which rule decided, in words.
    """

    outcome: Outcome
    overall: Difference | None
    tasks: tuple[TaskFinding, ...]
    separate: int
    shared: int | None
    deploy: tuple[int, ...]
    reason: str


def decide(evidence: Evidence) -> Decision:
    """Compare the best that can be done without sharing to the best that can be done with it.

    Each side is represented, in every round, by the candidate its inner folds prefer, so that the outer
    difference is free of the winner's curse. Tasks are judged with Holm's correction.
    """
    apart = evidence.champions(evidence.side(shares=False))
    separate = frequent(apart, evidence.inner)
    n_tasks = len(evidence.metrics)
    sharing = evidence.side(shares=True)
    if not sharing:
        reason = "no strategy that shares was in the comparison"
        return Decision("undecided", None, (), separate, None, (separate,) * n_tasks, reason)
    together = evidence.champions(sharing)
    shared = frequent(together, evidence.inner)
    reference, scores = evidence.scores_of(apart), evidence.scores_of(together)
    overall = evidence.compare(scores, reference)
    tasks = _findings(evidence, scores, reference)
    outcome, reason = _outcome(overall, tasks, evidence.rope, evidence.confidence)
    return Decision(
        outcome,
        overall,
        tasks,
        separate,
        shared,
        _deploy(evidence, outcome, overall, tasks, separate, shared),
        reason,
    )


def _findings(evidence: Evidence, scores: Array, reference: Array) -> tuple[TaskFinding, ...]:
    gains = evidence.gains(scores, reference)
    differences = [evidence.summarise(gains[:, task]) for task in range(gains.shape[1])]
    known = [task for task, found in enumerate(differences) if found.p_value is not None]
    adjusted: dict[int, float] = dict(
        zip(known, holm([differences[task].p_value or 0.0 for task in known]), strict=True)
    )
    found = []
    for task, one in enumerate(differences):
        p = adjusted.get(task)
        leaning: Leaning = "unclear"
        if p is not None and p < 1 - evidence.confidence and abs(one.mean) >= evidence.rope:
            leaning = "share" if one.mean > 0 else "separate"
        means = [
            float(np.nanmean(s[:, task])) if not np.isnan(s[:, task]).all() else float("nan")
            for s in (reference, scores)
        ]
        found.append(TaskFinding(one, p, leaning, *means))
    return tuple(found)


def _outcome(
    overall: Difference, tasks: tuple[TaskFinding, ...], rope: float, confidence: float
) -> tuple[Outcome, str]:
    gain = [task for task in tasks if task.leaning == "share"]
    harm = [task for task in tasks if task.leaning == "separate"]
    if overall.interval is None:
        return "undecided", "fewer than two rounds were finished"
    low, high = overall.interval
    if harm and (gain or low > 0):
        return "route", "sharing helps overall or some tasks, and clearly harms others"
    if gain and high < 0:
        return "route", "sharing harms overall, and clearly helps some tasks"
    if low > 0 and overall.mean >= rope:
        return "share", "the gain's interval lies above zero and the gain beyond the region of equivalence"
    if high < 0 and overall.mean <= -rope:
        return "separate", "the gain's interval lies below zero and the loss beyond the region of equivalence"
    if overall.equivalent is not None and overall.equivalent >= confidence:
        return "equivalent", "the gain lies almost certainly inside the region of equivalence"
    if gain:
        return "route", "some tasks clearly gain from sharing; for the others nothing is clear"
    if harm:
        return "separate", "some tasks are clearly harmed by sharing and none clearly gains"
    return "undecided", "the evidence neither rules out a gain or loss that matters nor establishes one"


def _deploy(
    evidence: Evidence,
    outcome: Outcome,
    overall: Difference,
    tasks: tuple[TaskFinding, ...],
    separate: int,
    shared: int,
) -> tuple[int, ...]:
    """Rows to deploy. Where nothing is clear the side with the better estimate serves meanwhile; where
    all is equivalent, the smallest model within the region of equivalence of the best."""
    if outcome == "share":
        return (shared,) * len(tasks)
    if outcome == "separate":
        return (separate,) * len(tasks)
    likely = shared if overall.mean > 0 else separate
    if outcome == "route":
        default = (
            likely if overall.interval and (overall.interval[0] > 0 or overall.interval[1] < 0) else separate
        )
        serves = {"share": shared, "separate": separate, "unclear": default}
        return tuple(serves[task.leaning] for task in tasks)
    if outcome == "equivalent":
        return (cheapest(evidence, separate, shared),) * len(tasks)
    return (likely,) * len(tasks)


def cheapest(evidence: Evidence, separate: int, shared: int) -> int:
    """The smallest row whose mean inner error is within the ROPE of the better side's."""
    inner, size = evidence.inner.mean(axis=0), evidence.size.mean(axis=0)
    best = min(inner[separate], inner[shared])
    rows = [r for r in range(len(inner)) if inner[r] <= best * (1 + evidence.rope)]
    return min(rows, key=lambda row: (size[row], row))
