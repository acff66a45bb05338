"""The decision in words: one sentence and its reasons. What would change it is in `_changes`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sharewise.problems import Problem
from sharewise.verdicts._alone_words import alone_sentence
from sharewise.verdicts._changes import changes, needed_text
from sharewise.verdicts._course import groups_sentence, race_sentence, tuning_sentence
from sharewise.verdicts._decide import Decision, TaskFinding
from sharewise.verdicts._describe import FAMILY_WORDS, describe
from sharewise.verdicts._evidence import Evidence
from sharewise.verdicts._insight import NOTHING, Insight
from sharewise.verdicts._phrases import NAMED, percent, plural, quoted, spanned, sure
from sharewise.verdicts._statistics import Difference

__all__ = ["changes", "describe", "needed_text", "percent", "reasons", "sentence"]


def interval(found: Difference, confidence: float) -> str:
    """``95% interval 1.2% to 5.6%``."""
    if found.interval is None:
        return "no interval: fewer than two rounds"
    return f"{sure(confidence)} interval {spanned(found.interval)}"


def _names(problem: Problem, places: Sequence[int]) -> str:
    return quoted([problem.tasks[place].name for place in places])


def _leaning(decision: Decision, leaning: str) -> list[int]:
    found = [place for place, task in enumerate(decision.tasks) if task.leaning == leaning]
    return sorted(found, key=lambda place: -abs(decision.tasks[place].difference.mean))


def sentence(problem: Problem, evidence: Evidence, decision: Decision, insight: Insight = NOTHING) -> str:
    """The verdict a newcomer understands."""
    overall, confidence = decision.overall, evidence.confidence
    rows = dict.fromkeys(decision.deploy)
    deployed = "; ".join(describe(evidence.candidates[row], insight.learnt_together) for row in rows)
    if decision.alone is not None:
        return alone_sentence(evidence, decision.alone)
    if overall is None and decision.outcome != "undecided":
        word = "Share" if decision.outcome == "share" else "Keep them separate"
        return f"{word}: {decision.reason}; deploy {deployed}."
    if overall is None:
        return f"Undecided: {decision.reason}. Meanwhile: {deployed}."
    measured = interval(overall, confidence)
    direction = "lowers the error" if overall.mean >= 0 else "raises the error"
    by = percent(abs(overall.mean))
    match decision.outcome:
        case "share":
            return (
                f"Share: letting the tasks learn from each other gains {by} ({measured}); deploy {deployed}."
            )
        case "separate":
            if overall.interval and overall.interval[1] < 0:
                return f"Keep them separate: sharing costs {by} ({measured}, negative is a loss); deploy {deployed}."
            harmed = _leaning(decision, "separate")
            if not harmed:
                return f"Keep them separate: {decision.reason}; deploy {deployed}."
            return (
                f"Keep them separate: sharing clearly harms {_names(problem, harmed)} and clearly helps no task; "
                f"deploy {deployed}."
            )
        case "route":
            gain, harm = _leaning(decision, "share"), _leaning(decision, "separate")
            parts = []
            if gain:
                parts.append(f"sharing clearly helps {_names(problem, gain)}")
            elif overall.interval and overall.interval[0] > 0:
                parts.append(f"sharing helps on average ({by}, {measured})")
            if harm:
                parts.append(f"it clearly harms {_names(problem, harm)}")
            parts.extend(_unclear(problem, evidence, decision))
            return f"Route task by task: {', and '.join(parts)}."
        case "equivalent":
            return (
                f"Equivalent: sharing changes the error by {percent(-overall.mean)} ({measured} of gain), which is less than "
                f"the {percent(evidence.rope)} that would matter; take the cheapest that keeps up, {deployed}."
            )
        case _:
            low, high = overall.interval or (-1.0, 1.0)
            if overall.interval is None or low > 0 or high < 0:
                return f"Undecided: {decision.reason}; meanwhile {deployed}."
            return (
                f"Undecided: sharing {direction} by {by} in this data, but the evidence is too thin to say so ({measured} "
                f"of gain); meanwhile {deployed}."
            )


def _unclear(problem: Problem, evidence: Evidence, decision: Decision) -> list[str]:
    """What serves the tasks about which nothing is clear by themselves."""
    others = [place for place, task in enumerate(decision.tasks) if task.leaning == "unclear"]
    together = [place for place in others if evidence.candidates[decision.deploy[place]].shares]
    alone = [place for place in others if place not in together]
    if together and alone:
        kept = "keeps its own model" if len(alone) == 1 else "keep their own models"
        rest = f"{plural(len(together), 'other task')} {'shares' if len(together) == 1 else 'share'}"
        return [f"where nothing is clear {_names(problem, alone)} {kept} and {rest}"]
    if together:
        return ["for the others nothing is clear by itself, so they share"]
    return ["for the others nothing is clear, so they keep their own models"] if alone else []


def reasons(
    problem: Problem, evidence: Evidence, decision: Decision, insight: Insight = NOTHING
) -> list[str]:
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
    if insight.groups is not None:
        found.append(groups_sentence(insight.groups))
    if insight.harm is not None:
        found.append(insight.harm.text)
    found.append(_cost(evidence, decision))
    if insight.race is not None:
        found.append(race_sentence(insight.race))
    if insight.tuning is not None:
        found.append(tuning_sentence(insight.tuning))
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
                f"({spanned(inside.interval)})."
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
        costs = evidence.present(row)
        seconds = np.mean([c.train_seconds for c in costs])
        latency = np.mean([c.predict_ms_per_1000_rows for c in costs])
        size = np.mean([c.size_bytes for c in costs])
        name = evidence.candidates[row].name
        return f"{name} took {seconds:.1f} s to tune and train, {latency:.1f} ms to predict 1,000 rows, {size / 1e6:.2f} MB"

    rows = [decision.separate] if decision.shared is None else [decision.separate, decision.shared]
    return f"Cost a fold: {'; '.join(of(row) for row in rows)}."
