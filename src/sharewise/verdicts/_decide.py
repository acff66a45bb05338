"""From evidence to a decision. Nothing here fits or prints anything."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sharewise.studies import FREE, Limits
from sharewise.tasks import Array
from sharewise.verdicts._alone import Alone, choose_alone
from sharewise.verdicts._difference import Difference
from sharewise.verdicts._evidence import Evidence, frequent, mean_known
from sharewise.verdicts._limited import one_side
from sharewise.verdicts._need import Need, need
from sharewise.verdicts._pooling import moderated, pool
from sharewise.verdicts._rules import Leaning, Side, TaskFinding, rule
from sharewise.verdicts._statistics import holm, mean_over_tasks
from sharewise.verdicts._verdict import Outcome

__all__ = ["Decision", "Leaning", "TaskFinding", "cheapest", "decide"]

ALONE_REASONS = {
    "equivalent": "nothing shares here, and a cheaper family keeps up with the best within the region of equivalence",
    "separate": "nothing shares here, and every cheaper family loses more than the region of equivalence",
    "undecided": "nothing shares here, and whether a cheaper family keeps up with the best is not clear",
    "cheapest": "nothing shares here, and no family that is cheaper than the best was tried",
}


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
        alone: Where nothing shared: how the families compare.
    """

    outcome: Outcome
    overall: Difference | None
    tasks: tuple[TaskFinding, ...]
    separate: int
    shared: int | None
    deploy: tuple[int, ...]
    reason: str
    alone: Alone | None = None


def decide(evidence: Evidence, limits: Limits = FREE, *, alone: bool = False) -> Decision:
    """Compare the best that can be done without sharing to the best that can be done with it.

    Each side is represented, in every round, by the candidate its inner folds prefer, so that the outer
    difference is free of the winner's curse. What follows from the findings is said in `rule`. Where the user's limits
    leave only one side, that side it is, and nothing is compared. Where nothing was asked to share (``alone``), families
    are compared instead.
    """
    n_tasks = len(evidence.metrics)
    forced = one_side(evidence, limits)
    if forced is not None:
        shares, reason = forced
        row = frequent(evidence.champions(evidence.side(shares=shares)), evidence.inner)
        outcome: Outcome = "share" if shares else "separate"
        return Decision(outcome, None, (), row, row if shares else None, (row,) * n_tasks, reason)
    apart = evidence.champions(evidence.side(shares=False))
    separate = frequent(apart, evidence.inner)
    sharing = evidence.side(shares=True)
    if not sharing and not alone:
        reason = "no strategy that shares went through the comparison"
        return Decision("undecided", None, (), separate, None, (separate,) * n_tasks, reason)
    if not sharing:
        found = choose_alone(evidence)
        reason = ALONE_REASONS[found.outcome if found.rival is not None else "cheapest"]
        serves = (found.serves,) * n_tasks
        return Decision(found.outcome, None, (), found.best, None, serves, reason, found)
    together = evidence.champions(sharing)
    shared = frequent(together, evidence.inner)
    reference, scores = evidence.scores_of(apart), evidence.scores_of(together)
    gains = evidence.gains(scores, reference)
    overall = evidence.summarise(mean_over_tasks(gains))
    tasks = _informed(evidence, overall, gains, _findings(evidence, gains, scores, reference))
    ruling = rule(overall, tasks, rope=evidence.rope, confidence=evidence.confidence)
    rows: dict[Side, int] = {"separate": separate, "shared": shared}
    if "cheapest" in ruling.serves:
        rows["cheapest"] = cheapest(evidence, separate, shared)
    deploy = tuple(rows[side] for side in ruling.serves)
    return Decision(ruling.outcome, overall, tasks, separate, shared, deploy, ruling.reason)


def _findings(evidence: Evidence, gains: Array, scores: Array, reference: Array) -> tuple[TaskFinding, ...]:
    """Each task by itself, corrected for looking at all of them."""
    differences = [evidence.summarise(gains[:, task]) for task in range(gains.shape[1])]
    known = [task for task, found in enumerate(differences) if found.p_value is not None]
    adjusted: dict[int, float] = dict(
        zip(known, holm([differences[task].p_value or 0.0 for task in known]), strict=True)
    )
    apart, together = mean_known(reference), mean_known(scores)
    found = []
    for task, one in enumerate(differences):
        p = adjusted.get(task)
        leaning: Leaning = "unclear"
        if p is not None and p < 1 - evidence.confidence and abs(one.mean) >= evidence.rope:
            leaning = "share" if one.mean > 0 else "separate"
        sides = float(apart[task]), float(together[task])
        found.append(TaskFinding(one, p, leaning, *sides))
    return tuple(found)


def _informed(
    evidence: Evidence, overall: Difference, gains: Array, tasks: tuple[TaskFinding, ...]
) -> tuple[TaskFinding, ...]:
    """The findings with what the tasks tell one another."""
    if overall.interval is None:
        return tasks
    around = gains - mean_over_tasks(gains)[:, None]
    deviations = [evidence.summarise(around[:, task]) for task in range(gains.shape[1])]
    found = pool(overall, deviations, rope=evidence.rope)
    errors = moderated([task.difference for task in tasks])
    return tuple(
        replace(
            task,
            expected=float(found.mean[place]),
            losing=float(found.losing[place]),
            gaining=float(found.gaining[place]),
            need=_need(
                evidence, task, float(errors[place]), found.mean[place], found.error[place], len(tasks)
            ),
        )
        for place, task in enumerate(tasks)
    )


def _need(
    evidence: Evidence, task: TaskFinding, error: float, mean: float, spread: float, looks: int
) -> Need | None:
    """What would settle a task, planned with what all tasks tell of its gain and its noise: of many tasks
    those that look nearest to settled do so partly by luck."""
    if task.leaning != "unclear":
        return None
    planned = replace(task.difference, error=error)
    belief = (float(mean), float(spread))
    return need(planned, rope=evidence.rope, confidence=evidence.confidence, looks=looks, belief=belief)


def cheapest(evidence: Evidence, separate: int, shared: int) -> int:
    """The smallest row whose mean inner error is within the ROPE of the better side's."""
    inner, size = evidence.mean_inner(), evidence.size.mean(axis=0)
    best = min(inner[separate], inner[shared])
    rows = [r for r in range(len(inner)) if evidence.within[r] and inner[r] <= best * (1 + evidence.rope)]
    return min(rows, key=lambda row: (size[row], row))
