"""How much a budget buys: how many configurations, and the seconds that each may learn for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sharewise.studies._plan import FINISH, Clock

ROUNDS = 5
"""Folds of the tasks, each tested once: what a first repeat has."""
FEWEST_ROUNDS = 3
LEARNING = (2.0, 3.0, 5.0)
"""CPU seconds of learning below which a further effort is not worth its further configurations."""
MOST_LEARNING = 60.0
UNBOUND_LEARNING = 20.0
"""Seconds a configuration without a budget."""
LEAST_LEARNING = 1.0
SURVIVE = 0.5
"""Share of the first round's seconds that a later one is taken to need: configurations that were never near the best
are not tried again."""
USED = 0.6
"""Share of the budget that learning is planned to fill: adapting, judging and fitting the winner take the rest."""


@dataclass(frozen=True)
class NewPlan:
    """What is run; kept with the trials.

    Attributes:
        effort: Which configurations compete.
        rounds: Folds of the tasks, over all repeats.
        seconds: CPU seconds that each configuration may learn for, in every round.
        draws: Draws a test task; in a pool in all.
        valid_draws: Likewise of validation tasks.
        queries: Query rows a draw at most; in a pool a class.
    """

    effort: int
    rounds: int
    seconds: float
    draws: int
    valid_draws: int
    queries: int


@dataclass(frozen=True)
class Cheap:
    """What the first fold's trials came to that learn without gradient descent.

    Attributes:
        seconds: Their wall-clock seconds, all together.
        slowness: Of their wall-clock seconds by their CPU seconds, at least 1: what other programs take.
    """

    seconds: float
    slowness: float


def choose_plan(
    clock: Clock,
    counts: Sequence[int],
    *,
    workers: int,
    most_rounds: int,
    draws: tuple[int, int, int],
    cheap: Cheap,
) -> NewPlan:
    """The most thorough effort, and then the most rounds, with which all configurations get their seconds.

    Args:
        counts: By effort how many configurations learn by gradient descent, which fills any time.
        draws: See `NewPlan`: draws, valid_draws, queries.
        cheap: What the others take.
    """
    left = clock.left(reserve=FINISH)
    if left is None:
        return NewPlan(len(counts) - 1, most_rounds, UNBOUND_LEARNING, *draws)

    def seconds(effort: int, rounds: int) -> float:
        """Of learning for each configuration that descends; later rounds run what survived the first."""
        later = SURVIVE * (rounds - 1)
        whole = max(left * workers - cheap.seconds * later, 0.0)
        return USED * whole / (1 + later) / cheap.slowness / max(counts[effort], 1)

    most = min(ROUNDS, most_rounds)
    # Fewer configurations before fewer rounds, and either before networks that have learnt next to nothing.
    rungs = [(effort, most) for effort in reversed(range(len(counts)))]
    rungs += [(0, rounds) for rounds in range(most - 1, FEWEST_ROUNDS - 1, -1)]
    effort, rounds = next(
        (rung for rung in rungs if seconds(*rung) >= LEARNING[rung[0]]), (0, min(most, FEWEST_ROUNDS))
    )
    return NewPlan(effort, rounds, min(max(seconds(effort, rounds), LEAST_LEARNING), MOST_LEARNING), *draws)
