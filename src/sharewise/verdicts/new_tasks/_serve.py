"""What is to be deployed: as few different configurations as the validation errors allow.

Symbols: ``C`` configurations, ``K`` numbers of labels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from sharewise.studies.new_tasks import Entry
from sharewise.tasks import Array
from sharewise.verdicts.new_tasks._decide import NewDecision
from sharewise.verdicts.new_tasks._evidence import NewEvidence

Serving = tuple[int, str, str, str]
"""From how many labels on, strategy, family and configuration."""


def serving(evidence: NewEvidence, decision: NewDecision) -> tuple[Serving, ...]:
    """Who serves a new task, by its number of labels, rising; the first serves fewer labels too.

    Configurations compete on their validation error, mean over rounds: one serves as long as it stays within the
    ROPE of the best one, on the side that is clearly better where one is. Going on with whoever lasts longest needs
    the fewest changes. Where all is equivalent, of those that last longest the smallest serves, else the best.
    """
    names, valid, size = _table(evidence)
    sides = {name: entry.shares for name, entry in _last(evidence).items()}
    allowed = np.isfinite(valid)
    for k, found in enumerate(decision.shots):
        wanted = {"share": True, "separate": False}.get(found.outcome)
        fits = np.array([wanted is None or sides[name] is wanted for name in names])
        if (allowed[:, k] & fits).any():
            allowed[:, k] &= fits
    best = np.where(allowed, valid, np.inf).min(axis=0)
    ratio = np.where(allowed, valid / np.maximum(best, 1e-12), np.inf)
    close = allowed & (valid <= best * (1 + evidence.rope) + 1e-12)
    parts: list[tuple[int, int]] = []
    start = 0
    while start < len(evidence.shots):
        lasts = close[:, start:].cumprod(axis=1).sum(axis=1)
        longest = np.flatnonzero(lasts == lasts.max())
        until = start + int(lasts.max())
        rank = size if decision.outcome == "equivalent" else ratio[:, start:until].mean(axis=1)
        chosen = int(longest[np.argmin(rank[longest])])
        parts.append((start, chosen))
        start = until
    return tuple(
        (_least_labels(evidence.shots, valid, parts, place), *names[chosen])
        for place, (_, chosen) in enumerate(parts)
    )


def server_at(serve: Sequence[Serving], labels: float) -> Serving:
    """Who serves so many labels."""
    fitting = [one for one in serve if one[0] <= labels]
    return fitting[-1] if fitting else serve[0]


def _last(evidence: NewEvidence) -> dict[tuple[str, str, str], Entry]:
    return {(e.strategy, e.family, e.configuration): e for r in evidence.findings.rounds for e in r.entries}


def _table(evidence: NewEvidence) -> tuple[list[tuple[str, str, str]], Array, Array]:
    """Configurations, their validation errors ``(C, K)`` and sizes ``(C,)``.

    Errors of different rounds do not compare, so that only who is there in as many rounds as anybody competes.
    Where no validation task has so many labels, the errors with the next fewer stand.
    """
    names = list(_last(evidence))
    rounds = [
        {(e.strategy, e.family, e.configuration): e for e in r.entries} for r in evidence.findings.rounds
    ]
    nothing = np.full(len(evidence.shots), np.nan)
    cells = np.array([[own[name].valid if name in own else nothing for own in rounds] for name in names])
    known = np.isfinite(cells)
    there = known.sum(axis=1)
    total = np.where(known, cells, 0.0).sum(axis=1)
    valid = np.where((there == there.max(axis=0)) & (there > 0), total / np.maximum(there, 1), np.nan)
    for k in range(1, valid.shape[1]):
        if not there[:, k].any():
            valid[:, k] = valid[:, k - 1]
    valid[:, ~np.isfinite(valid).any(axis=0)] = 1.0  # nobody was validated: nobody is preferred
    size = np.array([np.mean([own[name].size_bytes for own in rounds if name in own]) for name in names])
    return names, valid, size


def _least_labels(shots: Sequence[int], valid: Array, parts: Sequence[tuple[int, int]], place: int) -> int:
    """Where the validation errors of the one before and of this one cross, over the logarithm."""
    start, own = parts[place]
    if place == 0:
        return shots[0]
    former = parts[place - 1][1]
    behind = valid[own, start - 1] - valid[former, start - 1]
    ahead = valid[former, start] - valid[own, start]
    if not (np.isfinite(behind) and np.isfinite(ahead)) or behind <= 0 or ahead <= 0:
        return shots[start]
    share = behind / (behind + ahead)
    crossing = math.exp(math.log(shots[start - 1]) + share * math.log(shots[start] / shots[start - 1]))
    return min(max(math.ceil(crossing - 1e-9), shots[start - 1] + 1), shots[start])
