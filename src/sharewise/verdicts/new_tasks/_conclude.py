"""From a study of new tasks to the verdict, its record, and what is to be deployed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sharewise.errors import NotFittedError
from sharewise.problems import Problem
from sharewise.studies import Protocol
from sharewise.studies.new_tasks import NewFindings
from sharewise.verdicts._conclude import plain
from sharewise.verdicts._verdict import Choice, Verdict
from sharewise.verdicts.new_tasks._changes import changes
from sharewise.verdicts.new_tasks._decide import decide_new
from sharewise.verdicts.new_tasks._evidence import NewEvidence
from sharewise.verdicts.new_tasks._leaders import handovers
from sharewise.verdicts.new_tasks._meeting import meetings
from sharewise.verdicts.new_tasks._reasons import reasons
from sharewise.verdicts.new_tasks._record import (
    choice_record,
    contrast_record,
    crossings_record,
    serve_record,
    shots_record,
)
from sharewise.verdicts.new_tasks._record_lines import curve_record, strategies_record
from sharewise.verdicts.new_tasks._serve import Serving, serving
from sharewise.verdicts.new_tasks._words import Advice, sentence


@dataclass(frozen=True)
class NewConclusion:
    """A verdict on new tasks with what is to be refitted for it.

    Attributes:
        serve: From how many labels on which strategy, family and configuration serves, rising; the first serves
            tasks with fewer labels too.
    """

    verdict: Verdict
    serve: tuple[Serving, ...]


def conclude_new(
    problem: Problem, protocol: Protocol, findings: NewFindings, context: Mapping[str, Any]
) -> NewConclusion:
    """Decide, and put the decision on record.

    Args:
        problem: Whose tasks were learnt across.
        context: Further entries of ``verdict.json``: protocol, profile, warnings, versions.

    Raises:
        NotFittedError: No round has anything in it, or no number of labels was measured.
    """
    if not any(one.entries for one in findings.rounds):
        raise NotFittedError(
            f"a verdict on new tasks needs at least one complete round of trials; got {len(findings.rounds)} rounds in which "
            "nothing was finished. Give a larger --budget."
        )
    if not findings.shots:
        raise NotFittedError(
            "a verdict on new tasks needs a number of labels for which enough test tasks have rows; got none. "
            "Name smaller ones with --shots."
        )
    evidence = NewEvidence(findings, protocol.rope, protocol.confidence)
    decision = decide_new(evidence)
    serve = serving(evidence, decision)
    shots, gains = evidence.shots, decision.gains
    zero = meetings(shots, gains, level=0.0, summarise=evidence.summarise)
    levels = (evidence.rope, -evidence.rope) if evidence.rope > 0 else ()
    region = [
        one for level in levels for one in meetings(shots, gains, level=level, summarise=evidence.summarise)
    ]
    pairs = handovers(evidence)
    advice = Advice(evidence, decision, serve, zero)
    text = sentence(advice)
    because, would_change = reasons(advice, pairs), changes(evidence, decision)
    choice = choice_record(serve, findings.ways)
    metric = findings.metric
    details = {
        "outcome": decision.outcome,
        "sentence": text,
        "choice": choice,
        "contrast": contrast_record(evidence, decision),
        "per_task": {},
        "strategies": strategies_record(evidence),
        "because": because,
        "would_change": would_change,
        "shots": shots_record(evidence, decision, serve),
        "curve": curve_record(evidence),
        "crossings": crossings_record(evidence, zero, region, pairs),
        "serve": serve_record(serve),
        "ways": findings.ways,
        "learning_seconds": findings.learning_seconds,
        "tasks_named": problem.level_name,
        "metric": {
            "name": metric.name,
            "greater_is_better": metric.greater_is_better,
            "relative_to": metric.relative_to,
        },
        "notes": list(findings.notes),
        **context,
    }
    verdict = Verdict(
        decision.outcome,
        text,
        Choice(choice["strategy"], choice["family"]),
        {},
        tuple(because),
        tuple(would_change),
        plain(details),
    )
    return NewConclusion(verdict, serve)
