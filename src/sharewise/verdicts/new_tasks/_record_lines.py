"""Every strategy's part of ``verdict.json``: scores, gains and costs, by number of labels.

Symbols: ``J`` rounds, ``K`` numbers of labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sharewise.studies.new_tasks import Entry
from sharewise.tasks import Array
from sharewise.verdicts.new_tasks._changes import unfinished_rows
from sharewise.verdicts.new_tasks._evidence import (
    CONSTANT,
    Line,
    NewEvidence,
    Picks,
    frequent,
    mean_known,
    mean_over_shots,
)


def strategies_record(evidence: NewEvidence) -> list[dict[str, Any]]:
    """Every strategy in every family: the mean over numbers of labels, and each of them."""
    reference, floor = evidence.side(shares=False), evidence.strategy(CONSTANT)
    best = [_best(evidence, k) for k in range(len(evidence.shots))]
    lines = []
    for line in evidence.lines:
        picks = evidence.line(line)
        gains, scores = evidence.gains(picks, reference), evidence.scores(picks)
        over = evidence.gains(picks, floor)
        found = evidence.summarise(mean_over_shots(gains))
        score = evidence.summarise(mean_over_shots(scores), absolute=True)
        by_shots = [
            _shot(evidence, picks, k, gains[:, k], over[:, k], scores[:, k], best[k] == line)
            | _against_best(evidence, picks, best[k], k)
            for k in range(len(evidence.shots))
        ]
        lines.append(
            {
                "name": line[0], "family": line[1], "shares": evidence.shares(line),
                "score": score.mean, "interval": score.interval,
                "delta": found.mean, "delta_interval": found.interval, "probability_better": found.better,
                "within": None, "cost": _cost(evidence.entries(line)), "tasks": {},
                "by_shots": by_shots,
                "rounds": int(np.isfinite(scores).any(axis=1).sum()),
                **_status(evidence, picks),
            }
        )  # fmt: skip
    return [*lines, *(_missing(name) for name in unfinished_rows(evidence))]


def curve_record(evidence: NewEvidence) -> list[dict[str, Any]]:
    """Score and error of every line against labels; ``leads`` marks the family that represents a strategy."""
    leading = _leading_families(evidence)
    found = []
    for line in evidence.lines:
        picks = evidence.line(line)
        scores, errors = evidence.scores(picks), evidence.errors(picks)
        points = []
        for k, labels in enumerate(evidence.shots):
            score = evidence.summarise(scores[:, k], absolute=True)
            error = evidence.summarise(errors[:, k], absolute=True)
            if score.rounds:
                points.append(
                    {
                        "k": labels, "score": score.mean, "score_interval": score.interval,
                        "error": error.mean, "error_interval": error.interval,
                        "rounds": score.rounds, "tasks": _tasks(evidence, picks, k),
                    }
                )  # fmt: skip
        found.append(
            {
                "strategy": line[0], "family": line[1], "shares": evidence.shares(line),
                "leads": leading.get(line[0]) == line, "points": points,
            }
        )  # fmt: skip
    return found


def _shot(
    evidence: NewEvidence, picks: Picks, k: int, gains: Array, over: Array, scores: Array, best: bool
) -> dict[str, Any]:
    found, floor = evidence.summarise(gains), evidence.summarise(over)
    score = evidence.summarise(scores, absolute=True)
    chosen = frequent(picks, k)
    return {
        "k": evidence.shots[k],
        "score": score.mean,
        "interval": score.interval,
        "error": mean_known(evidence.errors(picks)[:, k]),
        "delta": found.mean,
        "delta_interval": found.interval,
        "probability_better": found.better,
        "over_constant": floor.mean,
        "over_constant_interval": floor.interval,
        "configuration": chosen.configuration if chosen else None,
        "rounds": score.rounds,
        "best": best,
    }


def _best(evidence: NewEvidence, k: int) -> Line | None:
    """The line of best mean score on test tasks, among those of most rounds: to be read, nothing is chosen by it."""
    sign = 1.0 if evidence.findings.metric.greater_is_better else -1.0
    found: dict[Line, tuple[int, float]] = {}
    for line in evidence.lines:
        scores = evidence.scores(evidence.line(line))[:, k]
        known = scores[np.isfinite(scores)]
        if len(known):
            found[line] = (len(known), sign * float(known.mean()))
    return max(found, key=lambda line: found[line]) if found else None


def _against_best(evidence: NewEvidence, picks: Picks, best: Line | None, k: int) -> dict[str, Any]:
    """Whether the rounds leave open that this one is as good as the best."""
    if best is None:
        return {"as_good": None}
    found = evidence.summarise(evidence.gains(picks, evidence.line(best))[:, k])
    return {"as_good": None if found.interval is None else found.interval[1] >= 0}


def _leading_families(evidence: NewEvidence) -> dict[str, Line]:
    """Of each strategy the family of least validation error, mean over numbers of labels and rounds."""
    found: dict[str, dict[Line, list[float]]] = {}
    best = evidence.picks(lambda entry: True)
    for line in evidence.lines:
        ratios = [
            float(one.valid[k] / max(top.valid[k], 1e-12))
            for row, first in zip(evidence.line(line), best, strict=True)
            for k, (one, top) in enumerate(zip(row, first, strict=True))
            if one is not None and top is not None
        ]
        known = [ratio for ratio in ratios if np.isfinite(ratio)]
        found.setdefault(line[0], {})[line] = known
    return {
        name: min(lines, key=lambda line: float(np.mean(lines[line])) if lines[line] else float("inf"))
        for name, lines in found.items()
    }


def _cost(entries: Sequence[Entry]) -> dict[str, Any]:
    return {
        "train_seconds": float(np.mean([e.seconds for e in entries])),
        "adapt_ms": float(np.median([e.adapt_ms for e in entries])),
        "predict_ms_per_1000_rows": float(np.mean([e.predict_ms_per_1000_rows for e in entries])),
        "size_bytes": round(float(np.mean([e.size_bytes for e in entries]))),
        "fits": round(float(np.mean([e.fits for e in entries]))),
        "steps": round(float(np.mean([e.steps for e in entries]))),
        "peak_memory_bytes": 0,
    }


def _status(evidence: NewEvidence, picks: Picks) -> dict[str, Any]:
    missing = [labels for k, labels in enumerate(evidence.shots) if all(row[k] is None for row in picks)]
    if not missing:
        return {"status": "done", "note": None}
    return {"status": "done", "note": f"served no task with {', '.join(str(k) for k in missing)} labels"}


def _missing(name: str) -> dict[str, Any]:
    strategy, _, family = name.partition("/")
    nothing = dict.fromkeys(("score", "interval", "delta", "delta_interval", "probability_better", "within"))
    cost = dict.fromkeys(
        ("train_seconds", "predict_ms_per_1000_rows", "size_bytes", "fits", "steps", "peak_memory_bytes"), 0
    )
    return {
        "name": strategy, "family": family.partition("/")[0] or "none", **nothing, "cost": cost, "tasks": {},
        "by_shots": [], "rounds": 0, "status": "cut", "note": "not finished",
    }  # fmt: skip


def _tasks(evidence: NewEvidence, picks: Picks, k: int) -> int:
    """Test tasks served, each counted once: those of the first repeat."""
    first = min(evidence.findings.repeats)
    rows = zip(evidence.findings.rounds, picks, strict=True)
    return sum(
        int(np.isfinite(e.score[k]).sum()) for one, row in rows if one.repeat == first and (e := row[k])
    )
