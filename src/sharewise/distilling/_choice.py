"""Which student is taken, how it was taught, and what it loses: decided and measured on different outer folds.

Symbols: ``J`` rounds, ``S`` students, ``H`` ways of teaching.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sharewise.tasks import Array
from sharewise.verdicts import Difference
from sharewise.verdicts._evidence import PARSIMONY

Found = Literal["equivalent", "undecided", "worse"]

Summary = Callable[[Array, NDArray[np.intp]], Difference]
"""From gains and the places of their rounds to what they say."""


@dataclass(frozen=True)
class Choice:
    """The student that is taken.

    Attributes:
        student, way: Its place, and that of how it was taught.
        by_round: ``(J, 2)`` the student and way that the other rounds would take.
        outcome: ``equivalent``: it loses no more than the region of practical equivalence, with the confidence asked
            for; ``worse``: it loses more; ``undecided``: neither is sure.
        gain: Over the teacher; negative is a loss. In every round that of the student which the others took, so that
            the smallest of several is not flattered for having been picked.
    """

    student: int
    way: int
    by_round: NDArray[np.intp]
    outcome: Found
    gain: Difference


def choose(
    gains: Array, order: NDArray[np.intp], summarise: Summary, *, confidence: float, rope: float
) -> Choice:
    """The smallest student that keeps up; where none surely does, the smallest that is about as good as the best, as sides
    of a verdict are represented.

    Args:
        gains: ``(J, S, H)`` over the teacher, mean over tasks.
        order: Places of the students that may serve, the smallest first.
    """
    everyone = np.arange(len(gains))

    def pick(rounds: NDArray[np.intp]) -> tuple[int, int]:
        ways = best_ways(gains[rounds])
        for student in order:
            worse = summarise(gains[rounds, student, ways[student]], rounds).worse
            if worse is not None and worse <= 1 - confidence:
                return int(student), int(ways[student])
        means = gains[rounds].mean(axis=0)[order, ways[order]]
        close = np.flatnonzero(means >= np.nanmax(means) - PARSIMONY * rope)
        student = int(order[close[0]])
        return student, int(ways[student])

    by_round = np.array([pick(np.delete(everyone, j)) for j in everyone], dtype=np.intp)
    gain = summarise(gains[everyone, by_round[:, 0], by_round[:, 1]], everyone)
    return Choice(*pick(everyone), by_round, judged(gain, confidence), gain)


def best_ways(gains: Array) -> NDArray[np.intp]:
    """``(S,)`` the way by which each student gains most, on average over rounds; of equal ones the first."""
    means = gains.mean(axis=0)
    found: NDArray[np.intp] = np.where(np.isnan(means), -np.inf, means).argmax(axis=1)
    return found


def judged(gain: Difference, confidence: float) -> Found:
    """What a gain over the teacher says, by the test that a verdict asks of a cheaper model."""
    if gain.worse is None:
        return "undecided"
    if gain.worse <= 1 - confidence:
        return "equivalent"
    return "worse" if gain.worse >= confidence else "undecided"
