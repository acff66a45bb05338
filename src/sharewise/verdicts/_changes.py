"""What would change the verdict, in words that are true of its numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sharewise.problems import Problem
from sharewise.verdicts._decide import Decision, decide
from sharewise.verdicts._evidence import Evidence
from sharewise.verdicts._insight import NOTHING, Insight
from sharewise.verdicts._need import SETTLING, need
from sharewise.verdicts._phrases import NAMED, listed, percent, plural, quoted, spanned
from sharewise.verdicts._verdict import Outcome

ROPES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.5)
"""Round values of the ROPE at which it is asked whether the verdict would be another."""
MOST_LOOKS = 5
"""Values tried either way."""
MOST_TASKS = 150
"""With more tasks, deciding again for other ROPEs takes too long."""
NEAR = 2.0
"""A corrected p within this factor of its limit is near it."""


def changes(
    problem: Problem, evidence: Evidence, decision: Decision, insight: Insight = NOTHING
) -> list[str]:
    """What would change the verdict: more labels, another ROPE, tasks near their limits, more rounds."""
    found: list[str] = []
    overall = decision.overall
    if decision.outcome == "undecided" and overall is not None and overall.interval is not None:
        found.append(needed_text(problem, evidence, decision, insight))
    found.extend(_by_labels(problem, decision, insight))
    found.extend(_by_task(problem, evidence, decision))
    found.extend(
        f"At --rope {rope:g} (a difference of {percent(rope)} matters) the same evidence would say '{outcome}'."
        for rope, outcome in rope_turns(evidence, decision)
    )
    done = len(evidence.rounds)
    if insight.planned_rounds is not None and done < insight.planned_rounds:
        found.append(
            f"Only {done} of {plural(insight.planned_rounds, 'planned round')} were finished: a longer --budget "
            "narrows the intervals."
        )
    return found or ["More finished rounds: a longer --budget."]


def needed_text(problem: Problem, evidence: Evidence, decision: Decision, insight: Insight = NOTHING) -> str:
    """How much more evidence would settle it, as far as it can be told."""
    assert decision.overall is not None
    wanted = need(decision.overall, rope=evidence.rope, confidence=evidence.confidence)
    if wanted.factor <= 1.0:
        return "It is close: a few more outer folds (a larger --budget) or some more labels should settle it."
    folds = ""
    if wanted.rounds is not None:
        folds = (
            f"if the gain is what it looks like, {wanted.rounds} outer folds of these rows would settle it; "
        )
    if not np.isfinite(wanted.factor):
        return _capital(f"{folds}no number of labels within reach is likely to settle it.")
    counts = [len(problem.rows_of(task)) for task in problem.tasks]
    more = max(int(np.median(counts) * (wanted.factor - 1)), 1)
    told = f"{folds}about {more:,} more labels a task would settle it with a chance of {SETTLING:.0%}."
    return _capital(told) + _with_labels(insight, wanted.factor)


def _capital(told: str) -> str:
    return told[0].upper() + told[1:]


def _with_labels(insight: Insight, factor: float) -> str:
    """The gain with so many labels need not be today's: what the learning curve says of it."""
    if insight.curve is None or insight.curve.fit is None:
        return ""
    found = insight.curve.gain_at(factor)
    if found is None:
        farthest = insight.curve.fit.reach[1]
        return (
            f" The learning curve cannot say what the gain will be then (it ends at {farthest:,.0f} labels)."
        )
    measured = "" if found.interval is None else f" ({spanned(found.interval)})"
    return f" With so many labels the learning curve puts the gain at {percent(found.mean)}{measured}."


def _by_labels(problem: Problem, decision: Decision, insight: Insight) -> list[str]:
    if insight.curve is not None:
        return [insight.curve.text]
    counts = [len(problem.rows_of(task)) for task in problem.tasks]
    if decision.outcome in ("share", "route") and decision.overall is not None:
        return [
            f"Many more labels a task (now {int(np.median(counts))} in the middle): what sharing gains usually shrinks as "
            "each task can stand alone."
        ]
    if decision.outcome == "separate":
        return ["Far fewer labels for some task, or new tasks nearer to each other: then sharing can pay."]
    return []


def _by_task(problem: Problem, evidence: Evidence, decision: Decision) -> list[str]:
    names = [task.name for task in problem.tasks]
    lines = []
    near = near_limits(decision, evidence.confidence)
    if near:
        shown = [
            f"'{names[place]}' ({decision.tasks[place].leaning}, {decision.tasks[place].p_adjusted:.3f})"
            for place in near
        ]
        limit = f"{1 - evidence.confidence:.2g}"
        lines.append(
            f"Near the limit (corrected p against {limit}), so that one more round may turn them: {listed(shown)}."
        )
    unclear = [place for place, task in enumerate(decision.tasks) if task.leaning == "unclear"]
    wanted = {names[p]: more for p in unclear if (more := _further(problem, decision, p)) is not None}
    if wanted:
        nearest = sorted(wanted, key=lambda name: wanted[name])
        lines.extend(task_power(name, wanted[name]) for name in nearest[:NAMED])
    elif unclear and decision.outcome == "route":
        open_ones = quoted([names[place] for place in unclear])
        lines.append(f"For {open_ones} the evidence is open; more labels there could move them either way.")
    return lines


def _further(problem: Problem, decision: Decision, place: int) -> int | None:
    """Further labels that would settle an unclear task; None where no number in reach would."""
    wanted = decision.tasks[place].need
    if wanted is None or not np.isfinite(wanted.factor):
        return None
    return int(np.ceil(len(problem.rows_of(problem.tasks[place])) * (wanted.factor - 1)))


def task_power(name: str, labels: int | None) -> str:
    """How many more labels would settle one task.

    Args:
        labels: Further labels; None where no number in reach would.
    """
    if labels is None:
        return f"For task '{name}' no number of labels within reach is likely to settle it."
    if labels <= 0:
        return f"Task '{name}' is close to being settled: a few more outer folds should do."
    return f"About {labels:,} more labels for task '{name}' would settle it with a chance of {SETTLING:.0%}."


def near_limits(decision: Decision, confidence: float) -> list[int]:
    """Tasks whose corrected p lies within a factor of `NEAR` of the limit, on the side of their leaning."""
    limit = 1 - confidence
    found = []
    for place, task in enumerate(decision.tasks):
        if task.p_adjusted is None:
            continue
        clear = task.leaning != "unclear"
        if (clear and limit / NEAR < task.p_adjusted < limit) or (
            not clear and limit <= task.p_adjusted < limit * NEAR
        ):
            found.append(place)
    return sorted(found, key=lambda place: abs((decision.tasks[place].p_adjusted or 0.0) - limit))


def rope_turns(evidence: Evidence, decision: Decision) -> list[tuple[float, Outcome]]:
    """The nearest smaller and larger ROPEs at which `decide` says something else, with what it says."""
    if decision.overall is None or decision.overall.interval is None or len(evidence.metrics) > MOST_TASKS:
        return []
    lower = [rope for rope in reversed(ROPES) if rope < evidence.rope][:MOST_LOOKS]
    higher = [rope for rope in ROPES if rope > evidence.rope][:MOST_LOOKS]
    found = []
    for ropes in (lower, higher):
        for rope in ropes:
            outcome = decide(replace(evidence, rope=rope)).outcome
            if outcome != decision.outcome:
                found.append((rope, outcome))
                break
    return found
