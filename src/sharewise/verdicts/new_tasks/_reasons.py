"""Why: who leads where, what sharing and adapting gain, what it costs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sharewise.tasks import Array
from sharewise.verdicts._difference import Difference
from sharewise.verdicts._phrases import listed, percent, plural, spanned, sure
from sharewise.verdicts.new_tasks._describe import labels_words, line_name, shots_listed
from sharewise.verdicts.new_tasks._evidence import CONSTANT, Line, NewEvidence
from sharewise.verdicts.new_tasks._leaders import Handover, leaders
from sharewise.verdicts.new_tasks._words import Advice

FROM_SCRATCH = "separate"
AS_IT_IS = "joint"
"""The strategy that shares without adapting: what it gains needs no labels of the new task."""
NAMED = 6


def reasons(advice: Advice, handovers: Sequence[Handover]) -> list[str]:
    """Measured reasons, most telling first."""
    evidence, decision = advice.evidence, advice.decision
    found = [f"The rule that decided: {decision.reason}."]
    found.extend(_clear(advice))
    found.append(_leaders(evidence))
    found.extend(handover_text(one, evidence) for one in handovers)
    for name, words in ((FROM_SCRATCH, "a model from scratch"), (CONSTANT, "a constant")):
        found.extend(_against(advice, name, words))
    found.extend(_adapting(advice))
    found.extend(_floor(advice))
    found.append(_tasks(advice))
    found.extend(_costs(advice))
    return found


def handover_text(one: Handover, evidence: NewEvidence) -> str:
    """``prototypes lead up to about 12 labels (7 to 20), transfer beyond``."""
    meeting, ways = one.meeting, evidence.findings.ways
    where = labels_words(meeting.labels, ways)
    head = f"{line_name(one.first)} leads up to about {where}, {line_name(one.then)} beyond"
    if meeting.clear:
        return f"{head} ({sure(evidence.confidence)} interval {meeting.low:,.0f} to {meeting.high:,.0f})."
    return f"{head}; on the test tasks that is not clear."


def _clear(advice: Advice) -> list[str]:
    shots, ways = advice.decision.shots, advice.ways
    unit = "labels" if ways is None else "labels of each class"
    told = []
    for outcome, words in (
        ("share", "clearly gains"), ("separate", "clearly loses"), ("equivalent", "makes no difference that matters"),
        ("undecided", "is not clear"),
    ):  # fmt: skip
        own = [shot.labels for shot in shots if shot.outcome == outcome]
        if own:
            told.append(f"{words} with {shots_listed(own)}")
    many = f", corrected for looking at {len(shots)} numbers of labels" if len(shots) > 1 else ""
    return [f"Sharing {listed(told, most=4)} {unit}{many}."]


def _leaders(evidence: NewEvidence) -> str:
    by_line: dict[Line, list[int]] = {}
    for labels, line in zip(evidence.shots, leaders(evidence), strict=True):
        if line is not None:
            by_line.setdefault(line, []).append(labels)
    told = [f"{line_name(line)} with {shots_listed(own)}" for line, own in by_line.items()]
    unit = "labels" if evidence.findings.ways is None else "labels of each class"
    return f"Chosen most often on validation tasks: {listed(told, most=NAMED)} {unit}."


def _against(advice: Advice, name: str, words: str) -> list[str]:
    """Whom each round's validation tasks prefer, over a strategy, with the fewest and with the most labels."""
    evidence = advice.evidence
    gains = evidence.gains(evidence.picks(lambda entry: True), evidence.strategy(name))
    told = _ends(advice, gains)
    return [f"The best by validation gains over {words} {told}."] if told else []


def _ends(advice: Advice, gains: Array) -> str:
    evidence = advice.evidence
    known = [k for k in range(len(evidence.shots)) if np.isfinite(gains[:, k]).any()]
    ends = list(dict.fromkeys([known[0], known[-1]])) if known else []
    told = []
    for k in ends:
        found = evidence.summarise(gains[:, k])
        told.append(f"{_with_interval(found)} with {labels_words(evidence.shots[k], advice.ways)}")
    return listed(told)


def _with_interval(found: Difference) -> str:
    within = "" if found.interval is None else f" ({spanned(found.interval)})"
    return f"{percent(found.mean)}{within}"


def _adapting(advice: Advice) -> list[str]:
    """How much of the gain needs no label of the new task, and what adapting adds to it."""
    evidence = advice.evidence
    as_it_is = evidence.strategy(AS_IT_IS)
    adapted = evidence.picks(lambda entry: entry.shares and entry.strategy != AS_IT_IS)
    told = _ends(advice, evidence.gains(adapted, as_it_is))
    if not told:
        return []
    alone = _ends(advice, evidence.gains(as_it_is, evidence.side(shares=False)))
    return [
        f"Sharing without adapting ({AS_IT_IS}), against what uses no other tasks: {alone}. Adapting, against that: {told} "
        "(negative is a loss)."
    ]


def _floor(advice: Advice) -> list[str]:
    """Who is not clearly better than the constant, and with how many labels."""
    evidence = advice.evidence
    floor = evidence.strategy(CONSTANT)
    told = []
    for line in evidence.lines:
        if line[0] == CONSTANT:
            continue
        gains = evidence.gains(evidence.line(line), floor)
        low = [
            labels
            for k, labels in enumerate(evidence.shots)
            if (found := evidence.summarise(gains[:, k])).interval is not None and found.interval[0] <= 0
        ]
        if low:
            told.append(f"{line_name(line)} with {shots_listed(low)}")
    unit = "labels" if advice.ways is None else "labels of each class"
    return [f"Not clearly better than a constant: {listed(told, most=NAMED)} {unit}."] if told else []


def _tasks(advice: Advice) -> str:
    evidence = advice.evidence
    counts = [evidence.tasks(k) for k in range(len(evidence.shots))]
    rounds = plural(len(evidence.findings.rounds), "round")
    noun = "test tasks" if advice.ways is None else "drawn test tasks"
    spread = (
        f"{counts[0]:,}"
        if min(counts) == max(counts)
        else f"{max(counts):,} (few labels) to {min(counts):,} (many)"
    )
    return f"Measured on {spread} {noun} in {rounds}, none of which any choice has seen."


def _costs(advice: Advice) -> list[str]:
    """What each of the deployed costs."""
    told = []
    for _, strategy, family, configuration in advice.serve:
        own = [e for e in advice.evidence.entries((strategy, family)) if e.configuration == configuration]
        seconds, adapt = np.mean([e.seconds for e in own]), np.median([e.adapt_ms for e in own])
        size = np.mean([e.size_bytes for e in own])
        told.append(
            f"{line_name((strategy, family))} took {_seconds(float(seconds))} CPU seconds to learn, "
            f"adapts to a task in {adapt:.1f} ms, {_bytes(float(size))}"
        )
    limit = advice.evidence.findings.learning_seconds
    return [
        f"Cost: {'; '.join(dict.fromkeys(told))} (each configuration could learn for {limit:.3g} CPU seconds)."
    ]


def _bytes(size: float) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.0f} kB"


def _seconds(amount: float) -> str:
    return f"{amount:.1f}" if amount >= 1 else f"{amount:.2g}"
