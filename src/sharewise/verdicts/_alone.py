"""The decision where nothing shares: which family serves, and whether a cheaper one keeps up with the best.

For task-specific problems (a spam filter): no strategy that shares was asked for, or there is only one task.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sharewise.verdicts._difference import Difference
from sharewise.verdicts._evidence import Evidence, frequent
from sharewise.verdicts._verdict import Outcome


@dataclass(frozen=True)
class Alone:
    """Which row serves.

    Attributes:
        outcome: ``equivalent`` where a cheaper row keeps up with the best, ``separate`` where none does or none is
            cheaper, ``undecided`` where that cannot be told.
        best: The row that inner folds prefer.
        serves: The row to deploy.
        against: Gain of ``serves`` over the best, or of the cheaper row that came nearest to keeping up; None where no
            row is cheaper.
        rival: That row.
    """

    outcome: Outcome
    best: int
    serves: int
    against: Difference | None
    rival: int | None


def choose_alone(evidence: Evidence) -> Alone:
    """The cheapest row that loses at most the ROPE against the best.

    Cheap is what predicts one row fast and is small: the product of both, so that half the milliseconds count as much as
    half the bytes.

    Each cheaper row is asked whether it loses more than the ROPE, at a confidence corrected for how many are asked
    (Bonferroni), cheapest first. The best is chosen on inner folds, round by round, so that it is not flattered.
    """
    rows = evidence.side(shares=False)
    chosen = evidence.champions(rows)
    best = frequent(chosen, evidence.inner)
    cost = {
        row: float(np.mean([c.predict_ms_one_row * c.size_bytes for c in evidence.present(row)]))
        for row in rows
    }
    cheaper = sorted((row for row in rows if cost[row] < cost[best]), key=lambda row: (cost[row], row))
    if not cheaper:
        return Alone("separate", best, best, None, None)
    reference = evidence.scores_of(chosen)
    limit = 1 - (1 - evidence.confidence) / len(cheaper)
    found = {row: evidence.compare(evidence.scores[:, row], reference) for row in cheaper}
    for row in cheaper:
        worse = found[row].worse
        if worse is not None and 1 - worse >= limit:
            return Alone("equivalent", best, row, found[row], row)
    nearest = min(cheaper, key=lambda row: (np.inf if (p := found[row].worse) is None else p, cost[row]))
    told = found[nearest].worse
    outcome: Outcome = "separate" if told is not None and told >= evidence.confidence else "undecided"
    return Alone(outcome, best, best, found[nearest], nearest)
