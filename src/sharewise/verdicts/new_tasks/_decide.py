"""From evidence on new tasks to an outcome for each number of labels and one for all of them.

*One number of labels* is said to gain or to lose by sharing where Holm's correction over all ``K`` of them leaves
the difference significant and its estimate lies beyond the ROPE, as single tasks are judged elsewhere: the chance
of any false claim stays below one less the confidence. It is ``equivalent`` where the posterior puts it inside the
ROPE, likewise corrected; where *all* are inside it with the confidence asked for no correction is needed, because
that claim is wrong as soon as one of them is (an intersection-union test, Berger 1982).

*All together*: ``share`` where sharing clearly helps with some number of labels and clearly harms with none,
``separate`` the other way round, ``route`` where it does both, ``equivalent`` where all are, else ``undecided``.

Symbols: ``J`` rounds, ``K`` numbers of labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sharewise.studies.new_tasks import Entry
from sharewise.tasks import Array
from sharewise.verdicts._difference import Difference
from sharewise.verdicts._statistics import holm
from sharewise.verdicts._verdict import Outcome
from sharewise.verdicts.new_tasks._evidence import NewEvidence, frequent, mean_over_shots


@dataclass(frozen=True)
class ShotFinding:
    """What sharing does with one number of labels.

    Attributes:
        labels: How many.
        difference: Gain of the sharing side over the other.
        p_adjusted: After Holm's correction over the numbers of labels; None without an interval.
        outcome: Never ``route``.
        shared, separate: Who represented each side most often; None where nobody did.
    """

    labels: int
    difference: Difference
    p_adjusted: float | None
    outcome: Outcome
    shared: Entry | None
    separate: Entry | None


@dataclass(frozen=True)
class NewDecision:
    """An outcome with what it rests on.

    Attributes:
        outcome: One of the five.
        shots: One finding a number of labels, rising.
        overall: Gain of sharing, mean over numbers of labels.
        gains: ``(J, K)`` of sharing in every round.
        reason: Which rule decided, in words.
    """

    outcome: Outcome
    shots: tuple[ShotFinding, ...]
    overall: Difference
    gains: Array
    reason: str


def decide_new(evidence: NewEvidence) -> NewDecision:
    """Compare the best that uses other tasks with the best that does not, for each number of labels."""
    together, apart = evidence.side(shares=True), evidence.side(shares=False)
    gains = evidence.gains(together, apart)
    found = [evidence.summarise(gains[:, k]) for k in range(len(evidence.shots))]
    adjusted = _adjusted([one.p_value for one in found])
    outcomes = _outcomes(found, adjusted, rope=evidence.rope, confidence=evidence.confidence)
    shots = tuple(
        ShotFinding(labels, found[k], adjusted[k], outcomes[k], frequent(together, k), frequent(apart, k))
        for k, labels in enumerate(evidence.shots)
    )
    outcome, reason = overall_outcome(outcomes)
    if not any(one.shared for one in shots):
        reason = "no strategy that shares served a test task"
    elif not any(one.separate for one in shots):
        reason = (
            "nothing that uses no other tasks served a test task, so that there is nothing to compare with"
        )
    elif all(one.interval is None for one in found):
        reason = "fewer than two rounds were finished"
    return NewDecision(outcome, shots, evidence.summarise(mean_over_shots(gains)), gains, reason)


def overall_outcome(outcomes: Sequence[Outcome]) -> tuple[Outcome, str]:
    """One outcome for all numbers of labels, with its rule in words."""
    gain, harm = "share" in outcomes, "separate" in outcomes
    if gain and harm:
        return "route", "sharing clearly helps with some numbers of labels and clearly harms with others"
    if gain:
        return "share", "sharing clearly helps with some number of labels and clearly harms with none"
    if harm:
        return "separate", "sharing clearly harms with some number of labels and clearly helps with none"
    if outcomes and all(outcome == "equivalent" for outcome in outcomes):
        return "equivalent", "the gain lies inside the region of equivalence with every number of labels"
    return (
        "undecided",
        "with no number of labels the evidence is clear, and it does not rule out a difference that matters",
    )


def _outcomes(
    found: Sequence[Difference], adjusted: Sequence[float | None], *, rope: float, confidence: float
) -> list[Outcome]:
    if all(one.equivalent is not None and one.equivalent >= confidence for one in found):
        return ["equivalent"] * len(found)
    outside = _adjusted([None if one.equivalent is None else 1 - one.equivalent for one in found])
    outcomes: list[Outcome] = []
    for one, p, q in zip(found, adjusted, outside, strict=True):
        if p is not None and p < 1 - confidence and abs(one.mean) >= rope:
            outcomes.append("share" if one.mean > 0 else "separate")
        elif q is not None and q <= 1 - confidence:
            outcomes.append("equivalent")
        else:
            outcomes.append("undecided")
    return outcomes


def _adjusted(p_values: Sequence[float | None]) -> list[float | None]:
    """Holm's correction over those that are known."""
    known = [place for place, p in enumerate(p_values) if p is not None]
    corrected = dict(zip(known, holm([p for p in p_values if p is not None]), strict=True))
    return [corrected.get(place) for place in range(len(p_values))]
