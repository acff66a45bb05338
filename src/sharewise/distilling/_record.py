"""What distilling found, as plain values: for ``distilled.json``, and in short for the student's own card.

Symbols: ``J`` rounds, ``S`` students, ``H`` ways of teaching.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sharewise.distilling._choice import Choice, Summary, best_ways
from sharewise.distilling._lesson import WAYS
from sharewise.distilling._measured import Measured
from sharewise.tasks import Array
from sharewise.verdicts import Difference

CARD = ("outcome", "sentence", "student", "taught_by", "from", "gain", "rope", "confidence", "rounds")
"""Entries of the record that the student's card takes along."""


def told_of(
    choice: Choice, gains: Array, fitted: Sequence[Measured], order: Sequence[int], summarise: Summary
) -> dict[str, Any]:
    """The student that is taken, what it loses, what teaching brought it, and a line for every student.

    Args:
        gains: ``(J, S, H)`` over the winner.
        fitted: ``S`` students.
        order: Those that may serve.
    """
    everyone = np.arange(len(gains))
    lesson = gains - gains[:, :, :1]
    ways = best_ways(gains)
    taken = lesson[everyone, choice.by_round[:, 0], choice.by_round[:, 1]]
    return {
        "outcome": choice.outcome,
        "student": fitted[choice.student].student.name,
        "taught_by": WAYS[choice.way].words,
        "gain": as_told(choice.gain),
        "gain_of_teaching": as_told(summarise(taken, everyone)),
        "students": [
            {
                "student": one.student.name,
                "chosen": place == choice.student,
                "may_serve": place in order,
                "taught_by": WAYS[ways[place]].words,
                **_spread(summarise(gains[:, place, ways[place]], everyone)),
                "gain_of_teaching": float(lesson[:, place, ways[place]].mean()),
                "size_bytes": one.cost.size_bytes,
                "row_ms_p50": one.cost.row_ms_p50,
                "batch_ms": one.cost.batch_ms,
            }
            for place, one in enumerate(fitted)
        ],
    }


def as_told(found: Difference) -> dict[str, Any]:
    """A difference as a verdict writes it."""
    return {"delta": found.mean, **found.told()}


def _spread(found: Difference) -> dict[str, float | None]:
    low, high = found.interval or (None, None)
    return {"delta": found.mean, "low": low, "high": high}


def in_short(record: Mapping[str, Any]) -> dict[str, Any]:
    """For the card."""
    return {key: record[key] for key in CARD}
