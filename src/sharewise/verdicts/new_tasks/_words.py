"""The advice in one sentence, no more than its intervals carry."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from sharewise.verdicts._phrases import listed, percent, spanned, sure
from sharewise.verdicts._verdict import Outcome
from sharewise.verdicts.new_tasks._decide import NewDecision, ShotFinding
from sharewise.verdicts.new_tasks._describe import describe_new, labels_words
from sharewise.verdicts.new_tasks._evidence import NewEvidence
from sharewise.verdicts.new_tasks._meeting import Meeting
from sharewise.verdicts.new_tasks._serve import Serving, server_at


@dataclass(frozen=True)
class Advice:
    """What the sentence is made of.

    Attributes:
        crossings: Where the gain of sharing meets zero.
    """

    evidence: NewEvidence
    decision: NewDecision
    serve: tuple[Serving, ...]
    crossings: tuple[Meeting, ...]

    @property
    def ways(self) -> int | None:
        return self.evidence.findings.ways


@dataclass(frozen=True)
class Run:
    """Neighbouring numbers of labels with the same outcome."""

    outcome: Outcome
    shots: tuple[ShotFinding, ...]

    @property
    def first(self) -> int:
        return self.shots[0].labels

    @property
    def last(self) -> int:
        return self.shots[-1].labels


def sentence(advice: Advice) -> str:
    """The verdict a newcomer understands."""
    decision = advice.decision
    parts = runs(decision)
    match decision.outcome:
        case "route":
            return _routed(advice, parts)
        case "share":
            return f"Share: {_one_sided(advice, parts, 'share')}."
        case "separate":
            return f"Do not share: {_one_sided(advice, parts, 'separate')}."
        case "equivalent":
            span = _range(advice, decision.shots[0].labels, decision.shots[-1].labels)
            return (
                f"Equivalent: with {span} sharing changes the error by less than the {percent(advice.evidence.rope)} that "
                f"would matter; take the smallest that keeps up, {servers(advice, decision.shots)}."
            )
        case _:
            return _undecided(advice)


def runs(decision: NewDecision) -> list[Run]:
    """Neighbours of equal outcome together."""
    found: list[Run] = []
    for shot in decision.shots:
        if found and found[-1].outcome == shot.outcome:
            found[-1] = Run(shot.outcome, (*found[-1].shots, shot))
        else:
            found.append(Run(shot.outcome, (shot,)))
    return found


def servers(advice: Advice, shots: Sequence[ShotFinding]) -> str:
    """Who serves these numbers of labels: ``a``, or ``a; from 10 on b``."""
    used = list(dict.fromkeys(server_at(advice.serve, shot.labels) for shot in shots))
    first, rest = describe_new(*used[0][1:]), used[1:]
    if not rest:
        return first
    more = [f"from {one[0]:,} on {describe_new(*one[1:])}" for one in rest]
    return f"{first}; {listed(more)}"


def measured(advice: Advice, shots: Sequence[ShotFinding], *, cost: bool = False) -> str:
    """``12.0% better (8.0% to 16.0%) with 5 labels and 3.0% (…) with 20``: the ends of a run."""
    ends = [shots[0], shots[-1]] if len(shots) > 1 else [shots[0]]
    told = []
    for place, shot in enumerate(ends):
        found = shot.difference
        mean, interval = found.mean, found.interval
        if cost:
            mean, interval = -mean, None if interval is None else (-interval[1], -interval[0])
        within = "" if interval is None else f" ({spanned(interval)})"
        amount = labels_words(shot.labels, advice.ways) if place == 0 else f"{shot.labels:,}"
        told.append(f"{percent(mean)}{within} with {amount}")
    return " and ".join(told)


def _range(advice: Advice, first: int, last: int) -> str:
    return (
        labels_words(last, advice.ways)
        if first == last
        else f"{first:,} to {labels_words(last, advice.ways)}"
    )


def _routed(advice: Advice, parts: Sequence[Run]) -> str:
    """Two sides in a row with the place between them, or one clause a run."""
    told = [part for part in parts if part.outcome in ("share", "separate")]
    if len(told) == 2:
        before, after = told
        low, high, between = _place(advice, before, after)
        below = (
            f"fewer than about {labels_words(high, advice.ways)}"
            if low == high
            else f"up to about {labels_words(low, advice.ways)}"
        )
        beyond = "with more" if low == high else f"beyond about {high:,}"
        return (
            f"Route by the number of labels: with {below} a new task is best served by {servers(advice, before.shots)}, "
            f"{beyond} by {servers(advice, after.shots)}{between}. Sharing gains "
            f"{measured(advice, (before.shots[0], after.shots[-1]))} (negative is a loss)."
        )
    clauses = [f"with {_range(advice, one.first, one.last)} {servers(advice, one.shots)}" for one in told]
    return f"Route by the number of labels: {'; '.join(clauses)}."


def _place(advice: Advice, before: Run, after: Run) -> tuple[int, int, str]:
    """Up to where the first side is clearly better, from where the second, and where they meet."""
    inside = [one for one in advice.crossings if before.last <= one.labels <= after.first]
    if not inside or not inside[0].clear:
        return before.last, after.first, ""
    meeting = inside[0]
    low = max(before.last, math.floor(meeting.low or before.last))
    high = max(low, min(after.first, math.ceil(meeting.high or after.first)))
    if high - low <= 1:
        return high, high, ""
    return (
        low,
        high,
        f"; they are even near {meeting.labels:,.0f}, and between {low:,} and {high:,} it is not clear",
    )


def _one_sided(advice: Advice, parts: Sequence[Run], side: Outcome) -> str:
    """Where one side is clearly better, by how much, and what is known beyond."""
    own = [part for part in parts if part.outcome == side]
    spans = listed([_range(advice, one.first, one.last) for one in own], most=len(own))
    shots = tuple(shot for one in own for shot in one.shots)
    share = side == "share"
    who = servers(advice, shots)
    effect = f"{'sharing gains' if share else 'sharing costs'} {measured(advice, shots, cost=not share)}"
    return f"with {spans} a new task is best served by {who}: {effect}{_beyond(advice, parts, side)}"


def _beyond(advice: Advice, parts: Sequence[Run], side: Outcome) -> str:
    """What is known, or not, of the numbers of labels that the claim leaves out."""
    rest = [shot for part in parts if part.outcome != side for shot in part.shots]
    even = [shot.labels for shot in rest if shot.outcome == "equivalent"]
    dim = [shot.labels for shot in rest if shot.outcome == "undecided"]
    told = []
    if even:
        told.append(f"with {_several(advice, even)} the difference is too small to matter")
    if dim:
        told.append(f"with {_several(advice, dim)} it is not clear")
    if parts[-1].outcome == side:
        last = labels_words(parts[-1].last, advice.ways)
        told.append(f"whether that lasts beyond {last} was not measured")
    return "".join(f"; {one}" for one in told)


def _several(advice: Advice, shots: Sequence[int]) -> str:
    head = [f"{k:,}" for k in shots[:-1]]
    return listed([*head, labels_words(shots[-1], advice.ways)], most=len(shots))


def _undecided(advice: Advice) -> str:
    """The estimates at both ends, and what serves meanwhile."""
    decision = advice.decision
    known = [shot for shot in decision.shots if not math.isnan(shot.difference.mean)]
    meanwhile = servers(advice, decision.shots)
    if not known or all(shot.difference.interval is None for shot in known):
        return f"Undecided: {decision.reason}; meanwhile {meanwhile}."
    return (
        f"Undecided: the gain of sharing is {measured(advice, known)} ({sure(advice.evidence.confidence)} intervals, "
        f"negative is a loss), too little evidence for a claim; meanwhile {meanwhile}."
    )
