"""What the user's limits did to the decision: who misses them, and what keeping them costs in quality."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sharewise.errors import OptionError
from sharewise.studies import CONSTANT, Limits
from sharewise.verdicts._describe import describe
from sharewise.verdicts._difference import Difference
from sharewise.verdicts._evidence import Evidence, frequent
from sharewise.verdicts._phrases import percent, plural, spanned

NAMED_ROWS = 3
"""Rows that miss the limits named in a sentence."""


@dataclass(frozen=True)
class Limited:
    """The table under limits.

    Attributes:
        limits: The user's.
        missing: By row that misses them, what it misses.
        best: The row that represents all of them without limits.
        price: Gain of what represents the rows within the limits over it, mean over tasks; negative is what they cost.
    """

    limits: Limits
    missing: dict[int, list[str]]
    best: int
    price: Difference


def limited(evidence: Evidence, limits: Limits) -> Limited | None:
    """What limits do; None where there are none.

    Raises:
        OptionError: No row keeps them.
    """
    if not limits.given:
        return None
    every = [row for shares in (False, True) for row in evidence.side(shares=shares, limited=False)]
    inside = [row for row in every if evidence.within[row]]
    if not inside:
        raise OptionError(_nobody(evidence, limits, every))
    missing = {row: _missed_at_worst(evidence, limits, row) for row in every if not evidence.within[row]}
    free, kept = evidence.champions(every), evidence.champions(inside)
    price = evidence.compare(evidence.scores_of(kept), evidence.scores_of(free))
    return Limited(limits, missing, frequent(free, evidence.inner), price)


def _missed_at_worst(evidence: Evidence, limits: Limits, row: int) -> list[str]:
    """What a row misses by the worst of all rounds: an ensemble has other members in each."""
    found = [one[row] for one in evidence.rounds]
    there = [one for one in found if one is not None]
    return limits.missed(
        latency_ms=float(np.max([one.predict_ms_one_row for one in there])),
        size_bytes=max(one.size_bytes for one in there),
        shares=there[-1].shares,
    )


def _nobody(evidence: Evidence, limits: Limits, rows: list[int]) -> str:
    least: dict[str, str] = {}
    if limits.latency_ms is not None:
        fastest = min(rows, key=lambda row: evidence.candidates[row].predict_ms_one_row)
        one = evidence.candidates[fastest]
        least["latency"] = f"the fastest, {one.name}, takes {one.predict_ms_one_row:.3g} ms a row"
    if limits.size_bytes is not None:
        smallest = evidence.candidates[min(rows, key=lambda row: evidence.candidates[row].size_bytes)]
        least["size"] = f"the smallest, {smallest.name}, has {smallest.size_bytes:,} bytes"
    told = "; ".join(least.values()) or "all of them share"
    return (
        f"a model to deploy must keep your limits ({limits}), and none that was tried does: {told}. Loosen them; the same "
        "call on the same folder runs no trial again."
    )


def reasons(found: Limited, evidence: Evidence) -> list[str]:
    """Who was left out by the limits, and what that costs."""
    names = [
        f"{evidence.candidates[row].name} ({', '.join(what)})"
        for row, what in list(found.missing.items())[:NAMED_ROWS]
    ]
    more = f" and {len(found.missing) - NAMED_ROWS} more" if len(found.missing) > NAMED_ROWS else ""
    left = f"miss{'es' if len(found.missing) == 1 else ''} them: {', '.join(names)}{more}"
    lines = [
        f"Only what keeps your limits ({found.limits}) may serve; "
        + (
            f"{plural(len(found.missing), 'row')} of the table {left}."
            if names
            else "every row of the table does."
        )
    ]
    price = found.price
    if found.best in found.missing and not np.isnan(price.mean):
        spread = "" if price.interval is None else f" ({spanned(price.interval)} of gain)"
        verb = "cost" if price.mean < 0 else "cost nothing in this data: they gain"
        lines.append(
            f"In quality the limits {verb} {percent(abs(price.mean))}{spread} against "
            f"{describe(evidence.candidates[found.best])}, which would represent the table without them."
        )
    return lines


def record(found: Limited | None, evidence: Evidence) -> dict[str, Any] | None:
    """For ``verdict.json``."""
    if found is None:
        return None
    return {
        **found.limits.as_dict(),
        "text": str(found.limits),
        "missing": [
            {"name": evidence.candidates[row].strategy, "family": evidence.candidates[row].family, "by": what}
            for row, what in found.missing.items()
        ],
        "without_limits": evidence.candidates[found.best].name,
        "price": found.price.mean,
        "price_interval": found.price.interval,
    }


def one_side(evidence: Evidence, limits: Limits) -> tuple[bool, str] | None:
    """Whether the limits leave only models that share (True) or only those that do not, and the reason in words."""
    apart, sharing = (bool(evidence.side(shares=shares)) for shares in (False, True))
    had = any(c.shares and c.strategy != CONSTANT for c in evidence.candidates)
    if not limits.given or apart == sharing or (apart and not had):
        return None
    kept = "separate models" if apart else "models that share"
    return sharing, f"within your limits ({limits}) there are only {kept}"
