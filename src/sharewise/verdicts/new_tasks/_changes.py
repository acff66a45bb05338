"""What would change the verdict on new tasks: more tasks, more labels, another ROPE."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy.special import stdtrit

from sharewise.verdicts._changes import ROPES
from sharewise.verdicts._difference import Difference
from sharewise.verdicts._need import FACTORS, SETTLING, chance_of_settling
from sharewise.verdicts._phrases import percent, plural
from sharewise.verdicts._verdict import Outcome
from sharewise.verdicts.new_tasks._decide import NewDecision, decide_new
from sharewise.verdicts.new_tasks._describe import labels_words, line_name
from sharewise.verdicts.new_tasks._evidence import NewEvidence

MOST_FACTOR = 100.0
"""More times as many tasks than this are out of reach."""
MOST_LINES = 3


def changes(evidence: NewEvidence, decision: NewDecision) -> list[str]:
    """What would change the verdict, nearest first."""
    found = _more_tasks(evidence, decision)
    found.extend(_more_labels(evidence))
    found.extend(_ropes(evidence, decision))
    done, planned = len(evidence.findings.rounds), evidence.findings.planned
    if done < planned:
        found.append(
            f"Only {done} of {plural(planned, 'planned round')} were finished: a longer --budget narrows the intervals."
        )
    if evidence.findings.unfinished:
        names = ", ".join(evidence.findings.unfinished[:6])
        found.append(f"Not finished in every round: {names}. A longer --budget lets them take part.")
    return found


def tasks_factor(found: Difference, *, rope: float, confidence: float, looks: int) -> float:
    """Times as many tasks that would settle a gain with a chance of `SETTLING`; infinite where none in reach would.

    The gain is believed to stay as it is, known as well as today, and its error to fall with the root of the tasks.
    That more training tasks may make sharing itself better is left out.

    Args:
        looks: Numbers of labels looked at together, each of which must hold against all (Bonferroni).
    """
    if found.interval is None:
        return float("inf")
    level = 1 - (1 - confidence) / looks
    error = found.error * FACTORS**-0.5
    quantile = float(stdtrit(found.freedom, 0.5 + level / 2))
    chances = chance_of_settling(
        np.full(len(FACTORS), found.mean), np.hypot(found.error, error), quantile * error, rope=rope
    )
    enough = np.flatnonzero(chances >= SETTLING)
    return float(FACTORS[enough[0]]) if len(enough) else float("inf")


def _more_tasks(evidence: NewEvidence, decision: NewDecision) -> list[str]:
    ways, told = evidence.findings.ways, []
    for shot in decision.shots:
        if shot.outcome != "undecided" or shot.difference.interval is None:
            continue
        factor = tasks_factor(
            shot.difference, rope=evidence.rope, confidence=evidence.confidence, looks=len(decision.shots)
        )
        where = labels_words(shot.labels, ways)
        noun = "tasks" if ways is None else "classes"
        if factor > MOST_FACTOR:
            told.append(f"With {where} no number of {noun} within reach is likely to settle it.")
        else:
            times = f"about {factor:.2g} times as many {noun}" if factor > 1.1 else f"a few more {noun}"
            told.append(f"With {where} {times} would settle it with a chance of {SETTLING:.0%}.")
    return told[:MOST_LINES]


def _more_labels(evidence: NewEvidence) -> list[str]:
    findings = evidence.findings
    last = labels_words(evidence.shots[-1], findings.ways)
    told = [f"More than {last} were not measured: name larger numbers with --shots where tasks have them."]
    first, most = evidence.tasks(0), evidence.tasks(len(evidence.shots) - 1)
    if most < first:
        told.append(f"Only {most:,} of {first:,} test tasks have {last}; those with fewer rows may differ.")
    return told


def _ropes(evidence: NewEvidence, decision: NewDecision) -> list[str]:
    """The nearest smaller and larger ROPEs at which the same evidence says something else."""
    if all(shot.difference.interval is None for shot in decision.shots):
        return []
    lower = [rope for rope in reversed(ROPES) if rope < evidence.rope]
    higher = [rope for rope in ROPES if rope > evidence.rope]
    found = [turn for ropes in (lower, higher) if (turn := _turn(evidence, decision, ropes)) is not None]
    return [
        f"At --rope {rope:g} (a difference of {percent(rope)} matters) the same evidence would say '{outcome}'."
        for rope, outcome in found
    ]


def _turn(
    evidence: NewEvidence, decision: NewDecision, ropes: Sequence[float]
) -> tuple[float, Outcome] | None:
    for rope in ropes:
        outcome = decide_new(replace(evidence, rope=rope)).outcome
        if outcome != decision.outcome:
            return rope, outcome
    return None


def unfinished_rows(evidence: NewEvidence) -> list[str]:
    """Names of what no finished round has."""
    there = {line_name(line) for line in evidence.lines} | {"/".join(line) for line in evidence.lines}
    return [name for name in evidence.findings.unfinished if name not in there]
