"""The verdict on new tasks as entries of ``verdict.json``.

Symbols: ``J`` rounds, ``K`` numbers of labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sharewise.studies.new_tasks import Entry
from sharewise.verdicts._difference import Difference
from sharewise.verdicts.new_tasks._decide import NewDecision
from sharewise.verdicts.new_tasks._describe import describe_new, labels_words
from sharewise.verdicts.new_tasks._evidence import CONSTANT, NewEvidence, mean_known
from sharewise.verdicts.new_tasks._leaders import Handover
from sharewise.verdicts.new_tasks._meeting import Meeting
from sharewise.verdicts.new_tasks._reasons import handover_text
from sharewise.verdicts.new_tasks._serve import Serving, server_at


def shots_record(
    evidence: NewEvidence, decision: NewDecision, serve: Sequence[Serving]
) -> list[dict[str, Any]]:
    """What is said of each number of labels."""
    sides = {
        "shared": evidence.scores(evidence.side(shares=True)),
        "separate": evidence.scores(evidence.side(shares=False)),
        "constant": evidence.scores(evidence.strategy(CONSTANT)),
    }
    return [
        {
            "k": shot.labels,
            "tasks": evidence.tasks(k),
            "outcome": shot.outcome,
            "choice": dict(zip(("strategy", "family", "configuration"), server_at(serve, shot.labels)[1:], strict=True)),
            "shared": _who(shot.shared),
            "separate": _who(shot.separate),
            "score": {name: mean_known(values[:, k]) for name, values in sides.items()},
            "gain": shot.difference.mean,
            "p_adjusted": shot.p_adjusted,
            **_said(shot.difference),
        }
        for k, shot in enumerate(decision.shots)
    ]  # fmt: skip


def contrast_record(evidence: NewEvidence, decision: NewDecision) -> dict[str, Any] | None:
    """The gain of sharing, mean over numbers of labels."""
    if np.isnan(decision.overall.mean):
        return None
    names = {
        side: _frequent_name([getattr(shot, side) for shot in decision.shots])
        for side in ("shared", "separate")
    }
    return {
        "delta": decision.overall.mean,
        **_said(decision.overall),
        "p_value": decision.overall.p_value,
        **names,
        "rope": evidence.rope,
        "confidence": evidence.confidence,
    }


def crossings_record(
    evidence: NewEvidence, zero: Sequence[Meeting], region: Sequence[Meeting], handovers: Sequence[Handover]
) -> list[dict[str, Any]]:
    """Where sharing stops or starts to pay, and where one leader takes over from another."""
    ways, found = evidence.findings.ways, []
    for one in (*zero, *region):
        what = {0.0: "zero"}.get(one.level, "upper end of the region of equivalence")
        if one.level < 0:
            what = "lower end of the region of equivalence"
        does = "falls" if one.falling else "rises"
        found.append(
            {
                "of": "sharing",
                "text": f"The gain of sharing {does} through {what} near {labels_words(one.labels, ways)}; {_doubt(one)}.",
                **_met(one),
            }
        )
    for pair in handovers:
        found.append(
            {
                "of": "leaders", "first": list(pair.first), "then": list(pair.then),
                "text": handover_text(pair, evidence), **_met(pair.meeting),
            }
        )  # fmt: skip
    return found


def choice_record(serve: Sequence[Serving], ways: int | None) -> dict[str, Any]:
    """What to deploy, in words too."""
    first = describe_new(*serve[0][1:])
    rest = [f"from {labels_words(one[0], ways)} on: {describe_new(*one[1:])}" for one in serve[1:]]
    single = len({one[1:3] for one in serve}) == 1
    strategy, family = serve[0][1:3] if single else ("route", "several")
    return {
        "strategy": strategy,
        "family": family,
        "describe": "; ".join([first, *rest]),
        "members": list(dict.fromkeys("/".join(one[1:]) for one in serve)),
    }


def serve_record(serve: Sequence[Serving]) -> list[dict[str, Any]]:
    """From how many labels on who serves."""
    names = ("from", "strategy", "family", "configuration")
    return [dict(zip(names, one, strict=True)) for one in serve]


def _said(found: Difference) -> dict[str, Any]:
    return {**found.told(), "rounds": found.rounds}


def _doubt(one: Meeting) -> str:
    if one.low is None and one.high is None:
        return "nothing measured rules out another place"
    if one.low is None:
        return f"anywhere up to {one.high:,.0f} is possible"
    if one.high is None:
        return f"anywhere from {one.low:,.0f} on is possible"
    return f"{one.low:,.0f} to {one.high:,.0f} are possible"


def _met(one: Meeting) -> dict[str, Any]:
    return {
        "level": one.level,
        "labels": one.labels,
        "interval": [one.low, one.high],
        "falling": one.falling,
        "clear": one.clear,
    }


def _who(entry: Entry | None) -> dict[str, str] | None:
    if entry is None:
        return None
    return {"strategy": entry.strategy, "family": entry.family, "configuration": entry.configuration}


def _frequent_name(entries: Sequence[Entry | None]) -> str | None:
    names = [f"{entry.strategy}/{entry.family}" for entry in entries if entry is not None]
    return max(dict.fromkeys(names), key=names.count) if names else None
