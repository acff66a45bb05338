"""How much a budget buys: decided once, after a scouting round has measured what trials cost here."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from sharewise.studies._protocol import Plan
from sharewise.studies._trial import Result

COST = {
    "none": (1.0, 1.0, 1.0, 1.0),
    "linear": (1.0, 2.5, 4.0, 4.0),
    "trees": (1.0, 4.0, 20.0, 27.0),
    "network": (1.0, 1.5, 2.5, 6.0),
}
"""Seconds of all a family's trials of a round, by effort, as multiples of the scouting round's: measured
on tables of 300 to 4,000 rows. Wrong by half, they cost thoroughness, never the deadline."""
LADDER = ((3, 10), (2, 10), (2, 5), (1, 10), (1, 5), (0, 5), (0, 3), (0, 2), (0, 1))
"""Effort and rounds, most wanted first."""
SCOUT_ROWS = 1500
SCOUT_SHARE = 0.3
"""Of the budget at most, for the scouting round."""
SPARE = 0.92
"""Share of the budget that plans may fill."""
FINISH = 3.0
"""Seconds kept for deciding and writing."""
LEAST_CAP = 300


@dataclass
class Clock:
    """Wall clock of a study over all its sessions.

    Attributes:
        budget: Seconds for everything, or None.
        before: Seconds that earlier sessions used.
    """

    budget: float | None
    before: float = 0.0

    def __post_init__(self) -> None:
        self._started = time.monotonic()

    def elapsed(self) -> float:
        return self.before + time.monotonic() - self._started

    def left(self, *, reserve: float = 0.0) -> float | None:
        """Seconds left beside a reserve, None without a budget."""
        return None if self.budget is None else self.budget - reserve - self.elapsed()


def round_seconds(scout: Sequence[Result], *, effort: int, rows: float, workers: int) -> float:
    """Wall-clock seconds of a round, from the scouting round's trials.

    Args:
        rows: Training rows as a multiple of the scouting round's.
    """
    total = sum(result.seconds * COST[result.spec.family][effort] for result in scout)
    longest = max((result.seconds * COST[result.spec.family][effort] / 2 for result in scout), default=0.0)
    return max(total / workers, longest) * max(rows, 1.0)


def more_rounds(rounds: int, most: int) -> int | None:
    """The next larger number of rounds on the ladder, or None. In steps, so that the same study on the
    same machine nearly always ends with the same rounds, whatever the clock's small differences."""
    steps = sorted({min(rung, most) for _, rung in LADDER})
    return next((step for step in steps if step > rounds), None)


def choose_plan(
    scout: Sequence[Result],
    clock: Clock,
    *,
    most_rounds: int,
    train_rows: int,
    scout_rows: int,
    workers: int,
) -> Plan:
    """The first rung of the ladder that fits what is left, its refit of the winner included; where none
    does, fewer training rows."""
    left = clock.left(reserve=FINISH)
    efforts = [(effort, min(rounds, most_rounds)) for effort, rounds in LADDER]
    if left is None:
        return Plan(*efforts[0])
    cap: int | None = None
    while True:
        rows = (train_rows if cap is None else cap) / scout_rows
        for effort, rounds in efforts:
            if cap is not None and effort > 0:
                continue
            seconds = round_seconds(scout, effort=effort, rows=rows, workers=workers)
            if seconds * (rounds + 1) <= left * SPARE:
                return Plan(effort, rounds, cap)
        smaller = (train_rows if cap is None else cap) // 2
        if smaller < LEAST_CAP:
            return Plan(0, 2 if most_rounds > 1 else 1, cap)
        cap = smaller
