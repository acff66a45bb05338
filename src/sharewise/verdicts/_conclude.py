"""From complete rounds to the verdict and its record."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sharewise.errors import NotFittedError
from sharewise.problems import Problem
from sharewise.strategies import ENSEMBLE, STRATEGIES
from sharewise.studies import CONSTANT, Candidate, Protocol, Recipe
from sharewise.tasks import Array
from sharewise.verdicts._course import left_note
from sharewise.verdicts._decide import Decision, decide
from sharewise.verdicts._deploy import deployment
from sharewise.verdicts._distillable import offer
from sharewise.verdicts._evidence import Evidence
from sharewise.verdicts._insight import NOTHING, Insight
from sharewise.verdicts._limited import limited, record
from sharewise.verdicts._limited import reasons as limit_reasons
from sharewise.verdicts._statistics import Difference, need
from sharewise.verdicts._verdict import Choice, Verdict
from sharewise.verdicts._words import changes, describe, needed_text, reasons, sentence


@dataclass(frozen=True)
class Conclusion:
    """A verdict with what is to be refitted for it.

    Attributes:
        recipes: The models to fit on all rows.
        weights: ``(T, M)`` weight of each for every task.
    """

    verdict: Verdict
    recipes: tuple[Recipe, ...]
    weights: Array


def conclude(
    problem: Problem,
    protocol: Protocol,
    rounds: Sequence[Sequence[Candidate]],
    *,
    overlap: float,
    unfinished: Mapping[str, str],
    context: Mapping[str, Any],
    repeats: Sequence[int] | None = None,
    insight: Insight = NOTHING,
) -> Conclusion:
    """Decide, and put the decision on record.

    Args:
        rounds: The candidates of each complete round.
        overlap: Test rows per training row.
        unfinished: Rows that no round has, by name, with the reason.
        context: Further entries of ``verdict.json``: protocol, profile, warnings, versions.
        repeats: Repeat of the outer folds that each round belongs to; None where there is only one.
        insight: What was found beside the rounds.

    Raises:
        NotFittedError: No round is complete.
    """
    if not rounds:
        raise NotFittedError(
            "a verdict needs at least one complete round of trials; none was finished. Give a larger --budget."
        )
    evidence = Evidence.of(problem, protocol, rounds, overlap, repeats)
    limits = protocol.limits
    if not evidence.side(shares=False, limited=False):
        reasons_why = "; ".join(
            f"{name}: {why}" for name, why in unfinished.items() if name.startswith("separate")
        )
        raise NotFittedError(
            f"a verdict compares with separate models, and none was finished ({reasons_why or 'no trial of them ended'}). "
            "Give a larger --budget, or look at the failures listed above."
        )
    kept = limited(evidence, limits)
    decision = decide(evidence, limits, alone=not any(map(shares, protocol.strategies)))
    recipes, weights = deployment(evidence, decision.deploy)
    text = sentence(problem, evidence, decision, insight)
    because = reasons(problem, evidence, decision, insight)
    because[1:1] = [] if kept is None else limit_reasons(kept, evidence)
    would_change = changes(problem, evidence, decision, insight)
    would_change += offer(problem, evidence, decision.deploy, kept)
    choice = _choice(evidence, decision)
    per_task = _per_task(problem, evidence, decision)
    deployed = sorted(set(decision.deploy))
    details = {
        "outcome": decision.outcome,
        "sentence": text,
        "choice": {
            "strategy": choice.strategy,
            "family": choice.family,
            "describe": "; ".join(
                describe(evidence.candidates[row], insight.learnt_together) for row in deployed
            ),
            "members": [f"{r.strategy}/{r.family}/{r.configuration}" for r in recipes],
        },
        "contrast": _contrast(evidence, decision),
        "per_task": per_task,
        "strategies": [*_table(problem, evidence, insight), *_missing(unfinished)],
        "because": because,
        "would_change": would_change,
        "needed": _needed(problem, evidence, decision, insight),
        "limits": record(kept, evidence),
        **insight.as_dict(),
        **context,
    }
    verdict = Verdict(
        decision.outcome, text, choice, per_task, tuple(because), tuple(would_change), plain(details)
    )
    return Conclusion(verdict, recipes, weights)


def shares(strategy: str) -> bool:
    """Whether a strategy lets tasks learn from each other's labels; an ensemble may."""
    return strategy == ENSEMBLE or STRATEGIES[strategy].shares


def _choice(evidence: Evidence, decision: Decision) -> Choice:
    rows = set(decision.deploy)
    if len(rows) > 1:
        return Choice("route", "several")
    row = evidence.candidates[rows.pop()]
    return Choice(row.strategy, row.family)


def _contrast(evidence: Evidence, decision: Decision) -> dict[str, Any] | None:
    if decision.overall is None or decision.shared is None:
        return None
    return {
        **_difference(decision.overall),
        "shared": evidence.candidates[decision.shared].name,
        "separate": evidence.candidates[decision.separate].name,
        "rope": evidence.rope,
        "confidence": evidence.confidence,
    }


def _difference(found: Difference) -> dict[str, Any]:
    return {"delta": found.mean, **found.told(), "p_value": found.p_value, "rounds": found.rounds}


def _per_task(problem: Problem, evidence: Evidence, decision: Decision) -> dict[str, dict[str, Any]]:
    floor = evidence.place(f"{CONSTANT}/none")
    found: dict[str, dict[str, Any]] = {}
    for place, task in enumerate(problem.tasks):
        serves = evidence.candidates[decision.deploy[place]]
        scores = {"constant": _mean(evidence.scores[:, floor, place]) if floor is not None else None}
        entry: dict[str, Any] = {
            "labels": len(problem.rows_of(task)),
            "kind": problem.targets[task.target].kind.name,
            "metric": evidence.metrics[place].name,
            "decision": "unclear",
            "choice": {"strategy": serves.strategy, "family": serves.family},
            "delta": None,
            "interval": None,
            "p_adjusted": None,
            "scores": scores,
            "served": _served(evidence, decision.deploy[place], place),
        }
        if decision.tasks:
            one = decision.tasks[place]
            entry |= {
                "decision": one.leaning,
                "delta": one.difference.mean,
                "interval": one.difference.interval,
                "p_adjusted": one.p_adjusted,
            }
            scores |= {"separate": one.separate, "shared": one.shared}
        found[task.name] = entry
    record: dict[str, dict[str, Any]] = plain(found)
    return record


def _served(evidence: Evidence, row: int, task: int) -> dict[str, Any]:
    """What the row that serves a task scored, and the share of the constant's error that it removed."""
    scores = evidence.scores[:, row]
    removed = evidence.summarise(evidence.removed(scores)[:, task])
    return {"score": _mean(scores[:, task]), "removed": removed.mean, "interval": removed.interval}


def _table(problem: Problem, evidence: Evidence, insight: Insight) -> list[dict[str, Any]]:
    apart = evidence.side(shares=False) or evidence.side(shares=False, limited=False)
    reference = evidence.scores_of(evidence.champions(apart))
    lines = []
    for row, candidate in enumerate(evidence.candidates):
        scores = evidence.scores[:, row]
        against = evidence.compare(scores, reference)
        skill = evidence.summarise(evidence.skill(scores))
        gains = evidence.gains(scores, reference)
        other = evidence.place(f"separate/{candidate.family}")
        within = None
        if candidate.shares and other is not None:
            inside = evidence.compare(scores, evidence.scores[:, other])
            within = {
                "delta": inside.mean,
                "interval": inside.interval,
                "probability_better": inside.better,
            }
        costs = evidence.present(row)
        lines.append(
            {
                "name": candidate.strategy,
                "family": candidate.family,
                "score": skill.mean if abs(skill.mean) > 1e-12 else 0.0,
                "interval": skill.interval,
                "delta": against.mean,
                "delta_interval": against.interval,
                "probability_better": against.better,
                "within": within,
                "inner_error": float(np.mean([c.inner for c in costs])),
                "cost": {
                    "train_seconds": float(np.mean([c.train_seconds for c in costs])),
                    "fits": round(float(np.mean([c.fits for c in costs]))),
                    "steps": round(float(np.mean([c.steps for c in costs]))),
                    "predict_ms_per_1000_rows": float(np.mean([c.predict_ms_per_1000_rows for c in costs])),
                    "predict_ms_one_row": float(np.mean([c.predict_ms_one_row for c in costs])),
                    "size_bytes": round(float(np.mean([c.size_bytes for c in costs]))),
                    "peak_memory_bytes": max(c.peak_memory_bytes for c in costs),
                    "retrained": len(problem.tasks) if candidate.shares else 1,
                },
                "tasks": {
                    task.name: {"score": _mean(scores[:, place]), "delta": _mean(gains[:, place])}
                    for place, task in enumerate(problem.tasks)
                },
                "rounds": len(costs),
                **_status(evidence, row, insight),
            }
        )
    return lines


def _status(evidence: Evidence, row: int, insight: Insight) -> dict[str, Any]:
    """Whether the row was there to the end; when and why its last entrant left."""
    if evidence.rounds[-1][row] is not None:
        return {"status": "done", "note": None}
    candidate = evidence.candidates[row]
    name = candidate.strategy, candidate.family
    own = [
        entry
        for entry in (insight.race or {}).get("left", ())
        if (entry["strategy"], entry["family"]) == name
    ]
    return {"status": "left", "note": left_note(own[-1]) if own else "left early"}


def _missing(unfinished: Mapping[str, str]) -> list[dict[str, Any]]:
    lines = []
    for name, reason in unfinished.items():
        strategy, family = name.split("/")
        empty = dict.fromkeys(
            ("score", "interval", "delta", "delta_interval", "probability_better", "within")
        )
        cost = dict.fromkeys(
            (
                "train_seconds",
                "fits",
                "steps",
                "predict_ms_per_1000_rows",
                "predict_ms_one_row",
                "size_bytes",
                "peak_memory_bytes",
                "retrained",
            ),
            0,
        )
        lines.append(
            {
                "name": strategy,
                "family": family,
                **empty,
                "cost": cost,
                "tasks": {},
                "status": "cut",
                "note": reason,
            }
        )
    return lines


def _needed(
    problem: Problem, evidence: Evidence, decision: Decision, insight: Insight
) -> dict[str, Any] | None:
    if decision.outcome != "undecided" or decision.overall is None or decision.overall.interval is None:
        return None
    wanted = need(decision.overall, rope=evidence.rope, confidence=evidence.confidence)
    middle = float(np.median([len(problem.rows_of(task)) for task in problem.tasks]))
    return {
        "labels": max(1, int(middle * (wanted.factor - 1))) if math.isfinite(wanted.factor) else None,
        "rounds": wanted.rounds,
        "text": needed_text(problem, evidence, decision, insight),
    }


def _mean(values: Array) -> float | None:
    return None if np.isnan(values).all() else float(np.nanmean(values))


def plain(value: Any) -> Any:
    """JSON-plain copy; what is not finite becomes None."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
