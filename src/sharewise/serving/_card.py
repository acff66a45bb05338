"""What a model takes along of the study that made it: JSON-plain, without a row of the data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sharewise.problems import Column, Problem

KEPT = ("outcome", "sentence", "choice", "because", "contrast", "would_change")
MOST_SHOWN = 1000
"""Columns and tasks at most that are described one by one."""


def study_card(problem: Problem, details: Mapping[str, Any]) -> dict[str, Any]:
    """The card of a model that a study lets serve.

    Args:
        details: What ``verdict.json`` says.

    Returns:
        ``verdict``; ``tasks``, by name what serves each and what it scored, or ``shots`` where the tasks are still to
        come; ``data``, sizes and gaps and columns; ``protocol``; ``limits`` that were asked for; ``warnings``;
        ``trained_with``, the versions of then.
    """
    profile = {key: value for key, value in details["profile"].items() if key != "correlation"}
    found: dict[str, Any] = {
        "verdict": {key: details[key] for key in KEPT if key in details},
        "data": {**profile, "gaps": gaps(problem), "split_by": _kept_together(problem)},
        "protocol": details["protocol"],
        "limits": details.get("limits"),
        "warnings": details["warnings"],
        "trained_with": details["versions"],
    }
    if details.get("per_task"):
        found["tasks"] = dict(list(details["per_task"].items())[:MOST_SHOWN])
    if details.get("shots"):
        found["shots"] = [
            {
                key: shot[key]
                for key in ("k", "tasks", "outcome", "choice", "score", "gain", "interval")
                if key in shot
            }
            for shot in details["shots"]
        ]
    return found


def gaps(problem: Problem) -> dict[str, float]:
    """Share of rows that lack a value, by the name of the feature or target, where any does."""
    shares = {column.name: _missing(column) for column in problem.table}
    labels = np.isnan(problem.labels).mean(axis=0)
    shares |= {target.name: float(share) for target, share in zip(problem.targets, labels, strict=True)}
    return {name: round(share, 4) for name, share in list(shares.items())[:MOST_SHOWN] if share > 0}


def _missing(column: Column) -> float:
    values = column.values
    if values.dtype == object:
        return float(np.mean([cell is None for cell in values])) if len(values) else 0.0
    if values.dtype.kind != "f" or values.ndim != 1 or not len(values):
        return 0.0
    return float(np.isnan(values).mean())


def _kept_together(problem: Problem) -> str | None:
    """How the test rows differ from the training rows by more than chance; None where they do not."""
    if problem.time is not None:
        return "time"
    return None if problem.group is None else "group"
