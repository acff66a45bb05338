"""The decision in words: one sentence, its reasons, and what would change it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sharewise.problems import Problem
from sharewise.studies import BEST, BLEND, Candidate
from sharewise.verdicts._decide import Decision, TaskFinding
from sharewise.verdicts._evidence import Evidence
from sharewise.verdicts._statistics import Difference, need

FAMILY_WORDS = {"linear": "linear models", "trees": "trees", "network": "networks"}
NAMED = 3


def percent(value: float) -> str:
    """``0.034`` as ``3.4%``, without a sign for what rounds to zero."""
    text = f"{100 * value:.1f}"
    return f"{0.0:.1f}%" if float(text) == 0 else f"{text}%"


def interval(found: Difference, confidence: float) -> str:
    """``95% interval 1.2% to 5.6%``."""
    if found.interval is None:
        return "no interval: fewer than two rounds"
    low, high = found.interval
    return f"{100 * confidence:.0f}% interval {percent(low)} to {percent(high)}"


def describe(candidate: Candidate) -> str:
    """What a row of the table is, for people."""
    family = FAMILY_WORDS.get(candidate.family, candidate.family)
    if candidate.family == BLEND:
        own = "each task's own models" if not candidate.shares else "separate and shared models"
        return f"an ensemble of {own} over all families"
    if candidate.family == BEST:
        return "a model of its own for each task, each in its best family"
    return {
        "separate": f"a model of its own for each task ({family})",
        "joint": f"one joint model for all tasks ({family})",
        "chained": f"a chain in which each task reads the predictions before it ({family})",
        "constant": "a constant",
    }.get(candidate.strategy, f"{candidate.strategy} ({family})")


def _names(problem: Problem, places: Sequence[int]) -> str:
    names = [f"'{problem.tasks[place].name}'" for place in places[:NAMED]]
    more = len(places) - len(names)
    listed = ", ".join(names[:-1]) + " and " + names[-1] if len(names) > 1 and not more else ", ".join(names)
    return f"{listed} and {more} more" if more else listed


def _leaning(decision: Decision, leaning: str) -> list[int]:
    found = [place for place, task in enumerate(decision.tasks) if task.leaning == leaning]
    return sorted(found, key=lambda place: -abs(decision.tasks[place].difference.mean))


def sentence(problem: Problem, evidence: Evidence, decision: Decision) -> str:
    """The verdict a newcomer understands."""
    overall, confidence = decision.overall, evidence.confidence
    deployed = evidence.candidates[decision.deploy[0]]
    if overall is None:
        return f"Undecided: {decision.reason}. Meanwhile: {describe(deployed)}."
    measured = interval(overall, confidence)
    direction = "lowers the error" if overall.mean >= 0 else "raises the error"
    by = percent(abs(overall.mean))
    match decision.outcome:
        case "share":
            return f"Share: letting the tasks learn from each other gains {by} ({measured}); deploy {describe(deployed)}."
        case "separate":
            if overall.interval and overall.interval[1] < 0:
                return f"Keep them separate: sharing costs {by} ({measured}, negative is a loss); deploy {describe(deployed)}."
            harmed = _names(problem, _leaning(decision, "separate"))
            return f"Keep them separate: sharing clearly harms {harmed} and clearly helps no task; deploy {describe(deployed)}."
        case "route":
            gain, harm = _leaning(decision, "share"), _leaning(decision, "separate")
            parts = []
            if gain:
                parts.append(f"sharing clearly helps {_names(problem, gain)}")
            elif overall.interval and overall.interval[0] > 0:
                parts.append(f"sharing helps on average ({by}, {measured})")
            if harm:
                parts.append(f"it clearly harms {_names(problem, harm)}")
            elif len(gain) < len(problem.tasks):
                parts.append("for the others nothing is clear, so they keep their own models")
            return f"Route task by task: {', and '.join(parts)}."
        case "equivalent":
            return (
                f"Equivalent: sharing changes the error by {percent(-overall.mean)} ({measured} of gain), which is less than "
                f"the {percent(evidence.rope)} that would matter; take the cheapest that keeps up, {describe(deployed)}."
            )
        case _:
            if overall.interval is None:
                return f"Undecided: {decision.reason}; meanwhile {describe(deployed)}."
            return (
                f"Undecided: sharing {direction} by {by} in this data, but the evidence is too thin to say so ({measured} "
                f"of gain); meanwhile {describe(deployed)}."
            )


def reasons(problem: Problem, evidence: Evidence, decision: Decision) -> list[str]:
    """Measured reasons, most telling first."""
    found = [f"The rule that decided: {decision.reason}."]
    overall = decision.overall
    if overall is not None and overall.better is not None:
        better, worse, same = overall.better, overall.worse or 0.0, overall.equivalent or 0.0
        found.append(
            f"Over {overall.rounds} outer folds sharing gains more than {percent(evidence.rope)} with probability "
            f"{better:.2f}, loses more than that with probability {worse:.2f}, and is within it with {same:.2f}."
        )
    found.extend(_within(evidence))
    found.extend(_by_task(problem, decision))
    found.append(_labels(problem))
    found.append(_cost(evidence, decision))
    return found


def _within(evidence: Evidence) -> list[str]:
    lines = []
    for place, candidate in enumerate(evidence.candidates):
        other = evidence.place(f"separate/{candidate.family}")
        if not candidate.shares or other is None:
            continue
        inside = evidence.compare(evidence.scores[:, place], evidence.scores[:, other])
        if inside.interval is not None:
            family = FAMILY_WORDS.get(candidate.family, "ensembles")
            word = "gains" if inside.mean >= 0 else "loses"
            lines.append(
                f"Within {family}, {candidate.strategy} {word} {percent(abs(inside.mean))} against separate "
                f"({percent(inside.interval[0])} to {percent(inside.interval[1])})."
            )
    return lines


def _by_task(problem: Problem, decision: Decision) -> list[str]:
    lines = []
    for leaning, word in (("share", "gain"), ("separate", "are harmed by sharing")):
        places = _leaning(decision, leaning)
        if places:
            listed = "; ".join(_one(problem, place, decision.tasks[place]) for place in places[:NAMED])
            lines.append(f"{len(places)} of {len(problem.tasks)} tasks clearly {word}: {listed}.")
    if decision.tasks and not lines:
        lines.append(
            f"Of {len(problem.tasks)} tasks none clearly gains and none is clearly harmed, after correcting for "
            "looking at all of them."
        )
    return lines


def _one(problem: Problem, place: int, task: TaskFinding) -> str:
    found = task.difference
    low, high = found.interval or (float("nan"), float("nan"))
    return f"'{problem.tasks[place].name}' {percent(found.mean)} ({percent(low)} to {percent(high)})"


def _labels(problem: Problem) -> str:
    counts = np.array([len(problem.rows_of(task)) for task in problem.tasks])
    spread = f"{counts.min()}" if counts.min() == counts.max() else f"{counts.min()} to {counts.max()}"
    line = f"{len(problem.tasks)} tasks with {spread} labels each (median {np.median(counts):.0f})"
    if problem.is_wide and len(problem.targets) > 1:
        known = ~np.isnan(problem.labels)
        both = float(known.all(axis=1).mean())
        return f"{line}; {percent(both)} of the rows carry all labels."
    return f"{line}; each row belongs to one task."


def _cost(evidence: Evidence, decision: Decision) -> str:
    def of(row: int) -> str:
        costs = [candidates[row] for candidates in evidence.rounds]
        seconds = np.mean([c.train_seconds for c in costs])
        latency = np.mean([c.predict_ms_per_1000_rows for c in costs])
        size = np.mean([c.size_bytes for c in costs])
        name = evidence.candidates[row].name
        return f"{name} took {seconds:.1f} s to tune and train, {latency:.1f} ms to predict 1,000 rows, {size / 1e6:.2f} MB"

    rows = [decision.separate] if decision.shared is None else [decision.separate, decision.shared]
    return f"Cost a fold: {'; '.join(of(row) for row in rows)}."


def changes(problem: Problem, evidence: Evidence, decision: Decision) -> list[str]:
    """What would change the verdict."""
    found: list[str] = []
    overall = decision.overall
    if overall is not None and overall.interval is not None:
        low, high = overall.interval
        if decision.outcome == "undecided":
            found.append(needed_text(problem, evidence, decision))
        if decision.outcome in ("share", "separate") and min(abs(low), abs(high)) < abs(overall.mean):
            bound = low if decision.outcome == "share" else -high
            if bound > evidence.rope:
                found.append(
                    f"If only differences above {percent(bound)} mattered to you (--rope {bound:.3f}), the evidence would no "
                    "longer be enough."
                )
        if decision.outcome == "equivalent":
            bound = max(abs(low), abs(high))
            found.append(
                f"A region of equivalence well below {percent(bound)} (--rope) would leave the question open."
            )
    counts = [len(problem.rows_of(task)) for task in problem.tasks]
    if decision.outcome in ("share", "route") and decision.overall is not None:
        found.append(
            f"Many more labels a task (now {int(np.median(counts))} in the middle): what sharing gains usually shrinks as each "
            "task can stand alone."
        )
    if decision.outcome == "separate":
        found.append(
            "Far fewer labels for some task, or new tasks nearer to each other: then sharing can pay."
        )
    unclear = [place for place, task in enumerate(decision.tasks) if task.leaning == "unclear"]
    if unclear and decision.outcome == "route":
        found.append(
            f"For {_names(problem, unclear)} the evidence is open; more labels there could move them either way."
        )
    if not found:
        found.append("More finished rounds: a longer --budget.")
    return found


def needed_text(problem: Problem, evidence: Evidence, decision: Decision) -> str:
    """How much more evidence would settle it, as far as it can be told."""
    assert decision.overall is not None
    wanted = need(decision.overall, rope=evidence.rope, confidence=evidence.confidence)
    if wanted.factor <= 1.0:
        return "It is close: a few more outer folds (a larger --budget) or some more labels should settle it."
    counts = [len(problem.rows_of(task)) for task in problem.tasks]
    more = max(int(np.median(counts) * (wanted.factor - 1)), 1)
    labels = f"about {more:,} more labels a task" if more < 1e6 else "far more labels than a million a task"
    if wanted.rounds is None:
        return f"If the gain is what it looks like, {labels} would settle it; more folds of these rows alone would not."
    return f"If the gain is what it looks like, {wanted.rounds} outer folds of these rows, or {labels}, would settle it."
