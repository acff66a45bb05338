"""Who leads with how many labels, and where one takes over from another."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from sharewise.verdicts.new_tasks._evidence import Line, NewEvidence
from sharewise.verdicts.new_tasks._meeting import Meeting, meetings


@dataclass(frozen=True)
class Handover:
    """Where a leading strategy is overtaken by the next.

    Attributes:
        first, then: Who leads with fewer and with more labels, by validation errors.
        meeting: Where the gain of the first over the second meets zero on test tasks.
    """

    first: Line
    then: Line
    meeting: Meeting


def leaders(evidence: NewEvidence) -> tuple[Line | None, ...]:
    """``K`` strategies (with family) of least validation error most often over rounds; None where nobody serves."""
    best = evidence.picks(lambda entry: True)
    found: list[Line | None] = []
    for k in range(len(evidence.shots)):
        own = [(e.strategy, e.family) for row in best if (e := row[k]) is not None]
        found.append(max(dict.fromkeys(own), key=own.count) if own else None)
    return tuple(found)


def handovers(evidence: NewEvidence) -> tuple[Handover, ...]:
    """Where the test tasks too say that one leader is overtaken by the next, each pair once."""
    order = [line for line in leaders(evidence) if line is not None]
    pairs = dict.fromkeys((a, b) for a, b in itertools.pairwise(order) if a != b)
    found: list[Handover] = []
    for first, then in pairs:
        gains = evidence.gains(evidence.line(first), evidence.line(then))
        if np.isfinite(gains).any():
            own = meetings(evidence.shots, gains, level=0.0, summarise=evidence.summarise)
            found.extend(Handover(first, then, one) for one in own if one.falling)
    return tuple(found)
