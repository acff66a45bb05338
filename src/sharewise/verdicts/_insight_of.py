"""From what a study found beside its rounds, to what the verdict's words and records are made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sharewise.errors import DataError
from sharewise.problems import Problem
from sharewise.studies import (
    CONSTANT,
    ERROR_RATE,
    LOOKS,
    Candidate,
    CurveRounds,
    Findings,
    GroupsFound,
    Left,
    Protocol,
)
from sharewise.tasks import Array
from sharewise.verdicts._curve import Curve, CurvePoint, learning_curve
from sharewise.verdicts._harm import Harm, harm
from sharewise.verdicts._hints import hints
from sharewise.verdicts._insight import Insight
from sharewise.verdicts._phrases import percent
from sharewise.verdicts._statistics import gains, mean_over_tasks

RULE = (
    "an entrant leaves when on the rows held out so far it cannot lead its side by more than the region of "
    "equivalence and its side's ensemble does not need it"
)


def insight_of(problem: Problem, protocol: Protocol, findings: Findings) -> Insight:
    """Everything a study found beside its rounds."""
    effects = None if findings.groups is None else harm_of(problem, protocol, findings.groups)
    return Insight(
        curve=None
        if findings.curve is None
        else curve_of(problem, protocol, findings.curve, findings.overlap),
        harm=effects,
        race={
            "rule": RULE,
            "error_rate": ERROR_RATE,
            "looks": list(LOOKS),
            "left": [left_entry(one) for one in findings.left],
        },
        tuning={
            "proposals": findings.proposals,
            "trials": {name: count for name, count, _ in findings.spent if name != CONSTANT},
            "seconds": {name: seconds for name, _, seconds in findings.spent if name != CONSTANT},
        },
        groups=None if findings.groups is None else groups_entry(problem, findings.groups),
        planned_rounds=findings.planned,
        hints=None if findings.diagnosis is None else hints(findings.diagnosis, effects),
    )


def left_entry(left: Left) -> dict[str, Any]:
    """One that left, for the record."""
    recipe = left.recipe
    return {
        "strategy": recipe.strategy,
        "family": recipe.family,
        "configuration": str(recipe.configuration),
        "after_round": left.after,
        "behind": left.behind,
        "interval": list(left.interval),
        "why": _why(left.cost),
    }


def _why(cost: float) -> str:
    """What its side's ensemble loses without it."""
    if cost < 0.0005:
        return "its side's ensemble does as well without it"
    return f"its side's ensemble has a loss {percent(cost)} higher without it, which does not matter"


def groups_entry(problem: Problem, found: GroupsFound) -> Mapping[str, Any]:
    """The groups by name."""
    names = [task.name for task in problem.tasks]
    return {
        "family": found.family,
        "trained": found.trained,
        "groups": [
            {"tasks": [names[t] for t in tasks], "serves": [names[t] for t in serves]}
            for tasks, serves in found.groups
        ],
        "gain_picked": found.picked,
        "gain_shrunk": found.shrunk,
    }


def harm_of(problem: Problem, protocol: Protocol, found: GroupsFound) -> Harm | None:
    """Effects between tasks, measured on the inner folds of the first round."""
    effects = found.effects
    if np.isnan(effects).all():
        return None
    folds = effects.shape[2]
    names = [task.name for task in problem.tasks]
    return harm(
        effects, names, rope=protocol.rope, confidence=protocol.confidence, overlap=1 / max(folds - 1, 1)
    )


def curve_of(problem: Problem, protocol: Protocol, found: CurveRounds, overlap: float) -> Curve | None:
    """The gain of sharing on growing shares of the labels; None where it says nothing."""
    metrics = tuple(problem.targets[task.target].metric for task in problem.tasks)
    points = []
    shares = sorted({one.share for one in found.rounds})
    everywhere = set.intersection(*({o.index for o in found.rounds if o.share == share} for share in shares))
    for share in shares:
        rounds = [one for one in found.rounds if one.share == share and one.index in everywhere]
        rows = [{c.name: c for c in one.candidates} for one in rounds]
        if not all({found.separate, found.shared} <= set(row) for row in rows):
            continue

        def scores(name: str, rows: list[dict[str, Candidate]] = rows) -> Array:
            return np.array([row[name].scores for row in rows])

        floor = scores(f"{CONSTANT}/none")
        separate, shared = scores(found.separate), scores(found.shared)

        def errors(values: Array, floor: Array = floor) -> Array:
            skill = np.array(
                [
                    [
                        m.skill(v, c) if not np.isnan(v + c) else np.nan
                        for m, v, c in zip(metrics, *row, strict=True)
                    ]
                    for row in zip(values, floor, strict=True)
                ]
            )
            return 1.0 - mean_over_tasks(skill)

        labels = float(np.median([one.labels for one in rounds]))
        gain = mean_over_tasks(gains(shared, separate, metrics))
        points.append(CurvePoint(share, labels, errors(separate), errors(shared), gain))
    points = [p for p in points if p.labels > 0]
    distinct = {p.labels: p for p in points}  # on tiny tasks two shares may come to the same labels
    try:
        return learning_curve(
            list(distinct.values()), rope=protocol.rope, confidence=protocol.confidence, overlap=overlap
        )
    except DataError:
        return None
